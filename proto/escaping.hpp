// The two escapings of RFC 7247 section 6: percent (RFC 3986) and JID (XEP-0106).
#pragma once

#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace presmesh::proto {

/// Which characters may stand bare in the user part.
enum class UserGrammar {
    sip,   ///< RFC 3261 `user`: RFC 7247 table 1, row SIP/SIPS
    pres,  ///< RFC 7247 table 1, row IM/PRES, less what RFC 3986 gives a meaning ("#%/?" and the like), and with the
           ///< dot
};

std::string percent_encode(std::string_view text, UserGrammar grammar);
/// malformed: a '%' without two hexadecimal digits after it.
Result<std::string> percent_decode(std::string_view text);

/// XEP-0106 section 3.2: the nine characters no local part may hold, and a backslash where it would read as an escape.
std::string jid_escape(std::string_view user);
/// XEP-0106 section 3.3; upper-case digits are read too, since local parts have no case. malformed: a character that no
/// local part may hold.
Result<std::string> jid_unescape(std::string_view local);

}  // namespace presmesh::proto
