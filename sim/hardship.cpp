#include "sim/hardship.hpp"

#include <algorithm>
#include <cmath>

#include "sim/names.hpp"

namespace presmesh::sim {

using proto::Duration;

Hardship::Hardship(const Scenario& scenario, std::uint64_t seed, World& world, Checker& checker, Workload& workload,
                   ChurnPlan* churn)
    : scenario_(scenario),
      seed_(seed),
      world_(world),
      checker_(checker),
      workload_(workload),
      churn_(churn),
      next_change_(scenario.nodes),
      wanted_(scenario.nodes, true),
      running_(scenario.events.size()),
      held_down_(scenario.nodes, false) {}

void Hardship::begin(Duration span) {
    for (NodeIndex node = 0; node < scenario_.nodes; ++node) {
        Dice dice(seed_, Purpose::join, node);
        const Duration at =
            node == 0 ? Duration{0} : Duration{dice.below(static_cast<std::uint64_t>(span.count()) + 1)};
        if (churn_ != nullptr) wanted_[node] = churn_->online_at_start(node);
        if (wanted_[node]) world_.at(at, *this, token(Task::join, node));
        if (churn_ != nullptr) plan_churn(node);
    }
    for (std::size_t number = 0; number < scenario_.events.size(); ++number)
        world_.at(scenario_.warmup + scenario_.events[number].at, *this, token(Task::start_event, number));
    if (churn_ != nullptr) checker_.churn_began();
}

void Hardship::end() {
    over_ = true;
    for (std::size_t number = 0; number < running_.size(); ++number) finish(number);
    checker_.churn_ended();  // even where there was none, everyone has to be right at the end
}

void Hardship::act(std::uint64_t what) {
    const auto task = static_cast<Task>(what >> 56);
    const std::uint64_t number = what & ((std::uint64_t{1} << 56) - 1);
    const auto node = static_cast<NodeIndex>(number);
    switch (task) {
        case Task::join:
        case Task::come_back:
            if (task == Task::come_back) held_down_[node] = false;
            if (!over_) join_if_wanted(node);
            return;
        case Task::churn:
            if (over_) return;
            apply(node, next_change_[node]);
            return plan_churn(node);
        case Task::start_event:
            if (!over_) start(number);
            return;
        case Task::end_event:
            return finish(number);
    }
}

// ---- churn

void Hardship::plan_churn(NodeIndex node) {
    const auto next = churn_->next(node, world_.elapsed());
    if (!next) return;
    next_change_[node] = *next;
    world_.at(next->at, *this, token(Task::churn, node));
}

/// Who is not there yet, or is held down, has nothing to leave; that churn wants it away is remembered.
void Hardship::apply(NodeIndex node, const Change& change) {
    wanted_[node] = change.online;
    if (change.online) return join_if_wanted(node);
    if (!world_.online(node)) return;
    if (change.crash)
        world_.crash(node, change.keeps_disk);
    else
        world_.leave(node, change.keeps_disk);
}

void Hardship::join_if_wanted(NodeIndex node) {
    if (wanted_[node] && !world_.online(node) && !held_down_[node]) world_.join(node);
}

// ---- events

std::vector<NodeIndex> Hardship::some_nodes(double share, std::size_t event) const {
    std::vector<NodeIndex> all(scenario_.nodes);
    for (NodeIndex node = 0; node < scenario_.nodes; ++node) all[node] = node;
    Dice dice(seed_, Purpose::events, event);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[dice.below(i)]);
    all.resize(static_cast<std::size_t>(std::llround(share * static_cast<double>(all.size()))));
    std::sort(all.begin(), all.end());
    return all;
}

std::vector<NodeIndex> Hardship::some_providers(double share, std::size_t event) const {
    const std::uint32_t providers = provider_of(scenario_, scenario_.nodes - 1) + 1;
    std::vector<std::uint32_t> all(providers);
    for (std::uint32_t provider = 0; provider < providers; ++provider) all[provider] = provider;
    Dice dice(seed_, Purpose::events, event);
    for (std::size_t i = all.size(); i > 1; --i) std::swap(all[i - 1], all[dice.below(i)]);
    all.resize(static_cast<std::size_t>(std::ceil(share * static_cast<double>(all.size()))));
    std::sort(all.begin(), all.end());
    std::vector<NodeIndex> nodes;
    for (NodeIndex node = 0; node < scenario_.nodes; ++node)
        if (std::binary_search(all.begin(), all.end(), provider_of(scenario_, node))) nodes.push_back(node);
    return nodes;
}

void Hardship::start(std::size_t number) {
    const Event& event = scenario_.events[number];
    Running& running = running_[number];
    running.nodes = event.kind == Event::Kind::provider_failure ? some_providers(event.share, number)
                                                                : some_nodes(event.share, number);
    if (event.hurts()) checker_.hardship_began(event.takes_down());
    running.running = event.hurts();
    const Duration until = world_.elapsed() + event.lasts;
    switch (event.kind) {
        case Event::Kind::partition:
            start_cut(event, running);
            break;
        case Event::Kind::kill:
        case Event::Kind::restart:
        case Event::Kind::provider_failure:
            take_down(event, running);
            break;
        case Event::Kind::flash_crowd: {
            Dice dice(seed_, Purpose::events, number);
            workload_.flash_crowd(event.count, event.within, event.lasts.count() > 0 ? until : Duration::max(), dice);
            return;
        }
        case Event::Kind::clog:
            for (const NodeIndex node : running.nodes) world_.network().clog(node, until);
            break;
        case Event::Kind::clock_skew:
            for (const NodeIndex node : running.nodes) world_.skew_clock(node, event.skew);
            break;
        case Event::Kind::loss:
            world_.network().add_loss(event.share);
            break;
    }
    world_.at(until, *this, token(Task::end_event, number));
}

void Hardship::start_cut(const Event& event, Running& running) {
    std::vector<bool> side(scenario_.nodes, false);
    for (const NodeIndex node : running.nodes) side[node] = true;
    running.cut = world_.network().cut(std::move(side), event.shape);
    checker_.cut_began();
}

void Hardship::take_down(const Event& event, Running& running) {
    std::erase_if(running.nodes, [&](NodeIndex node) { return !world_.online(node); });
    for (const NodeIndex node : running.nodes) {
        held_down_[node] = true;
        if (event.kind == Event::Kind::restart)
            world_.leave(node, event.keeps_disk);
        else
            world_.crash(node, event.keeps_disk);
        if (event.lasts.count() > 0) world_.at(world_.elapsed() + event.lasts, *this, token(Task::come_back, node));
    }
}

void Hardship::finish(std::size_t number) {
    Running& running = running_[number];
    if (!std::exchange(running.running, false)) return;
    const Event& event = scenario_.events[number];
    if (event.kind == Event::Kind::partition) {
        world_.network().heal(running.cut);
        checker_.cut_ended();
    } else if (event.kind == Event::Kind::clock_skew) {
        for (const NodeIndex node : running.nodes) world_.skew_clock(node, -event.skew);
    } else if (event.kind == Event::Kind::loss) {
        world_.network().add_loss(-event.share);
    }
    checker_.hardship_ended();
}

}  // namespace presmesh::sim
