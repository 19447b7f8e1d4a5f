// Files an operator owns: read whole, and written so that a crash leaves the old one or the new one.
#pragma once

#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace presmesh::daemon {

/// not_found, forbidden, too_large (limits::operator_file_bytes), unavailable (detail names the file and the system's
/// word for the fault).
proto::Result<std::string> read_file(const std::string& path);

enum class FileMode { ordinary = 0644, secret = 0600 };
/// Writes beside the file, syncs, and renames over it; one that is replaced keeps owner and mode, and links to it.
/// conflict when `path` exists and `replace` is false.
proto::Result<void> write_file(const std::string& path, std::string_view text, FileMode mode, bool replace);

bool file_exists(const std::string& path);
/// `path` itself when absolute, else below `folder`.
std::string resolve_path(const std::string& folder, const std::string& path);
/// The folder a file lies in; "." for a bare name.
std::string folder_of(const std::string& path);

}  // namespace presmesh::daemon
