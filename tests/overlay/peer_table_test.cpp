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

}  // namespace

TEST_CASE("nodes of one domain are bounded; one that is known needs no room") {
    PeerTable table;
    for (std::size_t i = 0; i < limits::peers_per_domain; ++i) CHECK(table.admit(node(i), "a.example"));
    const auto late = table.admit(node(limits::peers_per_domain), "a.example");
    REQUIRE_FALSE(late);
    CHECK(late.error().reason == proto::Reason::quota);
    CHECK(table.admit(node(0), "a.example"));
    CHECK(table.admit(node(limits::peers_per_domain), "b.example"));
    table.erase(node(0));
    CHECK(table.admit(node(limits::peers_per_domain + 1), "a.example"));
}

TEST_CASE("nodes are bounded in all") {
    PeerTable table;
    std::size_t refused = 0;
    for (std::size_t i = 0; i < limits::peers; ++i) refused += table.admit(node(i), domain(i / 16)) ? 0 : 1;
    CHECK(refused == 0);
    const auto late = table.admit(node(limits::peers), "late.example");
    REQUIRE_FALSE(late);
    CHECK(late.error().reason == proto::Reason::quota);
    table.erase(node(5));
    CHECK(table.admit(node(limits::peers), "late.example"));
}
