// What a config names outside itself: addresses that cannot be had together, files that could not be written.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "node/daemon/config_sections.hpp"
#include "node/daemon/files.hpp"

namespace presmesh::daemon {

namespace {

bool meet(const Listening& a, const Listening& b) {
    if (a.section == "[node]" && b.section == a.section) return false;  // one of a family, as is said there
    if (a.tcp != b.tcp || a.at.port != b.at.port || a.at.port == 0 || a.at.is_v4() != b.at.is_v4()) return false;
    return a.at == b.at || is_wildcard(a.at) || is_wildcard(b.at);
}

std::string system_word() {
    return std::strerror(errno);
}

/// Empty: files can be made there.
std::string unusable_folder(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return "the folder " + path + " cannot be used: " + system_word();
    if (!S_ISDIR(found.st_mode)) return path + " is no folder";
    if (::access(path.c_str(), W_OK | X_OK) != 0)
        return "the folder " + path + " cannot be written to: " + system_word();
    return {};
}

/// Empty: it is not there, or can be written to.
std::string unusable_file(const std::string& path, int mode) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    if (S_ISDIR(found.st_mode)) return path + " is a folder";
    if (::access(path.c_str(), mode) != 0) return path + " cannot be used: " + system_word();
    return {};
}

/// The log makes folders that are missing.
std::string nearest_folder(const std::string& path) {
    auto folder = folder_of(path);
    while (!file_exists(folder) && folder != folder_of(folder)) folder = folder_of(folder);
    return folder;
}

}  // namespace

void check_listens(const std::vector<Listening>& listens, std::vector<proto::FileFault>& faults) {
    for (std::size_t later = 0; later < listens.size(); ++later) {
        for (std::size_t sooner = 0; sooner < later; ++sooner) {
            const auto& a = listens[sooner];
            const auto& b = listens[later];
            if (!meet(a, b)) continue;
            faults.push_back({b.line, b.section + " listens at " + (b.tcp ? "TCP " : "UDP ") + b.at.to_string() +
                                          ", and so does " + a.section + " in line " + std::to_string(a.line) +
                                          " with " + a.at.to_string()});
        }
    }
}

std::vector<proto::FileFault> unusable_places(const ParsedConfig& parsed) {
    std::vector<proto::FileFault> faults;
    if (const auto& state = parsed.config.node.state_file; !state.empty()) {
        auto why = unusable_folder(folder_of(state));
        if (why.empty()) why = unusable_file(state, R_OK | W_OK);
        if (!why.empty()) faults.push_back({parsed.state_line, "[node] state: " + why});
    }
    if (const auto& log = parsed.config.log.file; !log.empty()) {
        auto why = unusable_file(log, W_OK);
        if (why.empty() && !file_exists(log)) why = unusable_folder(nearest_folder(log));
        if (!why.empty()) faults.push_back({parsed.log_file_line, "[log] file: " + why});
    }
    return faults;
}

}  // namespace presmesh::daemon
