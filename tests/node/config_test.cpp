#include "node/daemon/config.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/daemon/files.hpp"
#include "node/daemon/material.hpp"
#include "tests/support/record_world.hpp"
#include "tests/support/temp_folder.hpp"

using namespace presmesh;
using daemon::parse_config;

namespace {

constexpr const char* minimal = R"([node]
domain = "A.example."
key = "node.key"
certificate = "/etc/node.cert"
federation = "federation.toml"
listen = "127.0.0.1:4000"
)";

std::vector<std::string> faults_of(const std::string& toml, const std::string& folder = "/x") {
    std::vector<std::string> texts;
    for (const auto& fault : parse_config(toml, folder).faults)
        texts.push_back(std::to_string(fault.line) + ": " + fault.text);
    return texts;
}

bool has(const std::vector<std::string>& faults, std::string_view start) {
    return std::any_of(faults.begin(), faults.end(), [&](const auto& f) { return f.starts_with(start); });
}

}  // namespace

TEST_CASE("a small file, and what is taken where it is silent") {
    const auto parsed = parse_config(minimal, "/etc/presmesh");
    CHECK(faults_of(minimal).empty());
    const auto& node = parsed.config.node;
    CHECK(node.domain == "a.example");
    CHECK(node.key_file == "/etc/presmesh/node.key");
    CHECK(node.certificate_file == "/etc/node.cert");
    CHECK(node.state_file == "/etc/presmesh/state.sqlite");
    CHECK(node.advertise == node.listen);
    CHECK(node.shards == 4);
    CHECK(node.crash_bound == std::chrono::seconds{30});
    CHECK(parsed.config.presence.default_handling == node::Handling::confirm);
    CHECK(parsed.config.http.enabled);
    CHECK(parsed.config.http.listen.at(0).to_string() == "127.0.0.1:8470");
    CHECK(parsed.config.log.level == daemon::LogLevel::info);
    CHECK(parsed.config.sip.empty());
    CHECK(parsed.config.xmpp.empty());
}

TEST_CASE("every fault at once, each with its line") {
    const auto faults = faults_of(R"([node]
domain = "a example"
key = 5
certificate = ""
listen = ["127.0.0.1:4001", "127.0.0.1:4008", "here"]
shards = 9
crash_bound = "soon"
crash_bund = "5s"
[http]
listen = "0.0.0.0:80"
[log]
level = "inf"
[preasence]
)");
    CHECK(has(faults, "1: [node] needs federation"));
    CHECK(has(faults, "2: [node] domain must be a domain name"));
    CHECK(has(faults, "3: [node] key must be a text, and is a number"));
    CHECK(has(faults, "4: [node] certificate must not be empty"));
    CHECK(has(faults, "5: [node] listen needs a port that is a multiple of 8"));
    CHECK(has(faults, "5: [node] listen takes one IPv4 and one IPv6"));
    CHECK(has(faults, "5: [node] listen must be an address and port"));
    CHECK(has(faults, "6: [node] shards must lie between 1 and 8, and is 9"));
    CHECK(has(faults, "7: [node] crash_bound must be a time"));
    CHECK(has(faults, "8: [node] does not know crash_bund; is crash_bound meant?"));
    CHECK(has(faults, "10: [http] listen names 0.0.0.0:80"));
    CHECK(has(faults,
              "12: [log] level must be one of \"debug\", \"info\", \"warning\", \"error\", and is \"inf\"; is \"info\" "
              "meant?"));
    CHECK(has(faults, "13: there is no section preasence; is presence meant?"));
    CHECK(faults.size() == 13);
}

TEST_CASE("a file that is not TOML says where") {
    const auto faults = faults_of("[node]\ndomain = \n");
    REQUIRE(faults.size() == 1);
    CHECK(faults[0].starts_with("2: "));
    CHECK(faults_of("") == std::vector<std::string>{"0: the section [node] is missing"});
    CHECK(has(faults_of("node = 1"), "1: node must be a section"));
}

TEST_CASE("a wildcard needs an address to advertise") {
    std::string text = minimal;
    text.replace(text.find("127.0.0.1"), 9, "0.0.0.0");
    CHECK(has(faults_of(text), "1: [node] needs advertise"));
    CHECK(faults_of(text + "advertise = \"192.0.2.1:4000\"\n").empty());
    CHECK(has(faults_of(text + "advertise = \"0.0.0.0:4000\"\n"), "7: [node] advertise must say an address"));
    CHECK(has(faults_of(text + "advertise = []\n"), "7: [node] advertise must not be empty"));
    CHECK(has(faults_of(text + "advertise = [\"192.0.2.1:4000\", \"[2001:db8::1]:4000\"]\n"),
              "7: [node] advertise names [2001:db8::1]:4000, and listen no address of IPv6"));
}

TEST_CASE("http listens for others only when told so") {
    CHECK(faults_of(std::string(minimal) + "[http]\nlisten = \"[::1]:80\"\n").empty());
    CHECK(faults_of(std::string(minimal) + "[http]\nlisten = \"[::]:80\"\nallow_remote = true\n").empty());
    CHECK(faults_of(std::string(minimal) + "[http]\nlisten = \"[::]:80\"\n").size() == 1);
}

TEST_CASE("addresses that nobody can be reached at, and ports that nobody would find") {
    for (const auto* bad : {"224.0.0.5:4000", "239.1.2.3:4000", "255.255.255.255:4000"})
        CHECK_MESSAGE(has(faults_of(std::string(minimal) + "advertise = \"" + bad + "\"\n"),
                          "7: [node] advertise must be one node's address"),
                      bad);
    std::string text = minimal;
    text.replace(text.find("127.0.0.1:4000"), 14, "[ff02::1]:4000");
    CHECK(has(faults_of(text), "6: [node] listen must be one node's address"));
    CHECK(has(faults_of(std::string(minimal) + "[http]\nlisten = \"127.0.0.1:0\"\n"), "8: [http] listen needs a port"));
}

TEST_CASE("two that listen at one address are told before one of them cannot") {
    const auto sip = [](const std::string& listen) {
        return "[[sip]]\nmode = \"serve\"\nlisten = \"" + listen + "\"\n";
    };
    const std::string http = std::string(minimal) + "[http]\nlisten = \"127.0.0.1:8470\"\n";
    for (const auto* same : {"tcp:127.0.0.1:8470", "127.0.0.1:8470", "tcp:0.0.0.0:8470"})
        CHECK_MESSAGE(
            has(faults_of(http + sip(same)),
                "11: [[sip]] listens at TCP " +
                    proto::Endpoint::parse(std::string(same).substr(std::string_view(same).starts_with("tcp:") ? 4 : 0))
                        ->to_string() +
                    ", and so does [http] in line 8"),
            same);
    for (const auto* other : {"udp:127.0.0.1:8470", "tcp:127.0.0.2:8470", "tcp:[::1]:8470", "tcp:127.0.0.1:8471"})
        CHECK_MESSAGE(faults_of(http + sip(other)).empty(), other);
    CHECK(has(faults_of(std::string(minimal) + sip("udp:127.0.0.1:4000")), "9: [[sip]] listens at UDP"));
    CHECK(has(faults_of(std::string(minimal) + sip("127.0.0.1:5060") + "name = \"a\"\n" + sip("127.0.0.1:5060")),
              "13: [[sip]] listens at TCP 127.0.0.1:5060, and so does [[sip]] in line 9"));
    CHECK(faults_of(std::string(minimal) + "[http]\nenabled = false\n" + sip("127.0.0.1:8470")).empty());
}

TEST_CASE("a state file and a log that could not be written are told, and nothing is made") {
    const testing::TempFolder folder;
    folder.write("file", "");
    const auto faults = [&](const std::string& state, const std::string& log) {
        const auto text = std::string(minimal) + "state = \"" + state + "\"\n[log]\nfile = \"" + log + "\"\n";
        auto parsed = parse_config(text, folder.path());
        auto all = std::move(parsed.faults);
        for (auto& fault : daemon::unusable_places(parsed)) all.push_back(std::move(fault));
        std::vector<std::string> texts;
        for (const auto& fault : all) texts.push_back(std::to_string(fault.line) + ": " + fault.text);
        return texts;
    };
    CHECK(faults("state.sqlite", "new/folder/log").empty());
    CHECK(faults("file", "file").empty());
    CHECK(faults("file", "/dev/null").empty());
    CHECK(faults("", "") == std::vector<std::string>{"7: [node] state must not be empty"});
    CHECK(faults("/", "") == std::vector<std::string>{"7: [node] state: / is a folder"});
    CHECK(
        has(faults("nowhere/state", ""), "7: [node] state: the folder " + folder.file("nowhere") + " cannot be used"));
    CHECK(has(faults("file/state", ""), "7: [node] state: " + folder.file("file") + " is no folder"));
    CHECK(has(faults("file", folder.path()), "9: [log] file: " + folder.path() + " is a folder"));
    CHECK(has(faults("file", "file/log"), "9: [log] file: " + folder.file("file") + " is no folder"));
    if (::geteuid() != 0) {  // root may write anywhere
        REQUIRE(::chmod(folder.path().c_str(), 0500) == 0);
        CHECK(has(faults("new.sqlite", ""), "7: [node] state: the folder " + folder.path() + " cannot be written to"));
        REQUIRE(::chmod(folder.path().c_str(), 0700) == 0);
    }
    CHECK_FALSE(daemon::file_exists(folder.file("new")));
    CHECK_FALSE(daemon::file_exists(folder.file("state.sqlite")));
}

TEST_CASE("which settings wait for a restart") {
    const auto keys = [](const std::string& running, const std::string& file) {
        return daemon::keys_for_restart(parse_config(running, "/x").config.written,
                                        parse_config(file, "/x").config.written);
    };
    using Keys = std::vector<std::string>;
    const std::string text = minimal;
    CHECK(keys(text, text).empty());
    CHECK(keys(text, "# said anew\n\n" + text).empty());
    auto other = text;
    other.replace(other.find("federation.toml"), 15, "other.toml");
    CHECK(keys(text, other + "[presence]\ndefault_rule = \"allow\"\n[log]\nlevel = \"debug\"\n[http]\ntoken_file = "
                             "\"t\"\n")
              .empty());
    CHECK(keys(text + "shards = 3\n", text + "shards = 8\ncrash_bound = \"9s\"\n") ==
          Keys{"[node] crash_bound", "[node] shards"});
    CHECK(keys(text + "shards = 3\n", text) == Keys{"[node] shards"});
    const std::string sip = "[[sip]]\nmode = \"serve\"\n";
    CHECK(keys(text + sip, text + sip + "max_expires = \"2h\"\n") == Keys{"[[sip]] max_expires"});
    CHECK(keys(text + sip + sip, text + sip + sip + "accounts = [{ user = \"a\" }]\n") == Keys{"[[sip]] 2 accounts"});
}

TEST_CASE("presence rules of the node") {
    const auto text =
        std::string(minimal) +
        "[presence]\ndefault_rule = \"polite-block\"\nallow = [\"b.example\", \"bob@c.example\"]\nblock = \"*\"\n";
    const auto parsed = parse_config(text, "/x");
    REQUIRE(parsed.faults.empty());
    CHECK(parsed.config.presence.default_handling == node::Handling::polite_block);
    CHECK(parsed.config.presence.rules.rules().size() == 3);
    CHECK(has(faults_of(std::string(minimal) + "[presence]\nallow = [\"@\"]\n"), "8: [presence] allow must name"));
}

TEST_CASE("an attached XMPP server") {
    const testing::TempFolder folder;
    folder.write("secret", "s3cret\n");
    const auto text = std::string(minimal) + R"([[xmpp]]
domain = "x.example"
server = "[::1]:5347"
components = [
  { host = "A.example", secret = "one" },
  { host = "gw.x.example", secret_file = "secret", gateway = true },
]
reconnect_max = "2m"
)";
    const auto parsed = parse_config(text, folder.path());
    REQUIRE(faults_of(text, folder.path()).empty());
    const auto& xmpp = parsed.config.xmpp.at(0);
    CHECK(xmpp.host == "::1");
    CHECK(xmpp.port == 5347);
    CHECK(xmpp.components.at(0).name == "a.example");
    CHECK(xmpp.components.at(1).secret == "s3cret");
    CHECK(xmpp.components.at(1).gateway);
    CHECK(xmpp.reconnect_max == std::chrono::minutes{2});

    const auto bad = faults_of(std::string(minimal) + R"([[xmpp]]
domian = "x.example"
server = "h:99999"
components = [
  { host = "a.example", secret = "one", gateway = true },
  { host = "a.example", secret_file = "nowhere", gateway = true },
  { }
]
)",
                               folder.path());
    CHECK(has(bad, "7: [[xmpp]] needs domain"));
    CHECK(has(bad, "8: [[xmpp]] does not know domian; is domain meant?"));
    CHECK(has(bad, "9: [[xmpp]] server must be host:port"));
    CHECK(has(bad, "12: [[xmpp]] components host a.example is named twice"));
    CHECK(has(bad, "12: [[xmpp]] components gateway: there can be one"));
    CHECK(has(bad, "12: [[xmpp]] components secret_file:"));
    CHECK(has(bad, "13: [[xmpp]] components needs host"));
    CHECK(has(bad, "13: [[xmpp]] components needs secret"));
    CHECK(bad.size() == 8);
}

TEST_CASE("SIP, served and attached") {
    const auto text = std::string(minimal) + R"([[sip]]
mode = "serve"
listen = ["udp:127.0.0.1:5060", "tcp:[::1]:5060"]
authenticate = true
accounts = [{ user = "alice", ha1_md5 = "0123456789abcdef0123456789abcdef" }]
[[sip]]
mode = "attach"
domains = ["K.example"]
listen = "127.0.0.1:5070"
server = "sip:127.0.0.1:5060;transport=tcp"
rate_interval = "0s"
)";
    CHECK(faults_of(text).empty());
    const auto parsed = parse_config(text, "/x");
    CHECK(parsed.config.sip.at(0).domains == std::vector<std::string>{"a.example"});
    CHECK(parsed.config.sip.at(0).accounts.contains("alice"));
    CHECK(parsed.config.sip.at(1).domains == std::vector<std::string>{"k.example"});
    CHECK(parsed.config.sip.at(1).watcher == "sip:presmesh@k.example");
    CHECK(parsed.config.sip.at(1).rate.interval.count() == 0);

    const auto bad = faults_of(std::string(minimal) + R"([[sip]]
listen = "udp:nowhere"
server = "http://x"
authenticate = true
[[sip]]
mode = "atach"
name = "sip.serve"
)");
    CHECK(has(bad, "7: [[sip]] needs mode"));
    CHECK(has(bad, "8: [[sip]] listen must be such as"));
    CHECK(has(bad, "9: [[sip]] server must be a SIP URI"));
    CHECK(has(bad, "9: [[sip]] server is of mode = \"attach\" only"));
    CHECK(has(bad, "10: [[sip]] authenticate = true needs accounts"));
    CHECK(has(bad, "12: [[sip]] mode must be one of \"serve\", \"attach\", and is \"atach\"; is \"attach\" meant?"));
    CHECK(has(bad, "13: [[sip]] name sip.serve is taken"));
    CHECK(bad.size() == 7);
}

namespace {

std::string attached(const std::string& lines) {
    return std::string(minimal) + "[[sip]]\nmode = \"attach\"\nlisten = \"127.0.0.1:5070\"\n" + lines;
}

std::vector<proto::Endpoint> from_of(const std::string& lines) {
    const auto parsed = parse_config(attached(lines), "/x");
    REQUIRE(parsed.faults.empty());
    return parsed.config.sip.at(0).from;
}

proto::Endpoint host(const std::string& text) {
    return proto::Endpoint::parse(text + ":0").value();
}

}  // namespace

TEST_CASE("SIP: whom an attached node takes SUBSCRIBEs from") {
    using Addresses = std::vector<proto::Endpoint>;
    CHECK(from_of("server = \"sip:192.0.2.5:5080;transport=tcp\"") == Addresses{host("192.0.2.5")});
    CHECK(from_of("server = \"sip:proxy@192.0.2.5;lr\"") == Addresses{host("192.0.2.5")});
    CHECK(from_of("server = \"sip:[2001:db8::5]:5080\"") == Addresses{host("[2001:db8::5]")});
    CHECK(from_of("server = \"sip:k.example\"\nfrom = [\"192.0.2.5\", \"2001:db8::5\", \"[2001:db8::6]\"]") ==
          Addresses{host("192.0.2.5"), host("[2001:db8::5]"), host("[2001:db8::6]")});
    CHECK(from_of("server = \"sip:192.0.2.5\"\nfrom = \"127.0.0.1\"") == Addresses{host("127.0.0.1")});

    CHECK(has(faults_of(attached("server = \"sip:k.example:5060\"")), "10: [[sip]] server says no address"));
    CHECK(faults_of(attached("server = \"sip:192.0.2.5\"\nfrom = []")) ==
          std::vector<std::string>{"11: [[sip]] from must not be empty"});
    for (const auto* wrong : {"k.example", "192.0.2.5:5060", "192.0.2", ""})
        CHECK_MESSAGE(has(faults_of(attached("server = \"sip:192.0.2.5\"\nfrom = \"" + std::string(wrong) + "\"")),
                          "11: [[sip]] from must be addresses"),
                      wrong);
    CHECK(has(faults_of(std::string(minimal) + "[[sip]]\nmode = \"serve\"\nfrom = \"192.0.2.5\""),
              "9: [[sip]] from is of mode = \"attach\" only"));
}

TEST_CASE("SIP: a server behind TLS is refused by name, for no node speaks it") {
    for (const auto* server :
         {"sips:192.0.2.5", "sips:k.example", "sip:192.0.2.5;transport=tls", "sip:192.0.2.5:5061;lr;transport=tls"}) {
        const auto faults = faults_of(attached("server = \"" + std::string(server) + "\""));
        REQUIRE(faults.size() == 1);
        CHECK_MESSAGE(faults[0].starts_with("10: [[sip]] server asks for TLS"), server);
    }
}

TEST_CASE("SIP: what is advertised is a host") {
    const auto with = [](const std::string& host) {
        return attached("server = \"sip:192.0.2.5\"\nadvertised = \"" + host + "\"");
    };
    for (const auto* host : {"sip.k.example", "192.0.2.1", "[2001:db8::1]", "localhost"})
        CHECK_MESSAGE(faults_of(with(host)).empty(), host);
    for (const auto* wrong :
         {"192.0.2.1:5070", "sip.k.example:5070", "sip:k.example", "2001:db8::1", "k example", "<k>", ""})
        CHECK_MESSAGE(has(faults_of(with(wrong)), "11: [[sip]] advertised must be a host"), wrong);
}

TEST_CASE("the example configurations pass --check-config, beside what init makes") {
    const testing::RecordWorld keys;
    for (const std::string name : {"sip-serve", "attach-kamailio", "attach-prosody", "attach-ejabberd"}) {
        CAPTURE(name);
        const auto text = daemon::read_file(std::string(TESTS_DIR) + "/../node/examples/" + name + ".toml");
        REQUIRE(text);
        const testing::TempFolder folder;
        folder.write("component.secret", "shared with the server\n");
        const auto config = folder.write("presmesh.toml", *text);
        const auto domain = parse_config(*text, folder.path()).config.node.domain;
        proto::Federation federation;
        proto::Member member;
        member.domain = domain;
        member.key = keys.a_domain.public_key();
        federation.add(member);
        folder.write("node.key", daemon::key_file_text(keys.a_node, "of a test"));
        folder.write("node.cert", daemon::certificate_file_text(keys.certify(keys.a_domain, domain, keys.a_node)));
        folder.write("federation.toml", federation.to_toml());
        folder.write("tokens", "sixteen-characters * admin\n");
        const auto loaded = daemon::load_all(config, keys.now);
        for (const auto& fault : loaded.faults) MESSAGE(fault.to_string());
        CHECK(loaded.faults.empty());
        CHECK(loaded.config.sip.size() + loaded.config.xmpp.size() == 1);
    }
}
