// Where other members' nodes were met is kept over a restart, and used when nothing else leads back.
#include "node/saved_contacts.hpp"

#include <doctest/doctest.h>

#include "tests/support/node_world.hpp"

namespace {

using namespace presmesh;
using namespace presmesh::testing;
using std::chrono::minutes;
using std::chrono::seconds;

bool knows(const node::Node& node, const proto::Endpoint& endpoint) {
    for (const auto& peer : node.overlay_status().peers)
        if (peer.endpoint == endpoint) return true;
    return false;
}

/// Nobody but a.example's node knocks at anybody.
struct Quiet : NodeWorld {
    Quiet() : NodeWorld({"a.example", "b.example", "c.example"}, std::chrono::milliseconds{10}) {
        b.bootstrap = c.bootstrap = std::vector<proto::Endpoint>{};
        start_all();
    }
    std::vector<proto::Bytes> rows() const {
        std::vector<proto::Bytes> rows;
        a.store.each(node::store_tables::contacts, {},
                     [&](std::string_view, proto::BytesView value) { rows.emplace_back(value.begin(), value.end()); });
        return rows;
    }

    Provider& a = (*this)["a.example"];
    Provider& b = (*this)["b.example"];
    Provider& c = (*this)["c.example"];
};

TEST_CASE("a node that starts anew where no name resolves goes where it was before") {
    Quiet world;
    SUBCASE("after a crash") {
        world.run_for(minutes{2});
        world.crash(world.a);
    }
    SUBCASE("after a clean stop that came soon") {
        world.run_for(seconds{5});
        world.stop(world.a);
    }
    world.run_for(minutes{1});
    world.a.bootstrap = std::vector<proto::Endpoint>{};
    world.start(world.a);
    world.run_for(seconds{5});
    const auto is_back = [&] {
        return knows(*world.a.node, world.b.endpoint) || knows(*world.a.node, world.c.endpoint);
    };
    CHECK(!is_back());
    CHECK(world.run_until(is_back, seconds{15}));
}

TEST_CASE("a node that finds somebody at once troubles nobody else") {
    Quiet world;
    world.run_for(minutes{2});
    world.crash(world.a);
    world.run_for(minutes{1});
    world.a.bootstrap = std::vector{world.b.endpoint};
    const auto before = world.c.datagrams_handled;
    world.start(world.a);
    world.run_for(minutes{1});
    CHECK(world.c.datagrams_handled == before);
}

TEST_CASE("contacts are not lost while nobody is there") {
    Quiet world;
    world.run_for(minutes{2});
    const auto first = world.rows();
    REQUIRE(first.size() == 1);
    world.crash(world.b);
    world.crash(world.c);
    world.crash(world.a);
    world.start(world.a);
    world.run_for(std::chrono::hours{2});
    CHECK(world.rows() == first);
}

TEST_CASE("a row that cannot be read is no contact, and is written anew") {
    Quiet world;
    for (const auto& bytes : {proto::Bytes{}, proto::Bytes{0x91, 0x93, 0xc4}, proto::Bytes{0x91, 0x90}}) {
        world.crash(world.a);
        world.a.store.put(node::store_tables::contacts, "nodes", bytes);
        world.a.store.commit();
        world.start(world.a);
        world.run_for(minutes{2});
        REQUIRE(world.rows().size() == 1);
        CHECK(world.rows().front().size() > 40);
    }
}

}  // namespace
