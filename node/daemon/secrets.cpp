#include "node/daemon/secrets.hpp"

#include <sys/stat.h>

#include <cstdio>

#include "node/daemon/files.hpp"

namespace presmesh::daemon {

namespace {

/// Group may read; nothing else is anybody's but the owner's.
constexpr mode_t too_much = 0037;

}  // namespace

std::string domain_key_here(const Config& config) {
    for (const auto& file : {config.node.key_file, config.node.certificate_file}) {
        if (file.empty()) continue;
        auto path = resolve_path(folder_of(file), "domain.key");
        if (file_exists(path)) return path;
    }
    return {};
}

std::vector<std::string> exposed_secrets(const Config& config) {
    std::vector<std::string> files{config.node.key_file, domain_key_here(config), config.http.token_file,
                                   config.node.federation_file};
    files.insert(files.end(), config.secret_files.begin(), config.secret_files.end());
    std::vector<std::string> found;
    for (const auto& file : files) {
        struct stat status {};
        if (file.empty() || ::stat(file.c_str(), &status) != 0 || (status.st_mode & too_much) == 0) continue;
        char mode[8];
        std::snprintf(mode, sizeof(mode), "%04o", static_cast<unsigned>(status.st_mode & 07777));
        found.push_back(file + " is secret and has mode " + mode +
                        ": make it 0600, or 0640 for a group of the daemon's");
    }
    return found;
}

}  // namespace presmesh::daemon
