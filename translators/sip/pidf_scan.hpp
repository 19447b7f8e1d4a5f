// The look at a PIDF body before a parser sees it: what may not be in it, and how large it may be.
#pragma once

#include <string_view>

#include "proto/bytes.hpp"
#include "proto/result.hpp"

namespace presmesh::translators::sip {

/// Body without byte order mark and XML declaration. Refuses too_large, forbidden_xml and malformed as read_pidf does.
proto::Result<std::string_view> scan_xml(proto::BytesView bytes);

}  // namespace presmesh::translators::sip
