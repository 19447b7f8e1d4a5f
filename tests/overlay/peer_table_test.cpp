// How many nodes a node keeps sessions with: in all, and of one domain.
#include "overlay/peer_table.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
namespace limits = presmesh::proto::limits;

namespace {

proto::NodeId node(std::size_t number) {
    proto::NodeId id{};
    id[0] = static_cast<std::uint8_t>(number >> 8);
    id[1] = static_cast<std::uint8_t>(number);
    return id;
}

std::string domain(std::size_t number) {
    return "d" + std::to_string(number) + ".example";
}

proto::Certificate of(std::string domain) {
    proto::Certificate certificate;
    certificate.domain = std::move(domain);
    return certificate;
}

}  // namespace

TEST_CASE("nodes of one domain are bounded; one that is known needs no room") {
    PeerTable table;
    for (std::size_t i = 0; i < limits::peers_per_domain; ++i) CHECK(table.admit(node(i), of("a.example")));
    const auto late = table.admit(node(limits::peers_per_domain), of("a.example"));
    REQUIRE_FALSE(late);
    CHECK(late.error().reason == proto::Reason::quota);
    CHECK(table.admit(node(0), of("a.example")));
    CHECK(table.admit(node(limits::peers_per_domain), of("b.example")));
    table.erase(node(0));
    CHECK(table.admit(node(limits::peers_per_domain + 1), of("a.example")));
}

TEST_CASE("nodes are bounded in all") {
    PeerTable table;
    std::size_t refused = 0;
    for (std::size_t i = 0; i < limits::peers; ++i) refused += table.admit(node(i), of(domain(i / 16))) ? 0 : 1;
    CHECK(refused == 0);
    const auto late = table.admit(node(limits::peers), of("late.example"));
    REQUIRE_FALSE(late);
    CHECK(late.error().reason == proto::Reason::quota);
    table.erase(node(5));
    CHECK(table.admit(node(limits::peers), of("late.example")));
}

TEST_CASE("a node is one domain's as long as it is known") {
    PeerTable table;
    CHECK(table.admit(node(1), of("a.example")));
    const auto moved = table.admit(node(1), of("b.example"));
    REQUIRE_FALSE(moved);
    CHECK(moved.error().reason == proto::Reason::conflict);
    CHECK(table.of_domain("b.example").empty());
    table.erase(node(1));
    CHECK(table.of_domain("a.example").empty());
    CHECK(table.admit(node(1), of("b.example")));
}

TEST_CASE("nodes are found by their domain, and by no longer or shorter name") {
    PeerTable table;
    for (std::size_t i : {3, 1, 2}) CHECK(table.admit(node(i), of("a.example")));
    CHECK(table.admit(node(4), of("a.example.org")));
    CHECK(table.admit(node(5), of("a")));
    CHECK(table.of_domain("a.example") == std::vector{node(1), node(2), node(3)});
    CHECK(table.of_domain("a.exampl").empty());
}

TEST_CASE("a session before the newest opens what was on the way, unless it was with an earlier process") {
    PeerTable table;
    auto& peer = **table.admit(node(1), of("a.example"));
    const auto install = [&](SessionId id, std::uint64_t instance) {
        table.install(
            peer, std::make_unique<Session>(id, Remote{id, instance, {}, 0}, SessionKeys{}, true, proto::SteadyTime{}),
            node(2), proto::SteadyTime{});
    };
    install(10, 1);
    CHECK(peer.info.instance == 1);
    install(11, 1);
    CHECK(table.of_session(10).peer == &peer);
    install(12, 2);
    CHECK(peer.info.instance == 2);
    CHECK(table.of_session(12).peer == &peer);
    CHECK(table.of_session(11).peer == nullptr);
    CHECK(table.of_session(10).peer == nullptr);
}
