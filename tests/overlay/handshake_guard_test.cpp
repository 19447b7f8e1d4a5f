// What strangers may cost, address by address.
#include "overlay/handshake_guard.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using namespace std::chrono_literals;
namespace limits = presmesh::proto::limits;
using Verdict = HandshakeGuard::Verdict;

namespace {

struct Guarded {
    proto::SeededRandom random{1};
    HandshakeGuard guard{random};
    proto::SteadyTime now{100s};

    /// `hellos` without a cookie, each from another address, paced so that none is asked for one by the rate in all.
    void strangers(std::uint32_t hellos) {
        for (std::uint32_t i = 0; i < hellos; ++i) {
            now += 2100us;
            (void)guard.judge(now, proto::Endpoint::v4(0x0a000000 + i, 4000), {});
        }
    }
    int served(const proto::Endpoint& from, int hellos) {
        const auto cookie = guard.cookie_for(now, from);
        int count = 0;
        for (int i = 0; i < hellos; ++i) count += guard.judge(now, from, cookie) == Verdict::serve ? 1 : 0;
        return count;
    }
};

proto::Endpoint v6(std::uint8_t network, std::uint8_t host) {
    auto endpoint = proto::Endpoint::v4(0, 4000);
    endpoint.address = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, network, 0, 0, 0, 0, 0, 0, 0, host};
    return endpoint;
}

}  // namespace

TEST_CASE("addresses that anybody may write do not take the room of those who show a cookie") {
    Guarded g;
    g.strangers(3 * limits::handshake_addresses);
    CHECK(g.guard.addresses() <= limits::handshake_addresses);
    // One who floods has its own rate, and the next one too.
    CHECK(g.served(proto::Endpoint::v4(0x0b000001, 4000), 1'000) == 2 * limits::handshakes_per_second_per_address);
    CHECK(g.served(proto::Endpoint::v4(0x0b000002, 4000), 10) == 10);
}

TEST_CASE("a full table is swept before anybody shares a rate") {
    Guarded g;
    for (std::uint32_t i = 0; i < limits::handshake_addresses; ++i) {
        g.now += 2100us;
        CHECK(g.served(proto::Endpoint::v4(0x0a000000 + i, 4000), 1) == 1);
    }
    g.now += 200ms;
    CHECK(g.served(proto::Endpoint::v4(0x0b000001, 4000), 1'000) == 2 * limits::handshakes_per_second_per_address);
    CHECK(g.served(proto::Endpoint::v4(0x0b000002, 4000), 10) == 10);
}

TEST_CASE("an IPv6 host has one rate, however many addresses") {
    Guarded g;
    int served = 0;
    for (std::uint8_t host = 1; host <= 100; ++host) served += g.served(v6(1, host), 5);
    CHECK(served == 2 * limits::handshakes_per_second_per_address);
    CHECK(g.served(v6(2, 1), 10) == 10);
}
