#include "sim/hop_meter.hpp"

#include <doctest/doctest.h>

#include "proto/msgpack_io.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using proto::Bytes;
using proto::DhtKey;
using proto::Endpoint;
using proto::MsgpackWriter;

namespace {

DhtKey id(std::uint8_t last) {
    DhtKey key{};
    key[19] = last;
    return key;
}
Endpoint place(std::uint8_t number) {
    return Endpoint::v4(0x0a000000u + number, static_cast<std::uint16_t>(4000 + number));
}

/// As OpenDHT writes them: "a" or "r" first, then the transaction, the kind, the agent.
Bytes request(const char* method, const char* target_name, const DhtKey& target, std::uint32_t transaction) {
    MsgpackWriter out;
    out.map(5).str("a").map(2).str("id").bin(id(99)).str(target_name).bin(target);
    out.str("q").str(method).str("t").uint(transaction).str("y").str("q").str("v").str("RNG1");
    return out.take();
}
Bytes answer(const DhtKey& sender, const std::vector<std::uint8_t>& named, std::uint32_t transaction) {
    Bytes nodes;
    for (const auto number : named) {
        const auto key = id(number);
        nodes.insert(nodes.end(), key.begin(), key.end());
        const auto port = static_cast<std::uint16_t>(4000 + number);
        for (const int byte : {10, 0, 0, int{number}, port >> 8, port & 0xff})
            nodes.push_back(static_cast<std::uint8_t>(byte));
    }
    MsgpackWriter out;
    out.map(4).str("r").map(3).str("id").bin(sender).str("n4").bin(nodes).str("token").bin(Bytes{1, 2});
    out.str("t").uint(transaction).str("y").str("r").str("v").str("RNG1");
    return out.take();
}

/// Asks and is answered.
void step(HopMeter& meter, std::uint8_t number, const std::vector<std::uint8_t>& named, std::uint32_t transaction) {
    meter.sent(place(number), request("get", "h", id(0), transaction));
    meter.received(place(number), answer(id(number), named, transaction));
}

}  // namespace

TEST_CASE("hops are counted along who named whom first, to the nearest that answered") {
    HopMeter meter;
    meter.begin(1, id(0));
    step(meter, 64, {32, 33}, 1);    // our own table had 64: one hop
    step(meter, 65, {33, 16}, 2);    // and 65
    step(meter, 32, {16, 8}, 3);     // two hops
    step(meter, 8, {4, 32, 64}, 4);  // three
    CHECK(meter.end(1) == 3);
    CHECK(meter.end(1) == std::nullopt);
}

TEST_CASE("the first who names a node counts, not a later one") {
    HopMeter meter;
    meter.begin(1, id(0));
    step(meter, 64, {32, 8}, 1);
    step(meter, 32, {8}, 2);  // two hops away, and would make it three
    step(meter, 8, {}, 3);
    CHECK(meter.end(1) == 2);
}

TEST_CASE("who was named and did not answer, or is further away, does not count") {
    HopMeter meter;
    meter.begin(1, id(0));
    step(meter, 8, {4, 64}, 1);
    meter.sent(place(4), request("find", "target", id(0), 2));
    step(meter, 64, {}, 3);
    CHECK(meter.end(1) == 1);
}

TEST_CASE(
    "other traffic changes nothing: other keys, answers nobody asked for, from elsewhere, or of another request") {
    HopMeter meter;
    meter.received(place(8), answer(id(8), {}, 1));
    meter.begin(1, id(0));
    meter.begin(2, id(0));
    meter.begin(3, id(200));
    meter.received(place(1), answer(id(1), {}, 7));
    meter.sent(place(8), request("get", "h", id(0), 7));
    meter.sent(place(9), request("get", "h", id(77), 8));
    meter.received(place(1), answer(id(1), {}, 7));
    meter.received(place(9), answer(id(0), {}, 8));
    meter.received(place(8), answer(id(8), {2}, 9));
    CHECK(meter.end(2) == std::nullopt);
    meter.received(place(8), answer(id(8), {2}, 7));
    for (const Bytes& noise : {Bytes{}, Bytes{0x81}, Bytes(300, 0xff)}) {
        meter.received(place(8), noise);
        meter.sent(place(8), noise);
    }
    CHECK(meter.end(1) == 1);
    CHECK(meter.end(3) == std::nullopt);
}
