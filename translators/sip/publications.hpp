// RFC 3903: a PUBLISH becomes one of Host::publish's four operations. Nothing is kept here; entity tags are the host's.
#pragma once

#include <string>

#include "proto/result.hpp"
#include "proto/time.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/settings.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

/// The answer to `request`, a PUBLISH from someone who may speak for its presentity (the caller has checked). 200 with
/// SIP-ETag and Expires; 400, 404, 412, 413, 415, 423 with Min-Expires, 489 with Allow-Events, 503.
Response handle_publish(proto::Now now, Host& host, const Request& request);

/// The status a refusal becomes, and the usual headers of that status. The reason's name stands in the phrase.
Response refusal(const Request& request, const proto::Error& error);
/// Is its Event header "presence", whatever the parameters?
bool is_presence(const Request& request);
/// The packages that a translator of this mode has, for Allow-Events. An attached server's own users ask it who watches
/// them.
std::string allowed_events(Mode mode);
/// 489 with Allow-Events.
Response bad_event(const Request& request, Mode mode);

}  // namespace presmesh::translators::sip
