// Acknowledgements say what came, again and again while it is recent, and never what did not come.
#include "overlay/flight.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <set>

using namespace presmesh;
using overlay::Flight;

namespace {

std::set<std::uint64_t> spoken_for(const std::vector<proto::AckMessage>& acks) {
    std::set<std::uint64_t> out;
    for (const auto& ack : acks) {
        out.insert(ack.largest);
        for (std::uint64_t i = 0; i < 64; ++i)
            if ((ack.below >> i & 1) != 0) out.insert(ack.largest - 1 - i);
    }
    return out;
}

}  // namespace

TEST_CASE("all that came since is acknowledged, and nothing that did not come") {
    CHECK(rc::check([](const std::vector<std::vector<std::uint16_t>>& turns) {
        Flight flight;
        std::set<std::uint64_t> came;
        std::uint64_t base = 1;
        for (const auto& turn : turns) {
            std::set<std::uint64_t> owed;
            for (const std::uint16_t step : turn) {
                const std::uint64_t number = base + step % 400;
                flight.received(number);
                owed.insert(number);
                came.insert(number);
            }
            base += turn.size() * 7;
            const auto told = spoken_for(flight.take_acks());
            RC_ASSERT(std::includes(told.begin(), told.end(), owed.begin(), owed.end()));
            RC_ASSERT(std::includes(came.begin(), came.end(), told.begin(), told.end()));
            RC_ASSERT(!flight.owes_ack());
        }
    }));
}

TEST_CASE("a lost acknowledgement is repeated by the next ones, for 64 packets") {
    Flight flight;
    for (std::uint64_t number = 1; number <= 300; ++number) {
        flight.received(number);
        const auto acks = flight.take_acks();
        REQUIRE(acks.size() == 1);
        CHECK(acks[0].largest == number);
        CHECK(spoken_for(acks).size() == std::min<std::uint64_t>(number, 65));
    }
    flight.received(1'000'000);
    CHECK(spoken_for(flight.take_acks()) == std::set<std::uint64_t>{1'000'000});
    flight.received(2);  // a late copy of long ago
    CHECK(spoken_for(flight.take_acks()) == std::set<std::uint64_t>{2});
}

TEST_CASE("with hope the next attempts come sooner and slow down again; unheard is who acknowledges nothing") {
    using namespace std::chrono_literals;
    Flight flight;
    flight.set_patience(20s);
    proto::Now now{};
    const auto wait = [&] {
        const auto sent = now.steady;
        flight.sent(now, flight.take_number(), {{{overlay::SlotKind::lease, 0}, 0, 0}});
        now.steady = flight.next_timeout();
        CHECK(flight.overdue(now).size() == 1);
        return now.steady - sent;
    };
    const auto waits = [&](std::size_t count) {
        std::vector<proto::Duration> out;
        for (std::size_t i = 0; i < count; ++i) out.push_back(wait());
        return out;
    };
    CHECK(waits(8) == std::vector<proto::Duration>{500ms, 1s, 2s, 4s, 8s, 16s, 20s, 20s});
    for (int again = 0; again < 3; ++again) {
        flight.hope();
        CHECK(flight.unheard());
        CHECK(waits(4) == std::vector<proto::Duration>{4s, 8s, 16s, 20s});
    }
    waits(20);  // as high as it gets
    flight.hope();
    CHECK(waits(4) == std::vector<proto::Duration>{4s, 8s, 16s, 20s});
    const auto number = flight.take_number();
    flight.sent(now, number, {{{overlay::SlotKind::lease, 0}, 0, 0}});
    flight.acknowledged(now, {number, 0});
    CHECK_FALSE(flight.unheard());
    CHECK(wait() < 1s);
    flight.hope();
    CHECK(wait() < 1s);
}
