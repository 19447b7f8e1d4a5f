// What the words of a command line must look like. Whatever the daemon says of them, these are wrong usage: each gives
// the fault as a sentence, or nothing, as CLI11's validators do.
#pragma once

#include <string>

namespace presmesh::cli {

/// user@domain or any spelling of it. Whose user it is, the daemon says.
std::string is_user(const std::string& text);
std::string is_domain(const std::string& text);
/// http://host:port, with or without what stands before the host.
std::string is_url(const std::string& text);
/// Of characters that an Authorization header can carry.
std::string is_token(const std::string& text);
/// host:port of a node, the port a multiple of 8.
std::string is_bootstrap(const std::string& text);
/// What a publication can be named.
std::string is_publication(const std::string& text);

}  // namespace presmesh::cli
