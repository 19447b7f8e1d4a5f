#include "proto/federation.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "tests/support/record_world.hpp"

using namespace presmesh::proto;
using namespace presmesh::testing;

namespace {

const std::string key_a = to_hex(fixed_key(1).public_key());
const std::string key_b = to_hex(fixed_key(2).public_key());
const std::string federation_key = std::string(64, '7');

std::string file(const std::string& members) {
    return "federation_key = \"" + federation_key + "\"\n" + members;
}

std::string member(const std::string& domain, const std::string& key, const std::string& more = "") {
    return "[[member]]\ndomain = \"" + domain + "\"\nkey = \"" + key + "\"\n" + more;
}

std::vector<std::string> faults(const std::string& text) {
    auto parsed = Federation::parse(text);
    std::vector<std::string> out;
    if (parsed) return out;
    for (const auto& fault : parsed.error()) out.push_back(std::to_string(fault.line) + ": " + fault.text);
    return out;
}

using Lines = std::vector<std::string>;

Federation everything() {
    Federation out;
    out.key.fill(0x77);
    Member a{"a.example", fixed_key(1).public_key(), {"a.example:4000", "192.0.2.1:8", "[2001:db8::1]:65528"}, {}, {}};
    a.revoked = {node_id(fixed_key(11).public_key()), node_id(fixed_key(12).public_key())};
    a.delegations = {
        Delegation::issue(fixed_key(1), "a.example", "b.example", wall_from_seconds(1), wall_from_seconds(2))};
    out.add(a);
    out.add({"b.example", fixed_key(2).public_key(), {}, {}, {}});
    return out;
}

}  // namespace

TEST_CASE("a federation file is read") {
    auto parsed = Federation::parse(
        file(member("A.Example", key_a, "bootstrap = [\"node.a.example:4000\"]\n") + member("b\xc3\xbc"
                                                                                            "cher.example",
                                                                                            key_b)));
    REQUIRE(parsed.has_value());
    CHECK(parsed->members.size() == 2);
    CHECK(to_hex(parsed->key) == federation_key);
    CHECK(parsed->find("a.example")->bootstrap == Lines{"node.a.example:4000"});
    CHECK(to_hex(parsed->find("xn--bcher-kva.example")->key) == key_b);
    CHECK(parsed->find("c.example") == nullptr);
    CHECK(parsed->find(domain_name("a.example")) == parsed->find("a.example"));
    CHECK(parsed->find(domain_name("c.example")) == nullptr);
}

TEST_CASE("a federation survives its file") {
    Federation there = everything();
    auto back = Federation::parse(there.to_toml());
    REQUIRE(back.has_value());
    CHECK(back->to_toml() == there.to_toml());
    CHECK(back->key == there.key);
    CHECK(back->find("a.example")->revoked == there.find("a.example")->revoked);
    CHECK(back->find("a.example")->delegations == there.find("a.example")->delegations);
    CHECK(back->find("a.example")->bootstrap == there.find("a.example")->bootstrap);
    CHECK(Federation::parse(Federation{}.to_toml()).has_value());
}

TEST_CASE("all faults are told at once, each with its line") {
    CHECK(faults("fedration_key = \"00\"\n[[member]]\ndomain = \"a b\"\nkeys = 5\n[[member]]\nkey = \"xyz\"\ndomain = "
                 "7\n") ==
          Lines{"0: federation_key is missing", "1: unknown key \"fedration_key\"; did you mean \"federation_key\"?",
                "2: key is missing", "3: domain: not a domain name", "4: unknown key \"keys\"; did you mean \"key\"?",
                "6: key: 64 hexadecimal digits are needed", "7: domain: a string is needed"});
}

TEST_CASE("each fault by itself") {
    CHECK(faults("") == Lines{"0: federation_key is missing"});
    CHECK(faults("federation_key = 5") == Lines{"1: federation_key: a string is needed"});
    CHECK(faults(file("member = 5")) == Lines{"2: member: write [[member]], once for each domain"});
    CHECK(faults(file("member = [5]")) == Lines{"2: member: write [[member]], once for each domain"});
    CHECK(faults(file("something_else = 1")) == Lines{"2: unknown key \"something_else\""});
    CHECK(faults(file(member("a.example", key_a) + member("A.EXAMPLE", key_b))) ==
          Lines{"6: domain: \"a.example\" is there twice"});
    CHECK(faults(file(member("a.example", key_a.substr(2)))) == Lines{"4: key: 64 hexadecimal digits are needed"});
    CHECK(faults(file(member("a.example", key_a, "revoked = [\"00\"]"))) ==
          Lines{"5: revoked: 40 hexadecimal digits are needed"});
    CHECK(faults(file(member("a.example", key_a, "revoked = \"00\""))) == Lines{"5: revoked: a list is needed"});
    CHECK(faults(file(member("a.example", key_a, "bootstrap = [\n5]"))) == Lines{"6: bootstrap: a string is needed"});
    CHECK(faults("federation_key = ").size() == 1);
    CHECK(faults("federation_key = ").front().substr(0, 2) == "1:");
}

TEST_CASE("bootstrap addresses: a host and a port that is a multiple of 8") {
    auto with = [](const std::string& address) {
        return faults(file(member("a.example", key_a, "bootstrap = [\"" + address + "\"]")));
    };
    for (auto good : {"a.example:4000", "localhost:8", "192.0.2.1:65528", "[::1]:4000"})
        CHECK_MESSAGE(with(good).empty(), good);
    for (auto bad : {"a.example", "a.example:4001", "a.example:0", "a.example:65536", "a.example:x", ":4000",
                     "::1:4000", "a b:4000", "a.example:+8"})
        CHECK_MESSAGE(with(bad) == Lines{"5: bootstrap: \"host:port\" is needed, the port a multiple of 8"}, bad);
}

TEST_CASE("delegations are the member's own and signed by it") {
    auto with = [](const Delegation& d) {
        return faults(file(member("a.example", key_a, "delegations = [\"" + to_hex(d.encode()) + "\"]")));
    };
    WallTime from = wall_from_seconds(1);
    WallTime to = wall_from_seconds(2);
    CHECK(with(Delegation::issue(fixed_key(1), "a.example", "b.example", from, to)).empty());
    Lines foreign{"5: delegations: not signed by this member for its own users"};
    CHECK(with(Delegation::issue(fixed_key(2), "a.example", "b.example", from, to)) == foreign);
    CHECK(with(Delegation::issue(fixed_key(1), "c.example", "b.example", from, to)) == foreign);
    CHECK(faults(file(member("a.example", key_a, "delegations = [\"00\"]"))) ==
          Lines{"5: delegations: not the hexadecimal form of a delegation"});
}

TEST_CASE("a delegation that was taken back does not come with an older copy of itself") {
    const auto kept =
        Delegation::issue(fixed_key(1), "a.example", "b.example", wall_from_seconds(1), wall_from_seconds(3));
    const auto gone =
        Delegation::issue(fixed_key(1), "a.example", "b.example", wall_from_seconds(1), wall_from_seconds(9));
    Federation there = everything();
    auto a = *there.find("a.example");
    a.delegations = {kept, gone};
    there.add(a);
    a.undelegated = {delegation_id(gone)};
    there.add(a);
    CHECK(there.find("a.example")->delegations == std::vector{kept});
    const auto back = Federation::parse(there.to_toml());
    REQUIRE(back.has_value());
    CHECK(back->find("a.example")->undelegated == a.undelegated);
    CHECK(back->to_toml() == there.to_toml());
    const auto merged =
        Federation::parse(file(member("a.example", key_a,
                                      "delegations = [\"" + to_hex(kept.encode()) + "\", \"" + to_hex(gone.encode()) +
                                          "\"]\nundelegated = [\"" + to_hex(delegation_id(gone)) + "\"]")));
    REQUIRE(merged.has_value());
    CHECK(merged->find("a.example")->delegations == std::vector{kept});
    CHECK(faults(file(member("a.example", key_a, "undelegated = [\"00\"]"))) ==
          Lines{"5: undelegated: 64 hexadecimal digits are needed"});
}

TEST_CASE("admission: members only, with certificates that hold and are not revoked") {
    RecordWorld world;
    auto admit = [&](const Certificate& c, WallTime now) {
        auto answer = world.federation.admit(c, now);
        return answer ? std::string_view("admitted") : to_string(answer.error().reason);
    };
    CHECK(admit(world.a_certificate, world.now) == "admitted");
    CHECK(admit(world.a_certificate, world.now + 31 * 24h) == "expired");
    CHECK(admit(world.a_certificate, world.now - 48h) == "not_yet_valid");
    CHECK(admit(world.certify(world.b_domain, "a.example", world.b_node), world.now) == "bad_signature");
    CHECK(admit(world.certify(world.a_domain, "z.example", world.a_node), world.now) == "not_admitted");
    world.federation.members.at("a.example").revoked = {node_id(world.a_node.public_key())};
    CHECK(admit(world.a_certificate, world.now) == "revoked");
    world.federation.members.erase("a.example");
    CHECK(admit(world.a_certificate, world.now) == "not_admitted");
}

TEST_CASE("publishing: a domain's own users, or delegated ones, of members") {
    RecordWorld world;
    CHECK(world.federation.may_publish("a.example", "a.example", world.now).has_value());
    CHECK(world.federation.may_publish("b.example", "a.example", world.now).error().reason == Reason::foreign_domain);
    CHECK(world.federation.may_publish("z.example", "z.example", world.now).error().reason == Reason::not_admitted);
    CHECK(world.federation.may_publish("z.example", "a.example", world.now).error().reason == Reason::not_admitted);
    CHECK(world.federation.may_publish("a.example", "z.example", world.now).error().reason == Reason::not_admitted);
    world.federation.members.at("a.example").delegations = {
        Delegation::issue(world.a_domain, "a.example", "b.example", world.now, world.now + 1h)};
    CHECK(world.federation.may_publish("b.example", "a.example", world.now).has_value());
    CHECK(world.federation.may_publish("b.example", "a.example", world.now + 2h).error().reason ==
          Reason::foreign_domain);
    CHECK(world.federation.may_publish("a.example", "b.example", world.now).error().reason == Reason::foreign_domain);
}

TEST_CASE("those who delegate are known without looking at every member, whatever came and went") {
    using Names = std::set<std::string, std::less<>>;
    RecordWorld world;
    Federation& federation = world.federation;
    CHECK(federation.delegators().empty());
    CHECK(federation.next_delegation_end(world.now) == WallTime::max());
    Member a = federation.members.at("a.example");
    const auto end = world.now + 1h;
    a.delegations = {Delegation::issue(world.a_domain, "a.example", "b.example", world.now - 2h, world.now - 1h),
                     Delegation::issue(world.a_domain, "a.example", "b.example", world.now, end)};
    federation.add(a);
    CHECK(federation.delegators() == Names{"a.example"});
    CHECK(Federation::parse(federation.to_toml())->delegators() == Names{"a.example"});
    CHECK(federation.next_delegation_end(world.now) == end + limits::record_clock_skew);
    CHECK(federation.next_delegation_end(end + limits::record_clock_skew) == WallTime::max());
    SUBCASE("taken back") {
        for (const auto& one : a.delegations) a.undelegated.insert(delegation_id(one));
        federation.add(a);
        CHECK(federation.delegators().empty());
        CHECK(federation.next_delegation_end(world.now) == WallTime::max());
    }
    SUBCASE("gone") {
        federation.members.erase("a.example");
        CHECK(federation.next_delegation_end(world.now) == WallTime::max());
    }
}

TEST_CASE("members are found by their short names, and by no others") {
    Federation federation;
    federation.add({"a.example", {}, {}, {}, {}});
    federation.members.erase("a.example");
    federation.add({"b.example", {}, {}, {}, {}});
    CHECK(federation.find(domain_name("a.example")) == nullptr);
    CHECK(federation.find(domain_name("c.example")) == nullptr);
    CHECK(federation.find(domain_name("b.example")) == &federation.members.at("b.example"));
}
