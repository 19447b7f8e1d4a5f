// The channels to other nodes, carried by the sealed transport: made when first needed, dialed again when their session
// is lost, forgotten when nobody needs them. All that is sent to a peer in one turn leaves together, at flush().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "overlay/channel.hpp"
#include "overlay/node_id_hash.hpp"
#include "overlay/sealed_transport.hpp"
#include "proto/fifo.hpp"
#include "proto/fill.hpp"
#include "proto/timer_heap.hpp"

namespace presmesh::overlay {

/// An attempt to reach the node failed. It goes on being tried while it is watched.
struct Unreachable {};

struct PeerEvent {
    proto::NodeId node{};
    std::variant<ChannelEvent, Unreachable> what;
};

class Peers {
  public:
    /// `epoch`: higher than in any earlier run of this node.
    Peers(SealedTransport& transport, proto::Random& random, std::uint64_t epoch, proto::Duration crash_bound,
          Trace* trace = nullptr);

    /// Makes the channel where there is none. What is asked of it is sent at flush().
    Channel& open(const proto::NodeId& node);
    const Channel* find(const proto::NodeId& node) const;
    /// Where to dial the node.
    void learn(const proto::NodeId& node, const std::vector<proto::Endpoint>& endpoints);
    /// The last attempt to reach it failed, and nothing was heard since.
    bool unreachable(const proto::NodeId& node) const;
    /// In order.
    std::vector<proto::NodeId> nodes() const;
    /// As its last session told; empty where it had none.
    std::string_view domain(const proto::NodeId& node) const;

    proto::Result<void> handle_input(proto::Now now, const proto::NodeId& node, proto::BytesView bytes);
    void session_up(proto::Now now, const proto::NodeId& node);
    void session_down(const proto::NodeId& node, std::string domain);
    void connect_failed(const proto::Endpoint& endpoint);
    /// The node is no longer one of us: its watches end, ours at it too.
    void drop(const proto::NodeId& node);
    void leave(proto::Now now);

    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const { return timers_.next(); }
    void flush(proto::Now now);
    bool wants_flush() const { return !touched_.empty() && !left_; }
    std::optional<PeerEvent> poll_event();

    const ChannelCounters& counters() const { return counters_; }
    std::uint64_t sent() const { return sent_; }
    std::uint64_t resends() const;
    /// What is kept for each peer, and bounded for each: as much as there is for the fullest one.
    proto::Fills fills() const;

  private:
    struct State {
        std::unique_ptr<Channel> channel;
        std::string domain;
        std::uint64_t instance = 0;  ///< of the process it has its session with, or had its last; 0: none yet
        std::vector<proto::Endpoint> endpoints;
        proto::Duration pause;
        proto::SteadyTime next_dial{};
        proto::SteadyTime ask_at = proto::never;  ///< as another node is back
        std::uint32_t next_endpoint = 0;
        std::uint32_t timer = 0;  ///< its handle in timers_
        bool dialing = false;
        bool unreachable = false;
        bool held = false;
        bool touched = false;  ///< it is in touched_
    };
    using States = std::unordered_map<proto::NodeId, State, NodeIdHash>;
    using Entry = States::value_type;
    struct ById {
        bool operator()(const Entry* one, const Entry* other) const { return one->first < other->first; }
    };
    Entry& entry(const proto::NodeId& node);
    void touch(Entry& entry);
    std::uint64_t next_memory() { return ++memory_; }
    void drain(const proto::NodeId& node, State& state);
    void send_all(proto::Now now, const proto::NodeId& node, State& state);
    void dial(proto::Now now, const Peer* session, State& state);
    void close(Entry& entry);
    void dial_failed(Entry& entry);
    void hold(const proto::NodeId& node, State& state);
    proto::SteadyTime wake_up(proto::Now now, const State& state) const;
    void flush_one(proto::Now now, Entry& entry);
    void forget_when_silent(proto::Now now, State& state);
    void ask_others(proto::Now now);
    void ask_when_due(proto::Now now, State& state);

    SealedTransport& transport_;
    proto::Random& random_;
    proto::Duration crash_bound_;
    std::uint64_t memory_;
    Trace* trace_;
    ChannelCounters counters_;
    // Looked up for each packet. Whoever lists them sorts them first.
    States states_;
    std::vector<Entry*> touched_;  ///< since the last flush
    proto::TimerHeap<Entry*, ById> timers_;
    proto::Fifo<PeerEvent> events_;
    proto::SteadyTime others_asked_until_ = proto::SteadyTime::min();
    std::uint64_t sent_ = 0;
    std::uint64_t resends_of_closed_ = 0;
    bool left_ = false;
};

}  // namespace presmesh::overlay
