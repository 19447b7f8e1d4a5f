// RFC 6121 appendix A, every cell of its eight tables, as the RFC prints them; and the pairs that are kept.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/xmpp_world.hpp"
#include "translators/xmpp/subscriptions.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace presmesh::translators::xmpp;

namespace {

struct Row {
    const char* state;
    const char* pass;  // "MUST", "S.N." or "M.N."; a star: the server answers by itself (the tables' footnotes)
    const char* next;  // "" for "no state change" (and for pre-approval, which we do not keep)
};
using Rows = std::array<Row, 9>;

const Rows table_2{{{"None", "MUST", "None + Pending Out"},
                    {"None + Pending Out", "MUST", ""},
                    {"None + Pending In", "MUST", "None + Pending Out+In"},
                    {"None + Pending Out+In", "MUST", ""},
                    {"To", "MUST", ""},
                    {"To + Pending In", "MUST", ""},
                    {"From", "MUST", "From + Pending Out"},
                    {"From + Pending Out", "MUST", ""},
                    {"Both", "MUST", ""}}};
const Rows table_3{{{"None", "MUST", ""},
                    {"None + Pending Out", "MUST", "None"},
                    {"None + Pending In", "MUST", ""},
                    {"None + Pending Out+In", "MUST", "None + Pending In"},
                    {"To", "MUST", "None"},
                    {"To + Pending In", "MUST", "None + Pending In"},
                    {"From", "MUST", ""},
                    {"From + Pending Out", "MUST", "From"},
                    {"Both", "MUST", "From"}}};
const Rows table_4{{{"None", "M.N.", ""},
                    {"None + Pending Out", "M.N.", ""},
                    {"None + Pending In", "MUST", "From"},
                    {"None + Pending Out+In", "MUST", "From + Pending Out"},
                    {"To", "M.N.", ""},
                    {"To + Pending In", "MUST", "Both"},
                    {"From", "M.N.", ""},
                    {"From + Pending Out", "M.N.", ""},
                    {"Both", "M.N.", ""}}};
const Rows table_5{{{"None", "S.N.", ""},
                    {"None + Pending Out", "S.N.", ""},
                    {"None + Pending In", "MUST", "None"},
                    {"None + Pending Out+In", "MUST", "None + Pending Out"},
                    {"To", "S.N.", ""},
                    {"To + Pending In", "MUST", "To"},
                    {"From", "MUST", "None"},
                    {"From + Pending Out", "MUST", "None + Pending Out"},
                    {"Both", "MUST", "To"}}};
const Rows table_6{{{"None", "MUST", "None + Pending In"},
                    {"None + Pending Out", "MUST", "None + Pending Out+In"},
                    {"None + Pending In", "S.N.", ""},
                    {"None + Pending Out+In", "S.N.", ""},
                    {"To", "MUST", "To + Pending In"},
                    {"To + Pending In", "S.N.", ""},
                    {"From", "S.N.*", ""},
                    {"From + Pending Out", "S.N.*", ""},
                    {"Both", "S.N.*", ""}}};
const Rows table_7{{{"None", "S.N.", ""},
                    {"None + Pending Out", "S.N.", ""},
                    {"None + Pending In", "MUST*", "None"},
                    {"None + Pending Out+In", "MUST*", "None + Pending Out"},
                    {"To", "S.N.", ""},
                    {"To + Pending In", "MUST*", "To"},
                    {"From", "MUST*", "None"},
                    {"From + Pending Out", "MUST*", "None + Pending Out"},
                    {"Both", "MUST*", "To"}}};
const Rows table_8{{{"None", "S.N.", ""},
                    {"None + Pending Out", "MUST", "To"},
                    {"None + Pending In", "S.N.", ""},
                    {"None + Pending Out+In", "MUST", "To + Pending In"},
                    {"To", "S.N.", ""},
                    {"To + Pending In", "S.N.", ""},
                    {"From", "S.N.", ""},
                    {"From + Pending Out", "MUST", "Both"},
                    {"Both", "S.N.", ""}}};
const Rows table_9{{{"None", "S.N.", ""},
                    {"None + Pending Out", "MUST", "None"},
                    {"None + Pending In", "S.N.", ""},
                    {"None + Pending Out+In", "MUST", "None + Pending In"},
                    {"To", "MUST", "None"},
                    {"To + Pending In", "MUST", "None + Pending In"},
                    {"From", "S.N.", ""},
                    {"From + Pending Out", "MUST", "From"},
                    {"Both", "MUST", "From"}}};

using Function = SubscriptionStep (*)(Subscription, SubscriptionKind);

void check_table(const Rows& rows, Function function, SubscriptionKind kind, SubscriptionKind reply) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto& row = rows[i];
        CAPTURE(row.state);
        const auto state = static_cast<Subscription>(i + 1);
        REQUIRE(to_string(state) == row.state);
        const std::string pass = row.pass;
        const auto step = function(state, kind);
        CHECK(step.pass == pass.starts_with("MUST"));
        CHECK(to_string(step.next) == (*row.next ? row.next : row.state));
        CHECK(step.reply.has_value() == pass.ends_with("*"));
        if (step.reply) CHECK(*step.reply == reply);
    }
}

}  // namespace

TEST_CASE("RFC 6121 A.2: every cell of the outbound tables") {
    check_table(table_2, outbound, SubscriptionKind::subscribe, SubscriptionKind::subscribed);
    check_table(table_3, outbound, SubscriptionKind::unsubscribe, SubscriptionKind::subscribed);
    check_table(table_4, outbound, SubscriptionKind::subscribed, SubscriptionKind::subscribed);
    check_table(table_5, outbound, SubscriptionKind::unsubscribed, SubscriptionKind::subscribed);
}

TEST_CASE("RFC 6121 A.3: every cell of the inbound tables") {
    check_table(table_6, inbound, SubscriptionKind::subscribe, SubscriptionKind::subscribed);
    check_table(table_7, inbound, SubscriptionKind::unsubscribe, SubscriptionKind::unsubscribed);
    check_table(table_8, inbound, SubscriptionKind::subscribed, SubscriptionKind::subscribed);
    check_table(table_9, inbound, SubscriptionKind::unsubscribed, SubscriptionKind::unsubscribed);
}

TEST_CASE("a state is made of its two sides, and both ends agree") {
    // What one end sends outbound the other end takes inbound; seen from both ends, the sides must mirror each other.
    const auto mirrors = [](Subscription ours, Subscription theirs) {
        return has_to(ours) == has_from(theirs) && has_from(ours) == has_to(theirs);
    };
    std::vector<std::pair<Subscription, Subscription>> open{{Subscription::none, Subscription::none}};
    std::map<std::pair<Subscription, Subscription>, bool> seen;
    while (!open.empty()) {
        const auto [ours, theirs] = open.back();
        open.pop_back();
        if (seen[{ours, theirs}]) continue;
        seen[{ours, theirs}] = true;
        CHECK(mirrors(ours, theirs));
        for (int k = 0; k < 4; ++k) {
            const auto kind = static_cast<SubscriptionKind>(k);
            const auto sent = outbound(ours, kind);
            auto there = sent.pass ? inbound(theirs, kind) : SubscriptionStep{false, theirs, {}};
            auto here = sent.next;
            if (there.reply) here = inbound(here, *there.reply).next;
            open.emplace_back(here, there.next);
            open.emplace_back(there.next, here);
        }
    }
    CHECK(seen.size() == 9);  // every state has one mirror: with nothing lost the ends never disagree
}

TEST_CASE("the requests of a domain that wait are those that stand so, whatever went before and after a restart") {
    CHECK(rc::check([](const std::vector<std::uint8_t>& steps) {
        XmppWorld world;
        Subscriptions kept;
        kept.start(world.host, *world.translator);
        for (const auto step : steps) {
            const Pair pair{XmppWorld::uri(step % 2 == 0 ? "juliet@x.example" : "nurse@x.example"),
                            XmppWorld::uri(step / 2 % 2 == 0 ? "alice@a.example" : "bob@k.example")};
            kept.set_state(pair, static_cast<Subscription>(1 + step / 4 % 9));
        }
        Subscriptions loaded;
        loaded.start(world.host, *world.translator);
        for (const std::string domain : {"a.example", "k.example"}) {
            const auto waits = std::count_if(kept.all().begin(), kept.all().end(), [&](const auto& item) {
                return item.first.user.domain() == domain && has_pending_out(item.second.state);
            });
            RC_ASSERT(kept.requests_of(domain) == static_cast<std::size_t>(waits));
            RC_ASSERT(loaded.requests_of(domain) == static_cast<std::size_t>(waits));
        }
    }));
}

TEST_CASE("what is saved of a pair is read back, whatever it is") {
    CHECK(rc::check([](std::uint8_t state, bool parked, bool idle, std::uint32_t since) {
        const Pair pair{XmppWorld::uri("juliet@x.example"), XmppWorld::uri("alice@a.example")};
        XmppWorld world;
        Subscriptions kept;
        kept.start(world.host, *world.translator);
        kept.set_state(pair, static_cast<Subscription>(1 + state % 9));
        kept.set_parked(pair, parked);
        if (idle) kept.set_idle(pair, proto::wall_from_seconds(1 + std::int64_t{since}));
        Subscriptions loaded;
        loaded.start(world.host, *world.translator);
        RC_ASSERT(loaded.all() == kept.all());
        if (const auto* entry = loaded.find(pair)) RC_ASSERT(entry->parked == parked);
    }));
}
