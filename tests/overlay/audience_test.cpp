// Who holds a presentity's content key, and when it changes. No network, no DHT.
#include "overlay/audience.hpp"

#include <doctest/doctest.h>

#include "tests/support/federation_kit.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
using testing::alice;
using testing::bob;

namespace {

const auto bea = testing::uri("bea@b.example");
const Answer all_of_it{WatchState::active, 0, {}};
const Answer nothing{WatchState::terminated, 0, "rejected"};

struct AudienceWorld {
    testing::FederationKit kit = federation_kit();
    std::shared_ptr<const proto::Federation> federation = kit.share();
    testing::NodeKit self = kit.node("a.example");
    proto::NodeId other = kit.node("b.example").id();
    proto::SeededRandom random{3};
    SealedTransport transport{self.key, self.certificate, federation, random};
    Peers peers{transport, random, 1, 30s};
    SequenceCounter counter{1};
    Audience audience{peers, counter, random};

    static testing::FederationKit federation_kit() {
        testing::FederationKit kit{31};
        for (const char* domain : {"a.example", "b.example"}) kit.add_domain(domain);
        return kit;
    }
    /// Of the records that are due now, the last one's.
    std::optional<proto::SymmetricKey> key_due() {
        std::optional<proto::SymmetricKey> key;
        while (const auto event = audience.poll_event())
            if (const auto* due = std::get_if<RecordDue>(&*event)) key = due->content_key;
        return key;
    }
    void sees(std::uint64_t number, const proto::PresentityUri& who, const Answer& answer) {
        audience.begin(other, {number, alice, who});
        audience.answer(alice, who, answer);
    }
};

}  // namespace

TEST_CASE("who watches no longer keeps its key until somebody's right to see may have ended") {
    AudienceWorld world;
    auto& audience = world.audience;
    audience.set_document(alice, 0, testing::online("phone", "here"));
    const auto first = world.key_due();
    REQUIRE(first);
    audience.authorization_changed(alice);
    CHECK_FALSE(world.key_due());  // nobody has it
    world.sees(1, bob, all_of_it);
    world.sees(2, bea, nothing);
    audience.end(world.other, {2, alice, bea});
    audience.authorization_changed(alice);
    audience.all_authorizations_changed();
    CHECK_FALSE(world.key_due());  // with one who is there to be answered
    audience.end(world.other, {1, alice, bob});
    audience.set_document(alice, 0, testing::online("phone", "there"));
    CHECK(world.key_due() == first);
    audience.authorization_changed(alice);
    const auto second = world.key_due();
    REQUIRE(second);
    CHECK(second != first);
    audience.authorization_changed(alice);
    audience.all_authorizations_changed();
    CHECK_FALSE(world.key_due());
    world.sees(3, bob, all_of_it);
    audience.end(world.other, {3, alice, bob});
    audience.all_authorizations_changed();
    const auto third = world.key_due();
    REQUIRE(third);
    CHECK(third != second);
}

TEST_CASE("one new key for all the answers of a turn that take away the right to see") {
    AudienceWorld world;
    auto& audience = world.audience;
    audience.set_document(alice, 0, testing::online("phone", "here"));
    const auto first = world.key_due();
    const auto watcher = [](int i) { return testing::uri("w" + std::to_string(i) + "@b.example"); };
    for (int i = 0; i < 200; ++i) world.sees(static_cast<std::uint64_t>(i) + 1, watcher(i), all_of_it);
    CHECK_FALSE(world.key_due());
    for (int i = 0; i < 200; ++i) audience.answer(alice, watcher(i), nothing);
    audience.renew_keys();
    audience.renew_keys();
    std::size_t due = 0;
    while (const auto event = audience.poll_event()) {
        const auto* record = std::get_if<RecordDue>(&*event);
        REQUIRE(record);
        ++due;
        CHECK(record->content_key != first);
    }
    CHECK(due == 1);
}

TEST_CASE("a view that nobody needs any more is not kept") {
    AudienceWorld world;
    auto& audience = world.audience;
    audience.set_document(alice, 1, testing::online("phone", "a view"));
    CHECK(audience.entries() == 1);
    audience.set_document(alice, 1, nullptr);
    CHECK(audience.entries() == 0);
    audience.set_document(alice, 0, testing::online("phone", "here"));
    audience.set_document(alice, 1, testing::online("phone", "a view"));
    audience.set_document(alice, 1, nullptr);
    CHECK(audience.publishes(alice));
    audience.set_document(alice, 0, nullptr);
    CHECK(audience.entries() == 0);
}
