// The world: one queue, one virtual time, hosts at addresses, datagrams between them. Single-threaded and
// deterministic.
//
// A node's turn: the clocks and dice of the process become the node's (os_shim), one or more calls into its host,
// end_turn, its output onto the network, its wake-up noted. What the host's users saw was told on the way (Audience).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "sim/arena.hpp"
#include "sim/attack.hpp"
#include "sim/event_queue.hpp"
#include "sim/host.hpp"
#include "sim/measures.hpp"
#include "sim/network.hpp"
#include "sim/trace.hpp"

namespace presmesh::sim {

/// TraceEntry::kind of what is no datagram; datagrams have their proto::Traffic.
enum class Happening : std::uint32_t { joined = 100, left = 101, crashed = 102 };

/// Told when nodes come and go, after it happened.
class Lives {
  public:
    virtual ~Lives() = default;
    virtual void joined(NodeIndex node) = 0;
    virtual void gone(NodeIndex node, bool crash) = 0;
};

/// Makes hosts; keeps what outlives them (disks).
class HostMaker {
  public:
    virtual ~HostMaker() = default;
    virtual std::unique_ptr<Host> make(proto::Now now, const HostSetup& setup) = 0;
    /// The host is about to go. `keeps_disk`: what it committed is there when it comes back.
    virtual void gone(NodeIndex node, bool crash, bool keeps_disk) = 0;
};

struct WorldParts {
    HostMaker* maker = nullptr;
    Audience* audience = nullptr;
    Lives* lives = nullptr;
    Attack* attack = nullptr;    ///< may be null
    TraceSink* trace = nullptr;  ///< may be null
};

class World final : public AttackField {
  public:
    using TrafficCounts = std::array<Traffic, 4>;  ///< by proto::Traffic

    World(const Scenario& scenario, std::uint64_t seed, Network network, WorldParts parts);
    ~World() override;

    // ---- time
    proto::Duration elapsed() const override { return now_; }
    proto::Now now_of(NodeIndex node) const;
    /// Everything up to and including that moment, or everything before it.
    void run_to(proto::Duration until, bool inclusive = true);
    /// The wall clock that skewless nodes have.
    static proto::WallTime wall_at(proto::Duration elapsed);
    void skew_clock(NodeIndex node, proto::Duration by);  ///< on top of what it is
    void at(proto::Duration when, Actor& actor, std::uint64_t token);

    // ---- nodes
    std::uint32_t nodes() const override { return static_cast<std::uint32_t>(slots_.size()); }
    bool online(NodeIndex node) const override { return slots_[node].host != nullptr; }
    std::uint32_t online_count() const { return static_cast<std::uint32_t>(online_.size()); }
    NodeIndex online_node(std::uint64_t number) const { return online_[number]; }
    void join(NodeIndex node);
    void leave(NodeIndex node, bool keeps_disk = true);
    void crash(NodeIndex node, bool keeps_disk = true);
    /// Work of users inside one turn of a node, which must be online.
    void turn(NodeIndex node, const std::function<void(proto::Now, Host&)>& work);
    std::uint64_t refused() const;  ///< by hosts gone and there

    Network& network() { return network_; }
    const Network& network() const { return network_; }

    // ---- for the attack
    proto::Endpoint endpoint_of(NodeIndex node) const override;
    void inject(const proto::Endpoint& from, const proto::Endpoint& to, proto::Bytes bytes) override;

    // ---- what was seen
    const TrafficCounts& traffic() const { return traffic_; }  ///< sent, lost ones too
    std::uint64_t turns() const { return turns_; }
    const TraceHash& trace_hash() const { return trace_hash_; }

  private:
    struct Slot {
        std::unique_ptr<Host> host;
        Dice dice;
        std::uint64_t entropy = 0;
        proto::Duration wall_skew{0};
        double drift = 0;                                  ///< of the steady clock
        proto::Duration wake_at = proto::Duration::max();  ///< of the earliest wake-up in the queue
        proto::Duration due = proto::Duration::max();      ///< when the host asked to be woken, after its last turn
        std::uint32_t online_place = 0;
        arena::Block near;  ///< the host's own objects
    };

    void step();
    void prefetch_next() const;
    void deliver(QueuedEvent event);
    void wake(NodeIndex node);
    template <class Work>
    void run_turn(NodeIndex node, const Work& work);
    void finish_turn(NodeIndex node, proto::Now now);
    void send_output(NodeIndex node);
    void put_on_wire(NodeIndex from, proto::Datagram datagram);
    void note_wake_up(NodeIndex node);
    void queue_wake_up(NodeIndex node);
    proto::Duration when(const Slot& slot, proto::SteadyTime steady) const;
    void remove(NodeIndex node, Happening how, bool keeps_disk);
    std::vector<proto::Endpoint> bootstrap_for(NodeIndex node);
    void schedule_attack();
    void trace(const TraceEntry& entry);
    void trace(NodeIndex node, Happening happening);

    const Scenario& scenario_;
    Network network_;
    WorldParts parts_;
    EventQueue queue_;
    proto::Duration now_{0};
    std::vector<Slot> slots_;
    std::vector<NodeIndex> online_;
    TrafficCounts traffic_{};
    std::uint64_t turns_ = 0;
    std::uint64_t refused_by_gone_ = 0;
    TraceHash trace_hash_;
    std::unique_ptr<Actor> attack_clock_;
};

}  // namespace presmesh::sim
