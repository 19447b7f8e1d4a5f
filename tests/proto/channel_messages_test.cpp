// The channel's bytes: everything written is read back equal, and nothing else is read.
#include "proto/channel_messages.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "tests/support/golden.hpp"

using namespace presmesh::proto;

namespace {

PresentityUri name(const char* text) {
    return *PresentityUri::parse(text);
}

template <std::size_t N>
std::array<std::uint8_t, N> filled() {
    std::array<std::uint8_t, N> out{};
    out.fill(*rc::gen::arbitrary<std::uint8_t>());
    return out;
}

PresentityUri any_name() {
    return name(*rc::gen::element("alice@a.example", "\"b o b\"@b.example", "sip%3Ac:x;y@c.example",
                                  "j\xc3\xbcrgen@xn--mnchen-3ya.example"));
}

Sequence any_sequence() {
    return {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()};
}

ChannelMessage any_message() {
    const auto number = *rc::gen::arbitrary<std::uint64_t>();
    const bool coin = *rc::gen::arbitrary<bool>();
    const auto bytes = *rc::gen::resize(40, rc::gen::arbitrary<Bytes>());
    switch (*rc::gen::inRange(0, 13)) {
        case 0:
            return AckMessage{number, *rc::gen::arbitrary<std::uint64_t>()};
        case 1:
            return LeaseMessage{*rc::gen::arbitrary<std::uint32_t>()};
        case 2:
            return LeaveMessage{};
        case 3:
            return QueryMessage{number, any_name()};
        case 4:
            return SourcesMessage{number, coin, {bytes}};
        case 5: {
            const auto held = coin ? std::optional(filled<32>()) : std::nullopt;
            return WatchMessage{number, *rc::gen::arbitrary<std::uint32_t>(), any_name(), any_name(), held};
        }
        case 6:
            return UnwatchMessage{number};
        case 7: {
            const auto key = coin ? std::optional(filled<32>()) : std::nullopt;
            const auto state = static_cast<WatchState>(*rc::gen::inRange(0, 3));
            return WatchStateMessage{number, 7, state, coin ? "rejected" : "", 9, key};
        }
        case 8:
            return DocumentMessage{number, any_sequence(), 1, 2, bytes};
        case 9:
            return CurrentMessage{number, any_sequence(), filled<32>()};
        case 10:
            return GoneMessage{number, any_sequence()};
        case 11:
            return RulesAskMessage{number, *rc::gen::arbitrary<std::uint64_t>()};
        default: {
            RulesMessage rules{*rc::gen::arbitrary<std::uint64_t>(), number, UINT64_MAX, {}};
            const auto handling = coin ? std::optional<std::uint8_t>(20) : std::nullopt;
            rules.changes.resize(coin ? 1 : 3,
                                 RuleChange{any_name(), coin, coin ? "*" : "bob@b.example", handling, number});
            return rules;
        }
    }
}

Bytes packet_of(MsgpackWriter& body) {
    auto bytes = encode(ChannelHeader{1, 2, 3});
    bytes.insert(bytes.end(), body.bytes().begin(), body.bytes().end());
    return bytes;
}

Reason refusal(MsgpackWriter& body) {
    auto packet = decode_channel_packet(packet_of(body));
    REQUIRE_FALSE(packet.has_value());
    return packet.error().reason;
}

}  // namespace

TEST_CASE("a packet is read back as it was written") {
    CHECK(rc::check([] {
        ChannelPacket packet{{*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>(), 5}, {}};
        const auto count = *rc::gen::inRange(0, 5);
        for (int i = 0; i < count; ++i) packet.messages.push_back(any_message());
        const auto bytes = encode(packet);
        if (bytes.size() > limits::channel_datagram_bytes) RC_DISCARD("over a datagram");
        const auto read = decode_channel_packet(bytes);
        RC_ASSERT(read.has_value());
        RC_ASSERT(*read == packet);
    }));
}

TEST_CASE("a packet cut short anywhere is refused, or is the same packet with fewer messages") {
    const ChannelPacket packet{{1, 2, 3},
                               {WatchMessage{4, 5, name("alice@a.example"), name("bob@b.example"), Digest{}},
                                DocumentMessage{6, {7, 8}, 0, 1, {1, 2, 3}}}};
    const auto bytes = encode(packet);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        const auto read = decode_channel_packet(BytesView(bytes).first(n));
        if (read) CHECK(read->messages.size() < packet.messages.size());
    }
}

TEST_CASE("what a later minor version adds is passed over") {
    MsgpackWriter body;
    body.array(2).uint(200).str("a kind to come");
    body.array(3).uint(7).uint(42).str("a field to come");  // UNWATCH
    const auto packet = decode_channel_packet(packet_of(body));
    REQUIRE(packet.has_value());
    REQUIRE(packet->messages.size() == 1);
    CHECK(packet->messages[0] == ChannelMessage{UnwatchMessage{42}});
}

TEST_CASE("refused, each by its name") {
    MsgpackWriter version;
    version.array(4).uint(2).uint(1).uint(2).uint(3);
    CHECK(decode_channel_packet(version.bytes()).error().reason == Reason::unsupported_version);

    MsgpackWriter spelling;
    spelling.array(3).uint(4).uint(1).str("sip:alice@a.example");
    CHECK(refusal(spelling) == Reason::not_canonical);

    MsgpackWriter no_name;
    no_name.array(3).uint(4).uint(1).str("pres:@a.example");
    CHECK(refusal(no_name) == Reason::malformed);

    MsgpackWriter part;
    part.array(7).uint(9).uint(1).uint(1).uint(1).uint(2).uint(2).bin(Bytes{1});
    CHECK(refusal(part) == Reason::malformed);

    MsgpackWriter parts;
    parts.array(7).uint(9).uint(1).uint(1).uint(1).uint(0).uint(limits::document_parts + 1).bin(Bytes{1});
    CHECK_FALSE(decode_channel_packet(packet_of(parts)).has_value());

    MsgpackWriter records;
    records.array(4).uint(5).uint(1).boolean(true).array(3).bin({}).bin({}).bin({});
    CHECK(refusal(records) == Reason::too_large);

    MsgpackWriter order;
    order.array(5).uint(13).uint(1).uint(3).uint(2).array(0);
    CHECK(refusal(order) == Reason::malformed);

    MsgpackWriter rule;
    rule.array(5)
        .uint(13)
        .uint(1)
        .uint(0)
        .uint(2)
        .array(1)
        .array(5)
        .str("Alice@A.example")
        .boolean(true)
        .str("*")
        .nil()
        .uint(1);
    CHECK(refusal(rule) == Reason::not_canonical);

    MsgpackWriter rules;
    rules.array(5).uint(13).uint(1).uint(0).uint(2).array(limits::rules_per_message + 1);
    for (std::size_t i = 0; i <= limits::rules_per_message; ++i)
        rules.array(5).str("a@b").boolean(true).str("*").nil().uint(1);
    CHECK(refusal(rules) == Reason::too_large);

    MsgpackWriter kindless;
    kindless.array(0);
    CHECK(refusal(kindless) == Reason::malformed);

    CHECK(decode_channel_packet(Bytes(limits::channel_datagram_bytes + 1)).error().reason == Reason::too_large);
    CHECK(decode_channel_packet({}).error().reason == Reason::malformed);
}

TEST_CASE("a watch for two names that no packet holds is known beforehand") {
    const auto of = [](std::size_t letters, const char* letter) {
        std::string user;
        for (std::size_t i = 0; i < letters; ++i) user += letter;
        return name((user + "@" + std::string(60, 'd') + ".example").c_str());
    };
    const auto u_umlauts = limits::user_bytes / 2;
    CHECK_FALSE(fits_watch(of(u_umlauts, "\xc3\xbc"), of(u_umlauts, "\xc3\xbc")));
    CHECK(fits_watch(of(u_umlauts, "\xc3\xbc"), of(20, "b")));
    CHECK(fits_watch(of(limits::user_bytes, "a"), of(limits::user_bytes, "b")));
    CHECK(fits_watch(name("alice@a.example"), name("bob@b.example")));
}

TEST_CASE("the longest names fit into a packet of rules") {
    const std::string longest_domain = [] {
        std::string domain;
        while (domain.size() + 64 <= limits::domain_bytes) domain += std::string(60, 'd') + ".";
        return domain + "example";
    }();
    const auto longest = PresentityUri::parse("pres:" + std::string(limits::user_bytes, 'u') + "@" + longest_domain);
    REQUIRE(longest.has_value());
    RulesMessage rules{UINT64_MAX, UINT64_MAX, UINT64_MAX, {}};
    rules.changes.push_back({*longest, true, longest->canonical(), std::uint8_t{30}, UINT64_MAX});
    CHECK(2 * longest->canonical().size() + 24 <= limits::rules_message_bytes);
    const ChannelPacket packet{{UINT64_MAX, UINT64_MAX, UINT64_MAX}, {rules}};
    CHECK(encode(packet).size() <= limits::channel_datagram_bytes);
    CHECK(decode_channel_packet(encode(packet)) == packet);
}

TEST_CASE("the bytes of FORMAT.md") {
    const ChannelPacket packet{{1, 2, 3}, {AckMessage{4, 5}, UnwatchMessage{300}, GoneMessage{6, {7, 8}}}};
    CHECK(to_hex(encode(packet)) ==
          "9401010203"
          "93010405"
          "9207cd012c"
          "940b060708");
}

namespace {

template <std::size_t N>
std::array<std::uint8_t, N> all(std::uint8_t byte) {
    std::array<std::uint8_t, N> out{};
    out.fill(byte);
    return out;
}

/// One message of each kind, by the name of its golden file.
std::vector<std::pair<std::string, ChannelMessage>> one_of_each() {
    const auto alice = name("alice@a.example");
    const auto juliet = name("j\xc3\xbcliet@x.example");
    return {
        {"ack", AckMessage{300, 0b101}},
        {"lease", LeaseMessage{30'000}},
        {"leave", LeaveMessage{}},
        {"query", QueryMessage{1, alice}},
        {"sources", SourcesMessage{announcement | 2, true, {{1, 2, 3}, {4, 5, 6}}}},
        {"watch", WatchMessage{3, 1, alice, juliet, all<32>(0xdd)}},
        {"unwatch", UnwatchMessage{3}},
        {"watch_state", WatchStateMessage{3, 2, WatchState::active, "", 9, all<32>(0xcc)}},
        {"document", DocumentMessage{9, {1'800'000'000, 7}, 1, 2, {1, 2, 3}}},
        {"current", CurrentMessage{9, {1'800'000'000, 7}, all<32>(0xdd)}},
        {"gone", GoneMessage{9, {1'800'000'000, 8}}},
        {"rules_ask", RulesAskMessage{0x0123456789abcdef, 4}},
        {"rules", RulesMessage{0x0123456789abcdef,
                               4,
                               6,
                               {{alice, false, "x.example", 30, 1'800'000'000'000},
                                {alice, true, "j\xc3\xbcliet@x.example", {}, 1'800'000'000'001}}}},
    };
}

}  // namespace

TEST_CASE("golden packets of version 1, one for each kind of message, stay readable, and stay what is written") {
    const auto messages = one_of_each();
    REQUIRE(messages.size() == std::variant_size_v<ChannelMessage>);
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto& kind = messages[i].first;  // no binding: clang 14 does not let CAPTURE's closure have one
        const auto& message = messages[i].second;
        CAPTURE(kind);
        CHECK(message.index() == i);
        const ChannelPacket packet{{1'800'000'000, 1'800'000'001, 5}, {message}};
        const auto golden = presmesh::testing::golden("channel_" + kind + "_v1.hex");
        CHECK(to_hex(encode(packet)) == to_hex(golden));
        CHECK(decode_channel_packet(golden) == packet);
    }
}
