// Extension elements that a client hands in as text.
#pragma once

#include <string_view>

#include "proto/presence.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

/// One XML element that stands by itself, in the one spelling of FORMAT.md. malformed (not well-formed, not one
/// element, of no namespace), forbidden_xml, too_large.
proto::Result<proto::ExtensionXml> read_extension(std::string_view text);

}  // namespace presmesh::daemon
