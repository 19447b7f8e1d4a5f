// Packets on their way to one peer, and the acknowledgements owed to it. Knows nothing of what the packets mean: it is
// told which items a packet carried, and says which of them arrived and which have to be sent again.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "proto/channel_messages.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

enum class SlotKind : std::uint8_t { lease, watch, unwatch, query, state, value, answer, rules_ask, rules };
inline constexpr std::size_t slot_kinds = 9;

/// A place whose newest content the peer should have.
struct Slot {
    SlotKind kind{};
    std::uint64_t id = 0;
    auto operator<=>(const Slot&) const = default;
};
/// What a packet carried of a slot.
struct SentItem {
    Slot slot;
    std::uint64_t version = 0;
    std::uint16_t part = 0;
};
using SentItems = std::vector<SentItem>;

class Flight {
  public:
    Flight();

    // ---- sending
    bool window_open() const { return packets_.size() < window_; }
    /// Numbers a packet that is leaving now.
    std::uint64_t take_number() { return ++last_number_; }
    void sent(proto::Now now, std::uint64_t number, SentItems items);
    /// The items of the packets this acknowledges.
    SentItems acknowledged(proto::Now now, const proto::AckMessage& ack);
    /// The items of the packets that were not acknowledged in time.
    SentItems overdue(proto::Now now);
    /// The items of the packets that left so long ago: the peer may hear us again.
    SentItems left_before(proto::SteadyTime then);
    /// Gives up all that is on its way: the items, to be sent again at once.
    SentItems abandon();
    /// There is hope again: the next attempts come as if few had failed yet.
    void hope() { relief_ = static_cast<std::uint8_t>(backoff_ - std::min(backoff_, hopeful)); }
    proto::SteadyTime next_timeout() const;
    /// The longest wait between two attempts.
    void set_patience(proto::Duration most) { patience_ = most; }

    // ---- receiving
    void received(std::uint64_t number);
    bool owes_ack() const { return !owed_.empty(); }
    /// The acknowledgements owed, in as few messages as can be; none is owed afterwards.
    std::vector<proto::AckMessage> take_acks();

    /// The peer forgot us: nothing is on its way, nothing is owed. Numbers go on rising.
    void forget();

    /// What was sent ran out of time so often in a row that no acknowledgement is to be expected soon.
    bool unheard() const { return backoff_ >= unheard_after; }

    std::uint64_t resends() const { return resends_; }
    std::size_t packets() const { return packets_.size(); }
    std::size_t window() const { return window_; }
    /// Items of this kind on their way.
    std::size_t items(SlotKind kind) const;

  private:
    struct Packet {
        proto::SteadyTime sent_at;
        SentItems items;
    };
    static constexpr std::uint8_t backoff_most = 16;
    static constexpr unsigned unheard_after = 4;  ///< 7.5 s, where no round trip was measured
    static constexpr std::uint8_t hopeful = 3;    ///< eight times the first wait
    void measure(proto::Duration sample);
    proto::Duration wait() const;

    std::map<std::uint64_t, Packet> packets_;
    std::uint64_t last_number_ = 0;
    std::size_t window_;
    proto::Duration smoothed_{};  // RFC 6298's names: SRTT, RTTVAR
    proto::Duration variation_{};
    std::uint8_t backoff_ = 0;
    std::uint8_t relief_ = 0;  ///< so many of it count no longer; at most as many
    proto::Duration patience_;
    std::uint64_t resends_ = 0;

    /// Which of the newest numbers were taken in, so that a lost acknowledgement is repeated by the next.
    class Seen {
      public:
        void add(std::uint64_t number);
        /// Of the 64 numbers below: bit 0 for the next lower one. None where that is too long ago to tell.
        std::uint64_t below(std::uint64_t number) const;

      private:
        bool contains(std::uint64_t number) const;

        static constexpr std::size_t words = 4;
        std::array<std::uint64_t, words> bits_{};  ///< by number, in a ring; of those from the newest's word on back
        std::uint64_t newest_ = 0;
    };

    Seen seen_;
    std::vector<std::uint64_t> owed_;  ///< rising
};

}  // namespace presmesh::overlay
