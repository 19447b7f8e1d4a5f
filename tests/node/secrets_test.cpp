#include "node/daemon/secrets.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/support/temp_folder.hpp"

using namespace presmesh;

TEST_CASE("secret files that others may read are told, and a domain key that lies on the node") {
    const testing::TempFolder folder;
    daemon::Config config;
    config.node.key_file = folder.write("node.key", "");
    config.node.certificate_file = folder.write("node.cert", "");
    config.node.federation_file = folder.write("federation.toml", "");
    config.http.token_file = folder.write("tokens", "");
    const auto mode = [&](const char* name, mode_t bits) { REQUIRE(::chmod(folder.file(name).c_str(), bits) == 0); };
    mode("node.key", 0600);
    mode("node.cert", 0644);
    mode("federation.toml", 0640);
    mode("tokens", 0400);
    CHECK(daemon::exposed_secrets(config).empty());
    CHECK(daemon::domain_key_here(config).empty());

    for (const mode_t bits : {0644, 0604, 0660, 0650, 0601, 0602}) {
        mode("node.key", bits);
        CHECK_MESSAGE(daemon::exposed_secrets(config).size() == 1, bits);
    }
    folder.write("domain.key", "");
    mode("domain.key", 0644);
    mode("federation.toml", 0644);
    mode("tokens", 0644);
    const auto found = daemon::exposed_secrets(config);
    REQUIRE(found.size() == 4);
    CHECK(found[1].starts_with(folder.file("domain.key") + " is secret and has mode 0644"));
    CHECK(daemon::domain_key_here(config) == folder.file("domain.key"));
    config.http.token_file.clear();
    CHECK(daemon::exposed_secrets(config).size() == 3);
}
