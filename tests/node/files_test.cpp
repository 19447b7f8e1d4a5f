// An operator's file that is written anew stays who it was: owner, mode, and where a link leads.
#include "node/daemon/files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using daemon::FileMode;
using daemon::write_file;

namespace {

struct stat status_of(const std::string& path) {
    struct stat out {};
    REQUIRE(::lstat(path.c_str(), &out) == 0);
    return out;
}

unsigned mode_of(const std::string& path) {
    return status_of(path).st_mode & 07777;
}

}  // namespace

TEST_CASE("a file that is replaced keeps its mode, its owner, and the link to it") {
    TempFolder folder;
    std::filesystem::create_directory(folder.file("shared"));
    const auto real = folder.write("shared/federation.toml", "old");
    const auto link = folder.file("federation.toml");
    std::filesystem::create_symlink("shared/federation.toml", link);
    const bool root = ::geteuid() == 0;
    constexpr uid_t somebody = 12'345;
    if (root) REQUIRE(::chown(real.c_str(), somebody, somebody) == 0);
    REQUIRE(::chmod(real.c_str(), 0640) == 0);

    REQUIRE(write_file(link, "new", FileMode::secret, true));
    CHECK(S_ISLNK(status_of(link).st_mode));
    CHECK(daemon::read_file(real).value() == "new");
    CHECK(mode_of(real) == 0640);
    CHECK(status_of(real).st_uid == (root ? somebody : ::getuid()));
    if (root) CHECK(status_of(real).st_gid == somebody);
    CHECK_FALSE(daemon::file_exists(real + ".new"));
}

TEST_CASE("a file that was not there gets the mode that is asked for; one that is there stays, unless replaced") {
    TempFolder folder;
    const auto path = folder.file("node.key");
    REQUIRE(write_file(path, "one", FileMode::secret, true));
    CHECK(mode_of(path) == 0600);
    CHECK(write_file(path, "two", FileMode::secret, false).error().reason == proto::Reason::conflict);
    CHECK(daemon::read_file(path).value() == "one");
    CHECK(write_file(folder.file("no/where"), "x", FileMode::secret, true).error().reason == proto::Reason::not_found);
}

TEST_CASE("what cannot be replaced leaves nothing behind") {
    TempFolder folder;
    const auto path = folder.file("taken");
    std::filesystem::create_directories(path + "/by a folder");
    CHECK_FALSE(write_file(path, "x", FileMode::secret, true));
    CHECK_FALSE(daemon::file_exists(path + ".new"));
}
