// Nodes of an earlier run are tried when nobody at the federation file's addresses answers, and only then; who is one.
#include "overlay/contacts.hpp"

#include <doctest/doctest.h>

#include "tests/support/overlay_world.hpp"

namespace {

using namespace presmesh;
using namespace presmesh::testing;
using overlay::Contact;
using overlay::Contacts;
using std::chrono::minutes;
using std::chrono::seconds;

// ---- who is one

Contact contact(int number, const std::string& domain) {
    proto::NodeId node{};
    node[0] = static_cast<std::uint8_t>(number);
    return {node, domain, proto::Endpoint::v4(0x0a000000 + static_cast<std::uint32_t>(number), 4000)};
}

struct Met {
    Contacts contacts;
    proto::Now now{};
    std::set<proto::NodeId> here;

    void meet(const Contact& contact) {
        contacts.met(now, contact, [this](const proto::NodeId& node) { return here.contains(node); });
    }
    /// Eight nodes of one domain, in this order.
    std::vector<Contact> fill(const std::string& domain) {
        std::vector<Contact> all;
        for (int number = 1; number <= static_cast<int>(proto::limits::contacts); ++number) {
            all.push_back(contact(number, domain));
            meet(all.back());
        }
        return all;
    }
};

TEST_CASE("who is met again is known where it is now") {
    Met met;
    auto a = contact(1, "a.example");
    met.meet(a);
    met.meet(contact(2, "b.example"));
    a.endpoint.port = 4008;
    met.meet(a);
    CHECK(met.contacts.all() == std::vector{a, contact(2, "b.example")});
}

TEST_CASE("contacts are bounded, and who stays keeps its place") {
    Met met;
    const auto all = met.fill("many.example");
    met.meet(contact(20, "many.example"));
    CHECK(met.contacts.all() == all);
}

TEST_CASE("no domain drives out the others") {
    Met met;
    met.fill("many.example");
    const auto other = contact(20, "other.example");
    met.meet(other);
    REQUIRE(met.contacts.all().size() == proto::limits::contacts);
    CHECK(met.contacts.all().back() == other);
    for (int number = 30; number < 60; ++number) met.meet(contact(number, "many.example"));
    CHECK(met.contacts.all().back() == other);
}

TEST_CASE("who has not been met for long makes room, unless there is a session") {
    Met met;
    const auto all = met.fill("many.example");
    met.now.steady += proto::limits::contact_stays;
    met.here.insert(all[0].node);
    met.meet(all[1]);
    const auto fresh = contact(20, "many.example");
    met.meet(fresh);
    auto expected = all;
    expected.erase(expected.begin() + 2);
    expected.push_back(fresh);
    CHECK(met.contacts.all() == expected);
}

TEST_CASE("those of the last run are contacts until others take their place") {
    Met met;
    std::vector<Contact> before;
    for (int number = 1; number <= 20; ++number) before.push_back(contact(number, "a.example"));
    before[1] = before[0];
    met.contacts.set(met.now, before);
    const auto all = met.contacts.all();
    CHECK(all.size() == proto::limits::contacts);
    CHECK(all[1] == before[2]);
    met.now.steady += proto::limits::contact_stays;
    const auto fresh = contact(30, "a.example");
    met.meet(fresh);
    CHECK(met.contacts.all().back() == fresh);
}

// ---- when they are tried

Contact contact(const OverlayHost& host) {
    return {host.id(), host.name.substr(0, host.name.find('#')), host.endpoint};
}

bool has_session(const OverlayHost& host, const OverlayHost& with) {
    for (const auto& peer : host->status().peers)
        if (peer.node == with.id() && peer.endpoint) return true;
    return false;
}

TEST_CASE("contacts are other members' nodes") {
    OverlayWorld world(1);
    auto& a = world.add("a.example");
    auto& sibling = world.add("a.example", {&a});
    auto& b = world.add("b.example", {&a, &sibling});
    world.network.run_for(seconds{5});
    CHECK(a->contacts() == std::vector{contact(b)});
    CHECK(b->contacts().size() == 2);
}

TEST_CASE("a contact is tried when nobody else answers, and not before") {
    OverlayWorld world(2);
    auto& a = world.add("a.example");
    auto& b = world.add("b.example");
    auto& gone = world.add("c.example");
    world.crash(gone);
    world.start(a, {&gone});
    a->set_contacts(world.now(), {contact(b)});
    world.network.run_for(seconds{5});
    CHECK(b.count("datagrams_in") == 0);
    CHECK(world.network.run_until([&] { return has_session(a, b); }, seconds{15}));
}

TEST_CASE("a contact is tried again where it does not answer yet") {
    OverlayWorld world(3);
    auto& a = world.add("a.example");
    auto& b = world.add("b.example");
    world.crash(b);
    a->set_contacts(world.now(), {contact(b)});
    world.network.run_for(minutes{30});
    world.start(b);
    CHECK(world.network.run_until([&] { return has_session(a, b); }, proto::limits::bootstrap_again_most * 2));
}

TEST_CASE("whoever is in the DHT already leaves contacts alone") {
    OverlayWorld world(4);
    auto& b = world.add("b.example");
    auto& c = world.add("c.example");
    auto& a = world.add("a.example", {&b});
    a->set_contacts(world.now(), {contact(c)});
    world.network.run_for(minutes{5});
    CHECK(c.count("datagrams_in") == 0);
    CHECK(a->contacts() == std::vector{contact(c), contact(b)});
}

TEST_CASE("a node of one's own domain leads nowhere") {
    OverlayWorld world(5);
    auto& sibling = world.add("a.example");
    auto& b = world.add("b.example");
    auto& a = world.add("a.example", {&sibling});
    a->set_contacts(world.now(), {contact(b)});
    CHECK(world.network.run_until([&] { return has_session(a, b); }, seconds{20}));
}

TEST_CASE("addresses found later are tried at once, contacts or not, and stay") {
    OverlayWorld world(6);
    auto& b = world.add("b.example");
    auto& a = world.add("a.example");
    a->set_contacts(world.now(), {contact(b)});
    a->set_bootstrap(world.now(), {b.endpoint});
    CHECK(world.network.run_until([&] { return has_session(a, b); }, seconds{2}));
    // It stays an address to knock at: b, which started anew and knows nobody, is found again.
    world.crash(b);
    world.network.run_for(minutes{1});
    world.start(b);
    CHECK(world.network.run_until([&] { return has_session(b, a); }, proto::limits::bootstrap_refresh * 2));
}

TEST_CASE("addresses that are replaced leave the contacts among them") {
    OverlayWorld world(7);
    auto& b = world.add("b.example");
    auto& a = world.add("a.example");
    world.crash(b);
    a->set_contacts(world.now(), {contact(b)});
    a->set_bootstrap(world.now(), {b.endpoint});
    a->set_bootstrap(world.now(), {});
    world.network.run_for(minutes{2});
    world.start(b);
    CHECK(world.network.run_until([&] { return has_session(a, b); }, proto::limits::bootstrap_again_most * 2));
}

TEST_CASE("revoked nodes and strangers are no contacts") {
    OverlayWorld world(8);
    auto& b = world.add("b.example");
    auto& a = world.add("a.example");
    world.kit.revoke(b.kit);
    world.reload_federation();
    auto stranger = contact(b);
    stranger.domain = "nobody.example";
    a->set_contacts(world.now(), {contact(b), stranger});
    world.network.run_for(minutes{2});
    CHECK(a.count("datagrams_out") == 0);
    CHECK(a->contacts().empty());
}

}  // namespace
