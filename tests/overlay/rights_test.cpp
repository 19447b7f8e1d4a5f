#include "overlay/rights.hpp"

#include <doctest/doctest.h>

#include "tests/support/federation_kit.hpp"

using namespace presmesh;

namespace {

testing::FederationKit with_domains() {
    testing::FederationKit kit(7);
    for (const auto* domain : {"a.example", "b.example", "c.example"}) kit.add_domain(domain);
    return kit;
}

struct World {
    testing::FederationKit kit = with_domains();
    testing::NodeKit node = kit.node("b.example");

    overlay::Rights now(std::int64_t later_s = 0) const {
        return {kit.share(), proto::wall_from_seconds(testing::kit_epoch_s + later_s), nullptr};
    }
};

}  // namespace

TEST_CASE("nobody loses a right at the first look, by a new file that says the same, or by one more member") {
    World world;
    world.kit.revoke(world.node);
    world.kit.delegate("a.example", "b.example");
    const auto before = world.now();
    CHECK_FALSE(before.any_lost_since({}));
    CHECK_FALSE(world.now().any_lost_since(before));
    world.kit.add_domain("d.example");
    world.kit.delegate("d.example", "a.example");
    CHECK_FALSE(world.now().any_lost_since(before));
    CHECK(before.any_lost_since(world.now()));  // the other way round d.example is gone
}

TEST_CASE("a member that goes, or comes back with another key, loses its rights") {
    World world;
    const auto before = world.now();
    SUBCASE("gone") {
        world.kit.remove_domain("c.example");
    }
    SUBCASE("another key") {
        world.kit.add_domain("c.example");
    }
    CHECK(world.now().any_lost_since(before));
}

TEST_CASE("a node that is revoked loses its rights") {
    World world;
    const auto before = world.now();
    world.kit.revoke(world.node);
    const auto after = world.now();
    CHECK(after.any_lost_since(before));
    CHECK_FALSE(world.now().any_lost_since(after));
}

TEST_CASE("a delegate loses its rights by time, with the same file") {
    World world;
    world.kit.delegate("a.example", "b.example", proto::wall_from_seconds(testing::kit_epoch_s + 60));
    const auto federation = world.kit.share();
    const auto at = [&](std::int64_t later_s) {
        return overlay::Rights(federation, proto::wall_from_seconds(testing::kit_epoch_s + later_s), nullptr);
    };
    CHECK_FALSE(at(59).any_lost_since(at(0)));
    CHECK(at(3600).any_lost_since(at(0)));
}
