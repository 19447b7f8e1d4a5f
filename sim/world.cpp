#include "sim/world.hpp"

#include <algorithm>
#include <cmath>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/assert.hpp"
#include "proto/prefetch.hpp"
#include "sim/names.hpp"
#include "sim/os_shim.hpp"

namespace presmesh::sim {

using proto::Duration;
using proto::Endpoint;
using proto::Now;
using proto::SteadyTime;

namespace {

constexpr auto steady_start = SteadyTime{std::chrono::hours{1}};
constexpr std::int64_t wall_start_s = 1'800'000'000;  // somewhere in 2027
constexpr std::size_t bootstrap_nodes = 4;
constexpr auto stranger_latency = std::chrono::milliseconds{50};

}  // namespace

World::World(const Scenario& scenario, std::uint64_t seed, Network network, WorldParts parts)
    : scenario_(scenario), network_(std::move(network)), parts_(parts) {
    slots_.reserve(scenario.nodes);
    for (NodeIndex node = 0; node < scenario.nodes; ++node) {
        Slot slot{nullptr, Dice(seed, Purpose::node, node), seed_of(seed, Purpose::entropy, node), {}, 0, {}, {}, 0,
                  {}};
        Dice clocks(seed, Purpose::clocks, node);
        const auto either_way = [&] { return 2 * unit(clocks) - 1; };
        slot.wall_skew = Duration{std::llround(either_way() * static_cast<double>(scenario.clock_skew.count()))};
        slot.drift = either_way() * scenario.clock_drift_ppm * 1e-6;
        slot.due = slot.wake_at = Duration::max();
        slots_.push_back(std::move(slot));
    }
    schedule_attack();
}

World::~World() {
    os::real();
}

// ---- time

proto::WallTime World::wall_at(Duration elapsed) {
    return proto::wall_from_seconds(wall_start_s) + elapsed;
}

Now World::now_of(NodeIndex node) const {
    const Slot& slot = slots_[node];
    auto steady = now_;
    if (slot.drift != 0) steady += Duration{std::llround(slot.drift * static_cast<double>(now_.count()))};
    return {steady_start + steady, wall_at(now_) + slot.wall_skew};
}

/// The world's time at which the node's clock shows `steady`, or a little later.
Duration World::when(const Slot& slot, SteadyTime steady) const {
    const Duration since = std::max(steady, steady_start) - steady_start;  // a host may say "at once" by the least time
    if (slot.drift == 0) return since;
    return Duration{static_cast<std::int64_t>(std::ceil(static_cast<double>(since.count()) / (1 + slot.drift))) + 1};
}

void World::skew_clock(NodeIndex node, Duration by) {
    slots_[node].wall_skew += by;
    if (online(node)) run_turn(node, [](Now now, Host& host) { host.handle_timeout(now); });
}

void World::at(Duration when, Actor& actor, std::uint64_t token) {
    QueuedEvent event;
    event.actor = &actor;
    event.token = token;
    queue_.push(std::max(when, now_), std::move(event));
}

void World::run_to(Duration until, bool inclusive) {
    while (queue_.next() < until || (inclusive && queue_.next() == until)) step();
    if (inclusive) now_ = std::max(now_, until);
}

void World::step() {
    now_ = std::max(now_, queue_.next());
    QueuedEvent event = queue_.pop();
    prefetch_next();
    switch (event.kind) {
        case QueuedEvent::Kind::delivery:
            return deliver(std::move(event));
        case QueuedEvent::Kind::wake_up:
            return wake(event.to);
        case QueuedEvent::Kind::action:
            return event.actor->act(event.token);
    }
}

/// While one event is worked on, what the next ones will need comes nearer: the next node itself, and of the likely
/// ones after it what tells where that lies.
void World::prefetch_next() const {
    const auto likely = queue_.likely_next();
    if (likely.empty()) return;
    const auto& next = queue_.at(likely.front());
    proto::prefetch(next.bytes.data(), std::min<std::size_t>(next.bytes.size(), 128));
    if (next.to < slots_.size()) slots_[next.to].near.prefetch();
    for (const auto& place : likely.subspan(1)) {
        proto::prefetch(&queue_.at(place));
        if (place.to < slots_.size()) proto::prefetch(&slots_[place.to]);
    }
}

// ---- turns

template <class Work>
void World::run_turn(NodeIndex node, const Work& work) {
    Slot& slot = slots_[node];
    PRESMESH_ASSERT(slot.host != nullptr);
    ++turns_;
    const Now now = now_of(node);
    os::set(now, &slot.entropy);
    work(now, *slot.host);
    finish_turn(node, now);
}

void World::finish_turn(NodeIndex node, Now now) {
    slots_[node].host->end_turn(now);
    send_output(node);
    note_wake_up(node);
    os::real();
}

void World::send_output(NodeIndex node) {
    while (auto datagram = slots_[node].host->poll_output()) put_on_wire(node, std::move(*datagram));
}

void World::turn(NodeIndex node, const std::function<void(Now, Host&)>& work) {
    run_turn(node, work);
}

void World::note_wake_up(NodeIndex node) {
    Slot& slot = slots_[node];
    const SteadyTime next = slot.host->next_timeout();
    slot.due = next == proto::never ? Duration::max() : std::max(when(slot, next), now_);
    queue_wake_up(node);
}

void World::queue_wake_up(NodeIndex node) {
    Slot& slot = slots_[node];
    if (slot.due >= slot.wake_at) return;  // an earlier one is in the queue, and will look again; or none is needed
    slot.wake_at = slot.due;
    QueuedEvent event;
    event.kind = QueuedEvent::Kind::wake_up;
    event.to = node;
    queue_.push(slot.due, std::move(event));
}

void World::wake(NodeIndex node) {
    Slot& slot = slots_[node];
    if (slot.host == nullptr || slot.wake_at != now_) return;  // of an earlier life, or overtaken
    slot.wake_at = Duration::max();
    if (slot.due <= now_)
        run_turn(node, [](Now now, Host& host) { host.handle_timeout(now); });
    else
        queue_wake_up(node);
}

// ---- datagrams

void World::put_on_wire(NodeIndex from, proto::Datagram datagram) {
    auto& counted = traffic_[static_cast<std::size_t>(datagram.traffic)];
    ++counted.packets;
    counted.bytes += datagram.bytes.size();
    if (parts_.attack != nullptr && parts_.attack->attacks(from) &&
        !parts_.attack->on_datagram(*this, from, true, datagram.to, datagram.bytes))
        return;
    const NodeIndex to = node_at(datagram.to);
    if (to >= slots_.size()) return;  // nobody lives there
    const Arrivals arrivals = network_.send(now_, from, to);
    for (std::size_t i = 0; i < arrivals.count; ++i) {
        QueuedEvent event;
        event.kind = QueuedEvent::Kind::delivery;
        event.traffic = datagram.traffic;
        event.from = from;
        event.to = to;
        event.bytes = i + 1 == arrivals.count ? std::move(datagram.bytes) : datagram.bytes;
        queue_.push(arrivals.at[i], std::move(event));
    }
}

void World::deliver(QueuedEvent event) {
    const NodeIndex to = event.to;
    if (slots_[to].host == nullptr || (!event.stranger && !network_.delivers(now_, event.from, to))) return;
    const Endpoint sender = event.stranger ? event.sender : sim::endpoint_of(event.from);
    const std::uint64_t content = XXH3_64bits(event.bytes.data(), event.bytes.size());
    trace({now_.count(), event.from, to, static_cast<std::uint32_t>(event.bytes.size()),
           static_cast<std::uint32_t>(event.traffic), content});
    if (parts_.attack != nullptr && parts_.attack->attacks(to) &&
        !parts_.attack->on_datagram(*this, to, false, sender, event.bytes))
        return;
    run_turn(to, [&](Now now, Host& host) { host.handle_input(now, sender, event.bytes); });
}

// ---- nodes

Endpoint World::endpoint_of(NodeIndex node) const {
    return sim::endpoint_of(node);
}

/// Some who are there, and can be reached, at random.
std::vector<Endpoint> World::bootstrap_for(NodeIndex node) {
    std::vector<Endpoint> out;
    Dice& dice = slots_[node].dice;
    for (std::size_t tries = 0; tries < 4 * bootstrap_nodes && out.size() < bootstrap_nodes && !online_.empty();
         ++tries) {
        const NodeIndex other = online_[dice.below(online_.size())];
        const auto endpoint = sim::endpoint_of(other);
        if (other != node && network_.reachable_from_outside(other) &&
            std::find(out.begin(), out.end(), endpoint) == out.end())
            out.push_back(endpoint);
    }
    return out;
}

void World::join(NodeIndex node) {
    Slot& slot = slots_[node];
    PRESMESH_ASSERT(slot.host == nullptr);
    const auto bootstrap = bootstrap_for(node);
    const Now now = now_of(node);
    os::set(now, &slot.entropy);
    slot.near = arena::Block::take();
    {
        const arena::Together together(slot.near);
        slot.host = parts_.maker->make(now, {node, sim::endpoint_of(node), &slot.dice, parts_.audience, &scenario_});
    }
    slot.wake_at = Duration::max();
    slot.online_place = static_cast<std::uint32_t>(online_.size());
    online_.push_back(node);
    trace(node, Happening::joined);
    run_turn(node, [&](Now at, Host& host) { host.start(at, bootstrap); });
    parts_.lives->joined(node);
}

void World::leave(NodeIndex node, bool keeps_disk) {
    Slot& slot = slots_[node];
    PRESMESH_ASSERT(slot.host != nullptr);
    const Now now = now_of(node);
    os::set(now, &slot.entropy);
    slot.host->stop(now);
    slot.host->end_turn(now);
    send_output(node);
    remove(node, Happening::left, keeps_disk);
}

void World::crash(NodeIndex node, bool keeps_disk) {
    remove(node, Happening::crashed, keeps_disk);
}

void World::remove(NodeIndex node, Happening how, bool keeps_disk) {
    Slot& slot = slots_[node];
    PRESMESH_ASSERT(slot.host != nullptr);
    os::set(now_of(node), &slot.entropy);
    refused_by_gone_ += slot.host->refused();
    slot.host.reset();
    slot.near = {};
    os::real();
    parts_.maker->gone(node, how == Happening::crashed, keeps_disk);
    slots_[online_.back()].online_place = slot.online_place;
    online_[slot.online_place] = online_.back();
    online_.pop_back();
    trace(node, how);
    parts_.lives->gone(node, how == Happening::crashed);
}

std::uint64_t World::refused() const {
    std::uint64_t sum = refused_by_gone_;
    for (const NodeIndex node : online_) sum += slots_[node].host->refused();
    return sum;
}

// ---- the attack

void World::inject(const Endpoint& from, const Endpoint& to, proto::Bytes bytes) {
    const NodeIndex target = node_at(to);
    if (target >= slots_.size()) return;
    QueuedEvent event;
    event.kind = QueuedEvent::Kind::delivery;
    event.from = node_at(from);
    event.to = target;
    event.stranger = true;
    event.sender = from;
    event.bytes = std::move(bytes);
    queue_.push(now_ + stranger_latency, std::move(event));
}

void World::schedule_attack() {
    if (parts_.attack == nullptr) return;
    struct Clock final : Actor {
        explicit Clock(World& w) : world(w) {}
        void act(std::uint64_t) override {
            world.parts_.attack->handle_timeout(world);
            world.schedule_attack();
        }
        World& world;
    };
    if (!attack_clock_) attack_clock_ = std::make_unique<Clock>(*this);
    if (const auto next = parts_.attack->next(); next != Duration::max()) at(next, *attack_clock_, 0);
}

// ---- the trace

void World::trace(const TraceEntry& entry) {
    trace_hash_.see(entry);
    if (parts_.trace != nullptr) parts_.trace->see(entry);
}

void World::trace(NodeIndex node, Happening happening) {
    trace({now_.count(), node, node, 0, static_cast<std::uint32_t>(happening), 0});
}

}  // namespace presmesh::sim
