// The canonical user part of a presentity (FORMAT.md: names).
#pragma once

#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace presmesh::proto {

/// Lower-case NFC of an unescaped user part, at most limits::user_bytes. Refuses (malformed): not UTF-8; control,
/// format and separator characters other than a space within; what NFKC would change; a combining mark right after a
/// character that XEP-0106 escapes.
Result<std::string> canonical_user(std::string_view user);

}  // namespace presmesh::proto
