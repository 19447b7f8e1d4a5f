// What rows are saved under, and a list of short texts as one saved value: each with two bytes of length, big endian,
// before it.
#pragma once

#include <string>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/uri.hpp"

namespace presmesh::translators::xmpp {

/// A name in a key: a JID, its domain in A-labels, so that no other Unicode table makes another key of it.
std::string saved_name(const proto::PresentityUri& name);

/// Texts over 65535 bytes are left out, and so is what would pass limits::document_bytes.
proto::Bytes write_strings(const std::vector<std::string>& texts);
/// As many as can be read.
std::vector<std::string> read_strings(proto::BytesView bytes);

}  // namespace presmesh::translators::xmpp
