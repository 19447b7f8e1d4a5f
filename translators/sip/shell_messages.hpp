// sofia-sip's messages as ours, and back. Part of the shell: nothing else sees these.
#pragma once

#include <string>

#include <sofia-sip/msg.h>
#include <sofia-sip/msg_addr.h>
#include <sofia-sip/sip.h>

#include "translators/sip/message.hpp"

namespace presmesh::translators::sip {

/// Of a request sofia-sip has found well-formed. The transaction is left 0.
Request read_request(msg_t* message, const sip_t* sip);
/// `sip` may be null: the transport's own word.
Response read_response(const sip_t* sip, int status, bool local);

/// Adds the headers and body of `request` to an empty message. False: one of its values cannot be made a header.
bool write_request(msg_t* message, const Request& request);
/// Adds what is ours in a response; Via, From, To, Call-ID, CSeq and Record-Route are the stack's to copy.
bool write_response(msg_t* message, const Response& response);

/// What tells a transaction apart from others (RFC 3261 section 17.2.3).
std::string transaction_key(const sip_t* sip);

proto::Endpoint source_of(msg_t* message);
bool is_tcp(const sip_t* sip);

}  // namespace presmesh::translators::sip
