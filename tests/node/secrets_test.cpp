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

TEST_CASE("the attached servers' secrets are looked at as the node's own are, each file once") {
    const testing::TempFolder folder;
    folder.write("sip.password", "swordfish\n");
    folder.write("component.secret", "s3cret\n");
    const auto mode = [&](const char* name, mode_t bits) { REQUIRE(::chmod(folder.file(name).c_str(), bits) == 0); };
    const auto exposed = [&] {
        const auto parsed = daemon::parse_config(R"([node]
domain = "a.example"
key = "node.key"
certificate = "node.cert"
federation = "federation.toml"
listen = "127.0.0.1:4000"
[[sip]]
mode = "attach"
server = "sip:127.0.0.1:5070"
user = "presmesh"
password_file = "sip.password"
[[xmpp]]
domain = "x.example"
components = [
  { host = "b.example", secret_file = "component.secret" },
  { host = "gw.x.example", secret_file = "component.secret", gateway = true },
]
)",
                                                 folder.path());
        REQUIRE(parsed.faults.empty());
        return daemon::exposed_secrets(parsed.config);
    };
    mode("sip.password", 0640);
    mode("component.secret", 0600);
    CHECK(exposed().empty());
    mode("sip.password", 0644);
    mode("component.secret", 0604);
    const auto found = exposed();
    REQUIRE(found.size() == 2);
    CHECK(found[0].starts_with(folder.file("component.secret") + " is secret and has mode 0604"));
    CHECK(found[1].starts_with(folder.file("sip.password") + " is secret and has mode 0644"));
}

TEST_CASE("a configuration that holds a password, a secret or an account is secret itself") {
    const testing::TempFolder folder;
    const auto exposed = [&](const std::string& section) {
        const auto path = folder.write("presmesh.toml", R"([node]
domain = "a.example"
key = "node.key"
certificate = "node.cert"
federation = "federation.toml"
listen = "127.0.0.1:4000"
)" + section);
        REQUIRE(::chmod(path.c_str(), 0644) == 0);
        const auto parsed = daemon::load_config(path);
        REQUIRE(parsed);
        REQUIRE(parsed->faults.empty());
        return daemon::exposed_secrets(parsed->config);
    };
    const std::string attach = "[[sip]]\nmode = \"attach\"\nserver = \"sip:127.0.0.1:5070\"\n";
    CHECK(exposed(attach).empty());
    const auto found = exposed(attach + "user = \"presmesh\"\npassword = \"swordfish\"\n");
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with(folder.file("presmesh.toml") + " is secret and has mode 0644"));
    CHECK(exposed("[[xmpp]]\ndomain = \"x.example\"\ncomponents = [{ host = \"b.example\", secret = \"s3cret\" }]\n")
              .size() == 1);
    CHECK(exposed("[[sip]]\nmode = \"serve\"\nlisten = [\"127.0.0.1:5060\"]\nauthenticate = true\n"
                  "accounts = [{ user = \"alice\", ha1_md5 = \"0123456789abcdef0123456789abcdef\" }]\n")
              .size() == 1);
}
