#include "node/daemon/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "proto/limits.hpp"

namespace presmesh::daemon {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

Reason reason_of(int error) {
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            return Reason::not_found;
        case EACCES:
        case EPERM:
            return Reason::forbidden;
        default:
            return Reason::unavailable;
    }
}

tl::unexpected<proto::Error> system_fault(const std::string& what) {
    const int error = errno;
    return refuse(reason_of(error), what + ": " + std::strerror(error));
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

/// A file that is reached through a link is replaced where it lies.
std::string behind_links(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    return real ? std::string(real.get()) : path;
}

/// A daemon that runs as another user reads the new file as it read the old one.
Result<void> like_the_old(int fd, const std::string& path, const struct stat& old) {
    struct stat fresh {};
    if (::fstat(fd, &fresh) != 0) return system_fault("cannot look at the new " + path);
    const bool other_owner = fresh.st_uid != old.st_uid || fresh.st_gid != old.st_gid;
    if (other_owner && ::fchown(fd, old.st_uid, old.st_gid) != 0)
        return system_fault("cannot keep the owner of " + path);
    if (::fchmod(fd, old.st_mode & 07777) != 0) return system_fault("cannot keep the mode of " + path);
    return {};
}

/// `fresh` is to take the place of `target`, which may be there.
Result<void> write_fresh(const std::string& fresh, std::string_view text, FileMode mode, const std::string& target) {
    struct stat old {};
    const bool replaces = ::stat(target.c_str(), &old) == 0;
    const auto made_as = static_cast<mode_t>(replaces ? FileMode::secret : mode);
    const Descriptor file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, made_as));
    if (file.get() < 0) return system_fault("cannot write " + fresh);
    if (replaces) {
        if (auto done = like_the_old(file.get(), target, old); !done) return done;
    }
    if (!write_all(file.get(), text) || ::fsync(file.get()) != 0) return system_fault("cannot write " + fresh);
    return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return system_fault("cannot open " + path);
    std::string text;
    char buffer[16 * 1024];
    for (;;) {
        const auto got = ::read(file.get(), buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_fault("cannot read " + path);
        if (got == 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        if (text.size() > proto::limits::operator_file_bytes)
            return refuse(Reason::too_large, path + " is larger than 16 MiB");
    }
}

Result<void> write_file(const std::string& path, std::string_view text, FileMode mode, bool replace) {
    if (!replace && file_exists(path)) return refuse(Reason::conflict, path + " exists already");
    const auto target = replace ? behind_links(path) : path;
    const std::string fresh = target + ".new";
    ::unlink(fresh.c_str());
    auto done = write_fresh(fresh, text, mode, target);
    if (done && ::rename(fresh.c_str(), target.c_str()) != 0) done = system_fault("cannot replace " + target);
    if (!done) {
        ::unlink(fresh.c_str());
        return done;
    }
    const Descriptor folder(::open(folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 || ::fsync(folder.get()) != 0) return system_fault("cannot sync the folder of " + target);
    return {};
}

bool file_exists(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

std::string resolve_path(const std::string& folder, const std::string& path) {
    if (path.empty() || path.front() == '/') return path;
    return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::string folder_of(const std::string& path) {
    const auto folder = std::filesystem::path(path).parent_path().string();
    return folder.empty() ? "." : folder;
}

}  // namespace presmesh::daemon
