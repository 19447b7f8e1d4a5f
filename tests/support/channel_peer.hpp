// The other end of one channel, which says whatever a test wants.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "overlay/channel.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"

namespace presmesh::testing {

/// The messages of one kind in a packet.
template <typename Message>
std::vector<Message> told(const proto::Bytes& bytes) {
    std::vector<Message> out;
    const auto packet = proto::decode_channel_packet(bytes);
    for (const auto& message : packet->messages)
        if (const auto* one = std::get_if<Message>(&message)) out.push_back(*one);
    return out;
}

struct ChannelPeer {
    overlay::ChannelCounters counters;
    overlay::Channel channel{1000, std::chrono::seconds{30}, overlay::ChannelTrace(nullptr, {}, &counters)};
    proto::SeededRandom random{1};
    proto::Duration time{0};
    std::uint64_t number = 0;
    std::uint64_t memory = 5;

    void say(std::vector<proto::ChannelMessage> messages, std::uint64_t to = 1000) {
        REQUIRE(
            channel.handle_input(at(time), encode(proto::ChannelPacket{{memory, to, ++number}, std::move(messages)})));
    }
    /// All that the channel sends now.
    std::vector<proto::Bytes> hear() {
        std::vector<proto::Bytes> out;
        while (auto bytes = channel.poll_output(at(time))) out.push_back(std::move(*bytes));
        return out;
    }
    template <typename Message>
    std::vector<Message> hear_all() {
        std::vector<Message> out;
        for (const auto& bytes : hear())
            for (const auto& one : told<Message>(bytes)) out.push_back(one);
        return out;
    }
    bool acknowledges(std::uint64_t wanted) {
        for (const auto& ack : hear_all<proto::AckMessage>())
            if (ack.largest == wanted) return true;
        return false;
    }
    template <typename Event>
    std::size_t events() {
        std::size_t n = 0;
        while (auto event = channel.poll_event()) n += std::holds_alternative<Event>(*event) ? 1 : 0;
        return n;
    }
    void wait(proto::Duration span) {
        time += span;
        channel.handle_timeout(at(time), random);
    }
};

}  // namespace presmesh::testing
