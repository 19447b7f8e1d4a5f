// Arbitrary packets: what is accepted is encoded to something that reads back equal; and a channel that takes them in,
// from a peer that may do whatever it likes, neither crashes nor grows past its bounds.
#include <cstdint>
#include <cstdlib>

#include "overlay/channel.hpp"
#include "proto/channel_messages.hpp"
#include "proto/limits.hpp"

using namespace presmesh;

namespace {

void expect(bool holds) {
    if (!holds) std::abort();
}

proto::Now at(std::int64_t ms) {
    return {proto::SteadyTime{std::chrono::milliseconds{ms}}, proto::wall_from_seconds(1'800'000'000)};
}

void read_back(proto::BytesView bytes) {
    const auto packet = proto::decode_channel_packet(bytes);
    if (!packet) return;
    const auto again = proto::encode(*packet);
    expect(again.size() <= bytes.size());
    const auto read = proto::decode_channel_packet(again);
    expect(read && *read == *packet);
}

/// Answers every watch, sets documents, lets time pass.
void drive(overlay::Channel& channel, proto::Random& random, std::int64_t ms) {
    const auto document = *proto::Document::make({});
    while (auto event = channel.poll_event()) {
        if (const auto* watch = std::get_if<overlay::InboundWatch>(&*event)) {
            const overlay::StreamValue value{{1, watch->watch}, watch->watch % 2 == 0 ? document : nullptr};
            channel.source().answer(watch->watch, {overlay::WatchState::active, 0, {}}, std::nullopt, value);
        } else if (const auto* query = std::get_if<overlay::InboundQuery>(&*event)) {
            channel.source().answer_query({query->query, true, {}});
        }
    }
    for (int i = 0; i < 8; ++i) {
        auto bytes = channel.poll_output(at(ms));
        if (!bytes) break;
        expect(bytes->size() <= proto::limits::channel_datagram_bytes);
        expect(proto::decode_channel_packet(*bytes).has_value());
    }
    channel.handle_timeout(at(ms), random);
    (void)channel.next_timeout(at(ms));
}

void converse(proto::BytesView bytes) {
    proto::SeededRandom random(1);
    overlay::Channel channel(1000, std::chrono::seconds{30});
    const auto alice = *proto::PresentityUri::parse("alice@a.example");
    const auto bob = *proto::PresentityUri::parse("bob@b.example");
    channel.watcher().watch(alice, bob);
    channel.watcher().query(alice);
    std::int64_t ms = 0;
    // Packets of the input's own making: a length byte, then so many bytes after a header that fits.
    while (bytes.size() > 1) {
        const auto n = std::min<std::size_t>(bytes[0], bytes.size() - 1);
        auto packet =
            proto::encode(proto::ChannelHeader{5, bytes[0] % 4 == 0 ? 0U : 1000U, static_cast<std::uint64_t>(ms) + 1});
        packet.insert(packet.end(), bytes.begin() + 1, bytes.begin() + 1 + static_cast<std::ptrdiff_t>(n));
        (void)channel.handle_input(at(ms), packet);
        bytes = bytes.subspan(1 + n);
        drive(channel, random, ms);
        ms += 400;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    proto::crypto_init();
    const proto::BytesView bytes(data, size);
    read_back(bytes);
    converse(bytes);
    return 0;
}
