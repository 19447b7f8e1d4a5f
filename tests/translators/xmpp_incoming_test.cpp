// What one contact or one watcher can make a node keep: bounds on the way in.
#include <string>

#include <doctest/doctest.h>

#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::test;

namespace {

void feed_error(XmppWorld& world, const std::string& contact, const std::string& condition) {
    world.feed("<presence type='error' from='" + contact + "' to='alice@a.example'><error type='cancel'><" + condition +
               " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
}

}  // namespace

TEST_CASE("an error is counted by its defined condition, and only between two who have to do with each other") {
    XmppWorld world;
    world.connect();
    world.wanted("juliet@x.example", "alice@a.example");
    for (int i = 0; i < 10; ++i) {
        feed_error(world, "juliet@x.example", "made-up-" + std::to_string(i));
        feed_error(world, "stranger@x.example", "made-up-" + std::to_string(i));
        feed_error(world, "stranger@x.example", "conflict");
    }
    CHECK(world.host.counters["xmpp_errors.undefined-condition"] == 10);
    for (const auto& [name, value] : world.host.counters)
        if (name.starts_with("xmpp_errors.")) CHECK(name == "xmpp_errors.undefined-condition");
}
