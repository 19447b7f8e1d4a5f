#include "sim/run.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "proto/identity.hpp"
#include "sim/arena.hpp"
#include "sim/checker.hpp"
#include "sim/engine_node.hpp"
#include "sim/hardship.hpp"
#include "sim/os_shim.hpp"
#include "sim/sim_node.hpp"
#include "sim/stand_in.hpp"
#include "sim/workload.hpp"

namespace presmesh::sim {

using proto::Duration;

namespace {

std::uint64_t resident_bytes() {
    const arena::Outside outside;
    std::ifstream in("/proc/self/statm");
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    in >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t peak_resident_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

class Run final : public Lives, public Actor {
  public:
    Run(const Scenario& scenario, std::uint64_t seed, const RunOptions& options, Network network,
        std::unique_ptr<ChurnPlan> churn)
        : scenario_(scenario),
          options_(options),
          sample_every_(interval(options, scenario.length())),
          churn_(std::move(churn)),
          attack_(make_attack(scenario, seed)),
          maker_(make_maker(seed)),
          checker_(scenario, seed, measures_),
          world_(scenario, seed, std::move(network), {maker_.get(), &checker_, this, attack_.get(), options.trace}),
          workload_(scenario, seed, world_, checker_),
          hardship_(scenario, seed, world_, checker_, workload_, churn_.get()),
          wall_start_(os::wall_seconds()),
          cpu_start_(os::cpu_seconds()),
          told_at_(wall_start_) {
        checker_.set_world(world_);
        seed_ = seed;
    }

    Measures go();

    void joined(NodeIndex node) override {
        count_node_seconds();
        ++present_;
        workload_.joined(node);
    }
    void gone(NodeIndex node, bool crash) override {
        count_node_seconds();
        --present_;
        workload_.gone(node, crash);
    }
    void act(std::uint64_t token) override;

  private:
    enum class Task : std::uint64_t { sample, end_warmup, end_of_hardship, tick };

    std::unique_ptr<HostMaker> make_maker(std::uint64_t seed) {
        if (scenario_.mode == Mode::engine) return std::make_unique<EngineHosts>();
        return std::make_unique<SimNodes>(scenario_, seed, attack_.get());
    }
    /// Whole multiples of what is asked for.
    static Duration interval(const RunOptions& options, Duration length) {
        const auto rows = length / options.sample_every + 1;
        const auto most = static_cast<Duration::rep>(options.samples_most);
        return options.sample_every * ((rows + most - 1) / most);
    }
    void at(Duration when, Task task) { world_.at(when, *this, static_cast<std::uint64_t>(task)); }
    void sample();
    void end_warmup();
    void count_node_seconds();
    void tell_progress();
    void run_until(Duration end);
    void finish();

    const Scenario& scenario_;
    const RunOptions& options_;
    Duration sample_every_;
    std::uint64_t seed_ = 0;
    Measures measures_;
    std::unique_ptr<ChurnPlan> churn_;
    std::unique_ptr<Attack> attack_;
    std::unique_ptr<HostMaker> maker_;
    Checker checker_;
    World world_;
    Workload workload_;
    Hardship hardship_;
    double wall_start_;
    double cpu_start_;
    double told_at_;
    World::TrafficCounts traffic_at_sample_{};
    World::TrafficCounts traffic_at_warmup_{};
    Sample last_;  ///< running totals at the last sample
    std::uint32_t present_ = 0;
    Duration counted_to_{0};
    double node_seconds_ = 0;
};

void Run::act(std::uint64_t token) {
    const Duration now = world_.elapsed();
    switch (static_cast<Task>(token)) {
        case Task::sample:
            sample();
            return at(now + sample_every_, Task::sample);
        case Task::tick:
            checker_.tick();
            return at(now + std::chrono::seconds{1}, Task::tick);
        case Task::end_warmup:
            return end_warmup();
        case Task::end_of_hardship:
            workload_.stop_changing();
            return hardship_.end();
    }
}

/// Counts begin anew. What the running row of the series has of them already stays in it: below 0 they go round.
void Run::end_warmup() {
    last_.changes -= measures_.changes;
    last_.lookups -= measures_.lookup.begun;
    last_.lookups_found -= measures_.lookup.found;
    checker_.end_warmup();
    traffic_at_warmup_ = world_.traffic();
    count_node_seconds();
    node_seconds_ = 0;
}

void Run::count_node_seconds() {
    node_seconds_ += present_ * seconds(world_.elapsed() - counted_to_);
    counted_to_ = world_.elapsed();
}

void Run::sample() {
    const auto& sent = world_.traffic();
    const auto since = [&](proto::Traffic kind) {
        const auto at = static_cast<std::size_t>(kind);
        return Traffic{sent[at].packets - traffic_at_sample_[at].packets,
                       sent[at].bytes - traffic_at_sample_[at].bytes};
    };
    Sample row;
    row.virtual_s = seconds(world_.elapsed());
    row.online = world_.online_count();
    const Traffic handshake = since(proto::Traffic::handshake);
    const Traffic dht = since(proto::Traffic::dht);
    const Traffic leases = since(proto::Traffic::channel);
    const Traffic content = since(proto::Traffic::content);
    row.packets_handshake = handshake.packets;
    row.bytes_handshake = handshake.bytes;
    row.packets_dht = dht.packets;
    row.bytes_dht = dht.bytes;
    row.packets_channel = leases.packets + content.packets;
    row.bytes_channel = leases.bytes + content.bytes;
    row.changes = measures_.changes - last_.changes;
    row.notified = checker_.notified() - last_.notified;
    row.lookups = measures_.lookup.begun - last_.lookups;
    row.lookups_found = measures_.lookup.found - last_.lookups_found;
    row.notify_delay_ratio = checker_.take_delay_ratio();
    const auto active = checker_.active_now();
    row.wrong_watcher_share = active > 0 ? static_cast<double>(checker_.wrong_now()) / static_cast<double>(active) : 0;
    row.resident_bytes = resident_bytes();
    row.wall_s = os::wall_seconds() - wall_start_;
    measures_.series.push_back(row);
    last_.changes = measures_.changes;
    last_.notified = checker_.notified();
    last_.lookups = measures_.lookup.begun;
    last_.lookups_found = measures_.lookup.found;
    traffic_at_sample_ = sent;
}

void Run::tell_progress() {
    const double now = os::wall_seconds();
    if (!options_.progress || now - told_at_ < 1) return;
    told_at_ = now;
    const arena::Outside outside;
    std::uint64_t packets = 0;
    for (const auto& sent : world_.traffic()) packets += sent.packets;
    options_.progress(
        {world_.elapsed(), scenario_.length(), now - wall_start_, resident_bytes(), packets, world_.online_count()});
}

void Run::run_until(Duration end) {
    const Duration stop = std::min(end, options_.stop_at.value_or(Duration::max()));
    while (world_.elapsed() < stop) {
        const Duration next = std::min(stop, world_.elapsed() + std::chrono::milliseconds{200});
        const bool last = next == stop;
        world_.run_to(next, !(last && options_.stop_at && stop == *options_.stop_at));
        tell_progress();
        if (last || (options_.stop_at_violation && measures_.violation_count > 0)) return;
    }
}

Measures Run::go() {
    at(sample_every_, Task::sample);
    at(std::chrono::seconds{1}, Task::tick);
    at(scenario_.warmup, Task::end_warmup);
    at(scenario_.warmup + scenario_.duration, Task::end_of_hardship);
    hardship_.begin(scenario_.join_span());
    run_until(scenario_.length());
    measures_.stopped_early = world_.elapsed() < scenario_.length();
    if (!measures_.stopped_early) checker_.tick();
    finish();
    return std::move(measures_);
}

void Run::finish() {
    checker_.finish();
    measures_.seed = seed_;
    measures_.trace_hash = world_.trace_hash().hash();
    measures_.shape_hash = world_.trace_hash().shape();
    measures_.nodes = scenario_.nodes;
    measures_.virtual_s = seconds(world_.elapsed());
    measures_.events = world_.turns();
    measures_.refused = world_.refused();
    if (attack_) {
        measures_.attackers = attack_->attackers();
        measures_.attack_datagrams = attack_->datagrams();
        measures_.attack_dropped = attack_->dropped();
    }
    std::array<Traffic, 4> sent{};
    for (std::size_t kind = 0; kind < sent.size(); ++kind) {
        const Traffic& all = world_.traffic()[kind];
        measures_.packets += all.packets;
        measures_.bytes += all.bytes;
        sent[kind] = {all.packets - traffic_at_warmup_[kind].packets, all.bytes - traffic_at_warmup_[kind].bytes};
    }
    measures_.handshake = sent[0];
    measures_.dht = sent[1];
    measures_.channel = {sent[2].packets + sent[3].packets, sent[2].bytes + sent[3].bytes};
    if (const auto told = checker_.watching_nodes_told(); told > 0)
        measures_.datagrams_per_change_per_watching_node =
            static_cast<double>(sent[3].packets) / static_cast<double>(told);
    count_node_seconds();
    if (node_seconds_ > 0)
        measures_.maintenance_bytes_per_node_per_s =
            static_cast<double>(sent[0].bytes + sent[1].bytes + sent[2].bytes) / node_seconds_;
    measures_.wall_s = os::wall_seconds() - wall_start_;
    measures_.cpu_s = os::cpu_seconds() - cpu_start_;
    measures_.peak_rss_bytes = peak_resident_bytes();
}

}  // namespace

proto::Result<Measures> run(const Scenario& scenario, std::uint64_t seed, const RunOptions& options) {
    proto::crypto_init();
    std::optional<StandIn> stand_in;
    if (scenario.crypto == Crypto::stand_in) stand_in.emplace();
    std::optional<Measures> inside;
    {
        const arena::Scope scope;
        auto network = Network::make(scenario, seed);
        if (!network) return tl::make_unexpected(network.error());
        auto churn = make_churn_plan(scenario, seed);
        if (!churn) return tl::make_unexpected(churn.error());
        auto world = std::make_unique<Run>(scenario, seed, options, std::move(*network), std::move(*churn));
        inside = world->go();
    }
    return Measures(*inside);  // a copy outside the world's memory
}

}  // namespace presmesh::sim
