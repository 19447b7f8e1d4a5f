// Others' text on a line for people: nothing in it begins a new line, or steers the terminal.
#pragma once

#include <string>
#include <string_view>

namespace presmesh::daemon {

/// Control characters (C0, DEL, C1) become \n, \r, \t or \uXXXX, a byte that is no UTF-8 \xXX; the rest stays.
std::string printable(std::string_view text);
/// The same with " and \ escaped, too: what stands between quotes ends where it ends.
std::string quotable(std::string_view text);

}  // namespace presmesh::daemon
