#include "sim/engine_costs.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "proto/identity.hpp"
#include "sim/arena.hpp"
#include "sim/content.hpp"
#include "sim/engine_node.hpp"
#include "sim/names.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

using proto::Duration;

namespace {

constexpr auto window = std::chrono::seconds{30};
constexpr auto one_way = std::chrono::milliseconds{50};
constexpr auto join_gap = std::chrono::milliseconds{20};
constexpr auto quiet = std::chrono::minutes{10};
constexpr std::uint32_t filler = 245;  ///< makes values of about 300 bytes

Scenario calm(std::uint32_t nodes) {
    Scenario out;
    out.nodes = nodes;
    out.mode = Mode::engine;
    return out;
}

/// Counts what one node sends and receives, and when the others are told.
class Watcher final : public Audience, public Lives, public TraceSink {
  public:
    void see(const TraceEntry& entry) override {
        if (entry.size == 0 || (entry.from != node_ && entry.to != node_)) return;
        ++count_.packets;
        count_.bytes += entry.size;
    }
    void seen(WatchNumber, Shown, const proto::DocumentPtr& document) override {
        if (document && !first_) first_ = world_->elapsed();
    }
    void lookup_found(LookupNumber) override {
        if (!first_) first_ = world_->elapsed();
    }
    void lookup_done(LookupNumber, std::optional<unsigned>) override { done_ = world_->elapsed(); }
    void joined(NodeIndex) override {}
    void gone(NodeIndex, bool) override {}

    void look_at(World& world) { world_ = &world; }
    /// One operation of `node`: what it costs beyond what the node has to do anyway.
    template <class Work>
    void measure(NodeIndex node, OperationCost& cost, const Work& work) {
        node_ = node;
        count_ = {};
        const Traffic before = pass();
        const Duration begun = world_->elapsed();
        first_.reset();
        done_.reset();
        world_->turn(node, work);
        const Traffic after = pass();
        ++cost.trials;
        cost.messages += static_cast<double>(after.packets) - static_cast<double>(before.packets);
        cost.bytes += static_cast<double>(after.bytes) - static_cast<double>(before.bytes);
        if (first_) cost.first.add(static_cast<double>((*first_ - begun).count()) / Duration{one_way}.count());
        if (done_) cost.done.add(static_cast<double>((*done_ - begun).count()) / Duration{one_way}.count());
    }

  private:
    Traffic pass() {
        world_->run_to(world_->elapsed() + window);
        return std::exchange(count_, {});
    }
    World* world_ = nullptr;
    NodeIndex node_ = 0;
    Traffic count_;
    std::optional<Duration> first_;
    std::optional<Duration> done_;
};

}  // namespace

EngineCosts measure_engine_costs(std::uint32_t nodes, std::uint32_t trials, std::uint64_t seed, bool permanent) {
    proto::crypto_init();
    const Scenario scenario = calm(nodes);
    EngineCosts out;
    {
        const arena::Scope scope;
        Watcher watcher;
        EngineHosts hosts(permanent);
        World world(scenario, seed, std::move(*Network::make(scenario, seed)),
                    {&hosts, &watcher, &watcher, nullptr, &watcher});
        watcher.look_at(world);
        for (NodeIndex node = 0; node < nodes; ++node) {
            world.run_to(join_gap * node);
            world.join(node);
        }
        world.run_to(world.elapsed() + quiet);
        Dice dice(seed, Purpose::workload);
        for (std::uint32_t trial = 0; trial < trials; ++trial) {
            std::vector<NodeIndex> three;
            while (three.size() < 3) {
                const auto node = static_cast<NodeIndex>(dice.below(nodes));
                if (std::find(three.begin(), three.end(), node) == three.end()) three.push_back(node);
            }
            const auto uri = *proto::PresentityUri::from_canonical("t" + std::to_string(trial) + "@costs.example");
            const auto put = [&](std::uint32_t version) {
                const auto document = make_document(seed, trial, version, filler);
                out.values = document->bytes.size() + 8;
                return [uri, document](proto::Now now, Host& host) { host.publish(now, uri, document); };
            };
            watcher.measure(three[0], out.listen,
                            [&](proto::Now now, Host& host) { host.watch(now, trial, uri, uri); });
            watcher.measure(three[1], out.cold_put, put(1));
            watcher.measure(three[1], out.warm_put, put(2));
            watcher.measure(three[2], out.cold_get,
                            [&](proto::Now now, Host& host) { host.look_up(now, trial + 1, uri); });
        }
    }
    return out;
}

}  // namespace presmesh::sim
