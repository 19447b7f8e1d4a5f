#include "sim/workload.hpp"

#include <algorithm>

#include "proto/assert.hpp"
#include "sim/content.hpp"
#include "sim/names.hpp"

namespace presmesh::sim {

using proto::Duration;

namespace {

constexpr auto publishes_within = std::chrono::seconds{1};  ///< of its home's joining: a client that was waiting
constexpr auto watches_within = std::chrono::seconds{2};
constexpr auto refresh_after = std::chrono::hours{12};  ///< publications last a day

Duration within(Duration span, Dice& dice) {
    return Duration{dice.below(static_cast<std::uint64_t>(span.count()) + 1)};
}

}  // namespace

Workload::Workload(const Scenario& scenario, std::uint64_t seed, World& world, Checker& checker)
    : scenario_(scenario),
      seed_(seed),
      world_(world),
      checker_(checker),
      users_at_(scenario.nodes),
      watchers_at_(scenario.nodes),
      lookup_dice_(seed, Purpose::lookups) {
    for (std::uint32_t number = 0; number < scenario.workload.presentities; ++number) {
        const NodeIndex home = home_of(scenario, number);
        users_.push_back({presentity_uri(scenario, number), home, 0, 0, Dice(seed, Purpose::workload, number)});
        users_at_[home].push_back(number);
        checker_.add_presentity(home);
        Dice dice(seed, Purpose::watches, number);
        const auto count = scenario.workload.watches_per_presentity.sample(dice);
        for (std::uint32_t i = 0; i < count && scenario.nodes > 1; ++i)
            add_watcher(number, watching_node(number, dice));
    }
    if (scenario.workload.lookup_every) world_.at(scenario.warmup, *this, token(Task::look_up, 0, 0));
}

std::uint64_t Workload::token(Task task, std::uint16_t life, std::uint32_t number) {
    return std::uint64_t{static_cast<std::uint8_t>(task)} << 48 | std::uint64_t{life} << 32 | number;
}

/// Any but the presentity's own node; not both of them behind NATs, for those cannot meet.
NodeIndex Workload::watching_node(std::uint32_t presentity, Dice& dice) const {
    const NodeIndex home = users_[presentity].home;
    const auto draw = [&] {
        return (home + 1 + static_cast<NodeIndex>(dice.below(scenario_.nodes - 1))) % scenario_.nodes;
    };
    const auto& network = world_.network();
    NodeIndex node = draw();
    for (int tries = 0; tries < 16; ++tries) {
        if (network.reachable_from_outside(home) || network.reachable_from_outside(node)) break;
        node = draw();
    }
    return node;
}

void Workload::add_watcher(std::uint32_t presentity, NodeIndex node) {
    const auto number = checker_.add_watch(presentity, node);
    PRESMESH_ASSERT(number == watchers_.size());
    auto uri = proto::PresentityUri::from_canonical("w" + std::to_string(number) + "@" +
                                                    domain_of(provider_of(scenario_, node)));
    PRESMESH_ASSERT(uri.has_value());
    watchers_.push_back({std::move(*uri), presentity, node, 0, true, false});
    watchers_at_[node].push_back(number);
}

// ---- nodes come and go

void Workload::joined(NodeIndex node) {
    const auto now = world_.elapsed();
    for (const auto number : users_at_[node]) {
        User& user = users_[number];
        world_.at(now + within(publishes_within, user.dice), *this, token(Task::change, ++user.life, number));
    }
    // At the start the sources are there first: whoever looks for one that is not looks again and again, which would be
    // most of what a large world costs. All restarting at once is an event of a scenario.
    const bool first = now <= scenario_.join_span();
    const auto from = first ? scenario_.join_span() : now;
    const Duration span = first ? scenario_.warmup / 4 : Duration{watches_within};
    for (const auto number : watchers_at_[node]) {
        Watcher& watcher = watchers_[number];
        if (!watcher.wants) continue;
        Dice dice(seed_, Purpose::watches, std::uint64_t{++watcher.life} << 32 | (std::uint64_t{1} << 63) | number);
        world_.at(from + within(span, dice), *this, token(Task::begin_watch, watcher.life, number));
    }
}

void Workload::gone(NodeIndex node, bool crash) {
    for (const auto number : users_at_[node]) {
        ++users_[number].life;
        checker_.gone(number, crash);
    }
    for (const auto number : watchers_at_[node]) {
        ++watchers_[number].life;
        watchers_[number].active = false;
        checker_.watch_ended(number);
    }
    checker_.node_gone(node);
}

// ---- what they do

void Workload::act(std::uint64_t token) {
    const auto task = static_cast<Task>(token >> 48);
    const auto life = static_cast<std::uint16_t>(token >> 32);
    const auto number = static_cast<std::uint32_t>(token);
    switch (task) {
        case Task::change:
            if (users_[number].life == life) publish(number, !checker_.there(number));
            return;
        case Task::begin_watch:
            if (watchers_[number].life == life) begin(number);
            return;
        case Task::end_watch:
            watchers_[number].wants = false;
            return end(number);
        case Task::look_up:
            return look_up();
    }
}

void Workload::publish(std::uint32_t number, bool first) {
    User& user = users_[number];
    // While all settles, only those who come (back) say something.
    if (first || changing_) {
        ++user.version;
        const auto document = make_document(seed_, number, user.version, scenario_.workload.note_bytes);
        checker_.published(number, user.version);
        world_.turn(user.home, [&](proto::Now now, Host& host) { host.publish(now, user.uri, document); });
    }
    const auto& every = scenario_.workload.change_every;
    const Duration pause = every ? every->sample(user.dice) : Duration{refresh_after};
    world_.at(world_.elapsed() + std::min<Duration>(pause, refresh_after), *this,
              token(Task::change, user.life, number));
}

void Workload::begin(std::uint32_t number) {
    Watcher& watcher = watchers_[number];
    if (std::exchange(watcher.active, true)) return;
    checker_.watch_begun(number);
    world_.turn(watcher.node, [&](proto::Now now, Host& host) {
        host.watch(now, number, watcher.uri, users_[watcher.presentity].uri);
    });
}

void Workload::end(std::uint32_t number) {
    Watcher& watcher = watchers_[number];
    if (!std::exchange(watcher.active, false)) return;
    world_.turn(watcher.node, [&](proto::Now now, Host& host) { host.unwatch(now, number); });
    checker_.watch_ended(number);
}

void Workload::look_up() {
    if (!changing_) return;
    world_.at(world_.elapsed() + scenario_.workload.lookup_every->sample(lookup_dice_), *this,
              token(Task::look_up, 0, 0));
    if (world_.online_count() == 0 || users_.empty()) return;
    const NodeIndex node = world_.online_node(lookup_dice_.below(world_.online_count()));
    for (int tries = 0; tries < 8; ++tries) {
        const auto number = static_cast<std::uint32_t>(lookup_dice_.below(users_.size()));
        if (!checker_.there(number) || users_[number].home == node) continue;
        const auto lookup = checker_.lookup_begun(node);
        world_.turn(node, [&](proto::Now now, Host& host) { host.look_up(now, lookup, users_[number].uri); });
        return;
    }
}

void Workload::flash_crowd(std::uint32_t count, Duration span, Duration until, Dice& dice) {
    std::vector<std::uint32_t> watches(users_.size(), 0);
    for (const Watcher& watcher : watchers_) ++watches[watcher.presentity];
    if (watches.empty()) return;
    const auto popular = static_cast<std::uint32_t>(std::max_element(watches.begin(), watches.end()) - watches.begin());
    for (std::uint32_t i = 0; i < count; ++i) {
        add_watcher(popular, watching_node(popular, dice));
        const auto number = static_cast<std::uint32_t>(watchers_.size() - 1);
        Watcher& watcher = watchers_[number];
        if (world_.online(watcher.node))
            world_.at(world_.elapsed() + within(span, dice), *this, token(Task::begin_watch, watcher.life, number));
        if (until != Duration::max()) world_.at(until, *this, token(Task::end_watch, 0, number));
    }
}

}  // namespace presmesh::sim
