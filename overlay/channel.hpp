// The channel to one peer: both sides' slots in as few packets as can be, acknowledged and sent again; the lease; and
// the memory numbers by which two nodes notice that the other one has forgotten everything.
//
// No session here: packets are the plain bytes that the sealed transport carries to channel_port.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "overlay/channel_rules.hpp"
#include "overlay/channel_source.hpp"
#include "overlay/channel_watcher.hpp"
#include "overlay/flight.hpp"
#include "overlay/lease.hpp"
#include "overlay/outbox.hpp"
#include "overlay/token_bucket.hpp"
#include "overlay/trace.hpp"
#include "proto/endpoint.hpp"
#include "proto/fifo.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"

namespace presmesh::overlay {

struct LivenessChanged {
    Liveness liveness{};
};
using ChannelEvent = std::variant<InboundWatch, InboundUnwatch, InboundQuery, WatchUpdated, SourcesAnswered,
                                  LivenessChanged, proto::RulesAskMessage, proto::RulesMessage>;

class Channel {
  public:
    /// `memory` must be higher than for any earlier channel to the same node, across restarts too.
    Channel(std::uint64_t memory, proto::Duration crash_bound, ChannelTrace trace = {});
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    ChannelSource& source() { return source_; }
    ChannelWatcher& watcher() { return watcher_; }
    ChannelRules& rules() {
        if (!rules_) rules_ = std::make_unique<ChannelRules>(outbox_);
        return *rules_;
    }
    const ChannelSource& source() const { return source_; }
    const ChannelWatcher& watcher() const { return watcher_; }

    /// What decode_channel_packet refuses; rate_limited.
    proto::Result<void> handle_input(proto::Now now, proto::BytesView bytes);
    void handle_timeout(proto::Now now, proto::Random& random);
    proto::SteadyTime next_timeout(proto::Now now) const;
    /// Says now already that we are here, where that would be due within Lease::early.
    void keep_alive_early(proto::Now now, proto::Random& random);
    /// A lease goes with the next output, unless that says anything else.
    bool lease_due() const { return lease_due_; }
    /// The next packet to send now. Ask only while there is a session.
    std::optional<proto::Bytes> poll_output(proto::Now now);
    /// What the last packet was for.
    proto::Traffic traffic() const { return traffic_; }
    /// Does the last packet want an answer?
    bool wants_answer() const { return wants_answer_; }
    bool has_output() const { return lease_due_ || flight_.owes_ack() || (!outbox_.empty() && flight_.window_open()); }
    std::optional<ChannelEvent> poll_event();

    /// The peer is another process than before. Its memory of us may be older than the last one's: its state was lost
    /// and its clock set back, or it was copied and the copy ran for a while. Then ours becomes `memory`.
    void peer_restarted(std::uint64_t memory) { memory_if_older_ = memory; }
    /// There is a (new) session: what was on its way is taken for lost, and the peer learns that we are here.
    void session_made();
    /// The peer may be in reach again: it is asked, and told what it missed, without waiting for the turn of that.
    void ask_now(proto::Now now);
    /// Ends the peer's watches of ours, and what we told it about us (a peer silent for limits::peer_forget).
    void forget_peer(std::uint64_t memory);
    /// For a peer out of reach, or one that acknowledges nothing, so much is kept of what is over that forget_peer is
    /// in place.
    bool is_overgrown() const;
    /// What waits to be sent or confirmed and counts no longer: at least so much.
    std::size_t leftovers() const;
    /// The packet of a clean stop. Not sent again: there is nobody left to do it.
    proto::Bytes goodbye() const;

    Liveness liveness() const { return liveness_; }
    /// Does either end watch the other?
    bool watched() const { return source_.watches() > 0 || watcher_.watches() > 0; }
    /// Nobody needs it.
    bool idle() const { return !watched() && !(rules_ && rules_->asks()); }
    std::optional<proto::SteadyTime> heard_at() const { return lease_.heard_at(); }
    std::uint64_t resends() const { return flight_.resends(); }
    /// What waits to be sent, or was sent and not acknowledged: our watches and questions, and documents of ours.
    std::size_t asking() const { return pending(SlotKind::watch) + pending(SlotKind::query); }
    std::size_t sending() const { return pending(SlotKind::value); }
    std::size_t in_flight() const { return flight_.packets(); }
    std::size_t window() const { return flight_.window(); }

  private:
    bool take(proto::Now now, const proto::ChannelPacket& packet);
    bool take_message(proto::Now now, const proto::ChannelMessage& message);
    /// False when the peer asks faster than it may: it has to come again.
    bool may_ask(proto::Now now);
    void take_ack(proto::Now now, const proto::AckMessage& ack);
    void peer_has_memory(std::uint64_t memory);
    void told_lost(const SentItems& items);
    bool write(Slot slot, PacketBuilder& packet);
    template <typename Do>
    auto with_end(Slot slot, const Do& what);
    void keep_alive(proto::Now now, proto::Random& random, proto::Duration early = {});
    void watch_lease(proto::Now now);
    void count_lease(Liveness now);
    proto::LeaseMessage lease() const;
    std::size_t still_counts() const;
    std::size_t pending(SlotKind kind) const { return outbox_.waiting(kind) + flight_.items(kind); }

    std::uint64_t memory_;
    std::uint64_t peer_memory_ = 0;
    std::uint64_t memory_if_older_ = 0;  ///< 0: nobody may come with an older memory
    proto::Duration bound_;
    proto::Duration peer_bound_;
    ChannelTrace trace_;
    Outbox outbox_;
    Flight flight_;
    ChannelSource source_;
    ChannelWatcher watcher_;
    std::unique_ptr<ChannelRules> rules_;  ///< none but between nodes of one domain
    Lease lease_;
    TokenBucket packets_{proto::limits::channel_packets_per_second_per_peer};
    TokenBucket memories_{proto::limits::memories_per_second_per_peer, proto::limits::memories_burst_per_peer};
    TokenBucket questions_{proto::limits::watches_per_second_per_peer};
    Liveness liveness_ = Liveness::unknown;
    proto::Traffic traffic_ = proto::Traffic::channel;
    bool doubted_ = false;  // since it was live last
    bool lease_due_ = false;
    bool owes_content_ack_ = false;
    bool wants_answer_ = false;
    proto::SteadyTime sent_at_{};
    proto::Duration lease_wait_{};  ///< since then; zero until it is drawn
    proto::SteadyTime resent_heard_at_{};
    std::vector<SourceEvent> source_events_;
    std::vector<WatcherEvent> watcher_events_;
    proto::Fifo<ChannelEvent> events_;
};

}  // namespace presmesh::overlay
