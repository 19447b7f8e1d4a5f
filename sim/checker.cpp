#include "sim/checker.hpp"

#include <algorithm>

#include "sim/content.hpp"
#include "sim/names.hpp"

namespace presmesh::sim {

using proto::Duration;

namespace {

constexpr std::size_t violations_kept = 100;
constexpr auto detection_slack = std::chrono::seconds{2};  ///< beyond the bound: the way, and what was under way

}  // namespace

Checker::Checker(const Scenario& scenario, std::uint64_t seed, Measures& measures)
    : scenario_(scenario), seed_(seed), measures_(measures), stamp_(scenario.nodes, 0) {}

// ---- what users do

void Checker::add_presentity(NodeIndex home) {
    Presentity made;
    made.home = home;
    presentities_.push_back(std::move(made));
}

WatchNumber Checker::add_watch(std::uint32_t presentity, NodeIndex node) {
    const auto number = static_cast<WatchNumber>(watches_.size());
    Watch made;
    made.presentity = presentity;
    made.node = node;
    watches_.push_back(made);
    presentities_[presentity].watches.push_back(number);
    return number;
}

void Checker::published(std::uint32_t number, std::uint32_t version) {
    Presentity& presentity = presentities_[number];
    const bool was_there = std::exchange(presentity.there, true);
    if (was_there) note_lost(presentity);
    if (!was_there) back(presentity);
    presentity.version = version;
    presentity.published[version % versions_kept] = now();
    ++measures_.changes;
    for (const WatchNumber watch : presentity.watches) judge(watch);
    count_watching_nodes(presentity);
}

void Checker::back(Presentity& presentity) {
    for (const WatchNumber number : presentity.watches) {
        Watch& watch = watches_[number];
        stop_showing_live(watch);
        stop_awaiting(watch);
        watch.synced = false;
    }
    presentity.changed = now();
}

void Checker::count_watching_nodes(const Presentity& presentity) {
    ++last_stamp_;
    for (const WatchNumber number : presentity.watches) {
        const Watch& watch = watches_[number];
        if (!watch.active || watch.node == presentity.home || stamp_[watch.node] == last_stamp_) continue;
        stamp_[watch.node] = last_stamp_;
        ++watching_nodes_told_;
    }
}

/// The version that is being replaced had its time; who could have seen it and did not, missed it.
void Checker::note_lost(const Presentity& presentity) {
    const Duration since = presentity.published[presentity.version % versions_kept];
    if (now() - since <= scenario_.settle || presentity.changed + scenario_.settle > since ||
        !undisturbed_since(since - scenario_.settle))
        return;
    for (const WatchNumber number : presentity.watches) {
        const Watch& watch = watches_[number];
        const bool could = watch.active && watch.began + scenario_.settle <= since && judged(watch);
        if (could && watch.newest < presentity.version) ++measures_.lost_changes;
    }
}

void Checker::gone(std::uint32_t number, bool crash) {
    Presentity& presentity = presentities_[number];
    const bool was_there = std::exchange(presentity.there, false);
    if (was_there) presentity.changed = now();
    presentity.node_gone = now();
    const int own = last_takedown_ == now() ? takedowns_ : 0;
    presentity.gone_in_hardship = hardships_ > own || cuts_ > 0;
    for (const WatchNumber at : presentity.watches) {
        Watch& watch = watches_[at];
        watch.synced = false;
        if (watch.active && watch.shown != Shown::unknown) {
            if (!crash) stop_awaiting(watch);
            watch.awaits_crash = crash;
            watch.overdue = false;
            if (was_there && watch.shown == Shown::live) {
                watch.shows_gone_live = now();
                ++false_online_cases_;
            }
        }
        judge(at);
    }
}

void Checker::watch_begun(WatchNumber number) {
    Watch& watch = watches_[number];
    if (std::exchange(watch.active, true)) return;
    ++active_;
    watch.began = watch.counted_since = now();
    judge(number);
}

void Checker::watch_ended(WatchNumber number) {
    Watch& watch = watches_[number];
    if (!watch.active) return;
    count_span(watch);
    stop_showing_live(watch);
    stop_awaiting(watch);
    if (watch.wrong_since != not_now) --wrong_;
    settled(watch);
    --active_;
    const Watch fresh{};
    const auto presentity = watch.presentity;
    const auto node = watch.node;
    watch = fresh;
    watch.presentity = presentity;
    watch.node = node;
}

// ---- what watchers see

void Checker::seen(WatchNumber number, Shown shown, const proto::DocumentPtr& document) {
    Watch& watch = watches_[number];
    const bool was_told = watch.shown == Shown::unknown;
    watch.shown = document ? shown : Shown::unknown;
    watch.version = 0;
    if (document) {
        const auto version = version_in(seed_, watch.presentity, document->presence());
        const bool forged = !version || *version > presentities_[watch.presentity].version;
        if (forged) {
            ++measures_.forged_accepted;
            violation("forged", number, "shows a state that nobody published");
        } else {
            note_version(number, watch, *version);
        }
    }
    note_told_gone(number, watch, was_told);
    judge(number);
}

void Checker::note_version(WatchNumber number, Watch& watch, std::uint32_t version) {
    const Presentity& presentity = presentities_[watch.presentity];
    watch.version = version;
    if (version < watch.newest) {
        ++measures_.resurrected;
        violation("resurrected", number,
                  "shows version " + std::to_string(version) + " after " + std::to_string(watch.newest));
        return;
    }
    if (version == watch.newest) return;
    watch.newest = version;
    ++notified_;
    const Duration when = presentity.published[version % versions_kept];
    // Churn and loss are what it is measured under; across a cut nothing can arrive.
    const bool cut = cuts_ > 0 || last_cut_ > when;
    if (!watch.synced || presentity.version - version >= versions_kept || cut) return;
    const Duration latency = world_->network().latency(presentity.home, watch.node);
    if (latency.count() == 0) return;
    const double ratio = seconds(now() - when) / seconds(latency);
    measures_.notify_delay_s.add(seconds(now() - when));
    measures_.notify_delay_over_latency.add(ratio);
    ratio_sum_ += ratio;
    ++ratio_count_;
}

void Checker::note_told_gone(WatchNumber number, Watch& watch, bool was_told) {
    const Presentity& presentity = presentities_[watch.presentity];
    if (!presentity.there && watch.shown != Shown::live) stop_showing_live(watch);
    if (watch.shown != Shown::unknown) return;
    if (std::exchange(watch.awaits_crash, false)) {
        const Duration took = now() - presentity.node_gone;
        measures_.crash_detection_s.add(seconds(took));
        if (took > scenario_.crash_bound + detection_slack && !watch.overdue && !crash_excused(watch))
            violation("crash_bound", number, "was told " + std::to_string(seconds(took)) + " s after the crash");
    }
    const Duration quiet = now() - scenario_.crash_bound - detection_slack;
    if (!was_told && presentity.there && presentity.changed < quiet && watch.synced && undisturbed_since(quiet))
        ++measures_.false_offline;
}

void Checker::stop_showing_live(Watch& watch) {
    const Duration since = std::exchange(watch.shows_gone_live, not_now);
    if (since != not_now) false_online_seconds_ += seconds(now() - since);
}

/// Its source came back, or it ends: how long it would have taken is not known.
void Checker::stop_awaiting(Watch& watch) {
    if (std::exchange(watch.awaits_crash, false)) ++measures_.crash_untold;
}

/// Once for each crash: who has not been told in time, and perhaps never will be.
void Checker::judge_overdue(WatchNumber number) {
    Watch& watch = watches_[number];
    if (!watch.awaits_crash || watch.overdue) return;
    const Presentity& presentity = presentities_[watch.presentity];
    const Duration took = now() - presentity.node_gone;
    if (took <= scenario_.crash_bound + detection_slack) return;
    watch.overdue = true;
    if (!crash_excused(watch))
        violation("crash_bound", number, "has not been told " + std::to_string(seconds(took)) + " s after the crash");
}

/// By other hardship than the one that it is of: that many die at once is no excuse.
bool Checker::crash_excused(const Watch& watch) const {
    const Presentity& presentity = presentities_[watch.presentity];
    const Duration gone = presentity.node_gone;
    const bool since = last_began_ >= gone || last_takedown_ > gone || cuts_ > 0 || last_cut_ > gone;
    return presentity.gone_in_hardship || since || !judged(watch);
}

// ---- right and wrong

bool Checker::right(const Watch& watch) const {
    const Presentity& presentity = presentities_[watch.presentity];
    if (!presentity.there) return watch.shown != Shown::live;
    return watch.shown != Shown::unknown && watch.version == presentity.version;
}

void Checker::judge(WatchNumber number) {
    Watch& watch = watches_[number];
    if (!watch.active) return;
    const bool is_right = right(watch);
    if (is_right && presentities_[watch.presentity].there) watch.synced = true;
    if (is_right) settled(watch);
    if (is_right == (watch.wrong_since == not_now)) return;
    if (is_right) {
        wrong_seconds_ += seconds(now() - watch.wrong_since);
        watch.wrong_since = not_now;
        --wrong_;
    } else {
        watch.wrong_since = now();
        ++wrong_;
    }
}

void Checker::count_span(Watch& watch) {
    watch_seconds_ += seconds(now() - watch.counted_since);
    if (watch.wrong_since != not_now) wrong_seconds_ += seconds(now() - watch.wrong_since);
    watch.counted_since = now();
    if (watch.wrong_since != not_now) watch.wrong_since = now();
}

// ---- hardship

bool Checker::undisturbed_since(Duration since) const {
    return hardships_ == 0 && cuts_ == 0 && last_hardship_ <= since;
}

/// Not of a source that nobody outside can reach: it cannot be followed, and nothing promises that.
bool Checker::judged(const Watch& watch) const {
    return world_->network().reachable_from_outside(presentities_[watch.presentity].home);
}

void Checker::hardship_began(bool takes_down) {
    ++hardships_;
    if (!takes_down) last_began_ = now();
    if (takes_down) takedowns_ = std::exchange(last_takedown_, now()) == now() ? takedowns_ + 1 : 1;
    settling_since_ = not_now;
    settling_ = 0;
    for (Watch& watch : watches_) watch.settling = false;
}

void Checker::cut_ended() {
    --cuts_;
    last_cut_ = now();
}

void Checker::hardship_ended() {
    --hardships_;
    last_hardship_ = now();
    begin_settling();
}

void Checker::churn_ended() {
    churning_ = false;
    last_hardship_ = now();
    begin_settling();
}

void Checker::begin_settling() {
    if (hardships_ > 0 || churning_) return;
    settling_since_ = now();
    settling_ = 0;
    for (Watch& watch : watches_) {
        watch.settling = watch.active && !right(watch) && judged(watch);
        settling_ += watch.settling ? 1 : 0;
    }
    if (settling_ == 0) {
        measures_.settle_s.add(0);
        settling_since_ = not_now;
    }
}

void Checker::settled(Watch& watch) {
    if (!std::exchange(watch.settling, false)) return;
    if (--settling_ > 0 || settling_since_ == not_now) return;
    measures_.settle_s.add(seconds(now() - settling_since_));
    settling_since_ = not_now;
}

void Checker::tick() {
    for (WatchNumber number = 0; number < watches_.size(); ++number) judge_overdue(number);
    judge_settling();
}

void Checker::judge_settling() {
    if (settling_since_ == not_now || now() < settling_since_ + scenario_.settle) return;
    measures_.settle_s.add(seconds(now() - settling_since_));
    for (WatchNumber number = 0; number < watches_.size(); ++number) {
        Watch& watch = watches_[number];
        if (!std::exchange(watch.settling, false)) continue;
        const Presentity& presentity = presentities_[watch.presentity];
        const char* shown = watch.shown == Shown::live ? "live" : watch.shown == Shown::stale ? "stale" : "unknown";
        violation("unsettled", number,
                  std::string("still shows ") + shown + " version " + std::to_string(watch.version) +
                      ", the truth is " +
                      (presentity.there ? "version " + std::to_string(presentity.version) : "gone"));
    }
    settling_since_ = not_now;
    settling_ = 0;
}

void Checker::violation(const char* kind, WatchNumber number, const std::string& what) {
    const Watch& watch = watches_[number];
    note_violation(kind, "watch " + std::to_string(number) + " at node " + std::to_string(watch.node) +
                             " of presentity " + std::to_string(watch.presentity) + " (home: node " +
                             std::to_string(presentities_[watch.presentity].home) + ") " + what);
}

void Checker::note_violation(const char* kind, const std::string& what) {
    ++measures_.violation_count;
    if (measures_.violations.size() < violations_kept) measures_.violations.push_back({kind, now(), what});
}

// ---- look-ups

LookupNumber Checker::lookup_begun(NodeIndex node) {
    ++measures_.lookup.begun;
    lookups_[++last_lookup_] = {now(), node};
    return last_lookup_;
}
void Checker::lookup_found(LookupNumber lookup) {
    const auto place = lookups_.find(lookup);
    if (place == lookups_.end()) return;
    ++measures_.lookup.found;
    place->second.found = true;
    measures_.lookup.first_ms.add(seconds(now() - place->second.begun) * 1e3);
}
void Checker::lookup_done(LookupNumber lookup, std::optional<unsigned> hops) {
    const auto place = lookups_.find(lookup);
    if (place == lookups_.end()) return;
    measures_.lookup.done_ms.add(seconds(now() - place->second.begun) * 1e3);
    if (hops) measures_.lookup.hops.add(*hops);
    lookups_.erase(place);
}

void Checker::node_gone(NodeIndex node) {
    for (auto at = lookups_.begin(); at != lookups_.end();) {
        const bool here = at->second.node == node;
        if (here && !at->second.found) ++measures_.lookup.cut_short;
        at = here ? lookups_.erase(at) : std::next(at);
    }
}

void Checker::forgery_taken(NodeIndex node, bool found) {
    ++measures_.forged_accepted;
    note_violation("forged",
                   "node " + std::to_string(node) +
                       (found ? " found a record that an attacker made" : " keeps a record that an attacker made"));
}

// ---- results

void Checker::end_warmup() {
    for (Watch& watch : watches_)
        if (watch.active) count_span(watch);
    lookups_.clear();
    watch_seconds_ = wrong_seconds_ = false_online_seconds_ = 0;
    false_online_cases_ = watching_nodes_told_ = 0;
    for (Watch& watch : watches_) {
        if (watch.shows_gone_live == not_now) continue;
        watch.shows_gone_live = now();
        ++false_online_cases_;
    }
    Measures fresh;
    fresh.series = std::move(measures_.series);
    fresh.violations = std::move(measures_.violations);
    fresh.violation_count = measures_.violation_count;
    fresh.forged_accepted = measures_.forged_accepted;
    fresh.resurrected = measures_.resurrected;
    measures_ = std::move(fresh);
}

void Checker::finish() {
    for (Watch& watch : watches_) {
        if (!watch.active) continue;
        count_span(watch);
        stop_showing_live(watch);
        stop_awaiting(watch);
    }
    measures_.watches = active_;
    if (watch_seconds_ > 0) measures_.wrong_watcher_share = wrong_seconds_ / watch_seconds_;
    if (false_online_cases_ > 0)
        measures_.false_online_s = false_online_seconds_ / static_cast<double>(false_online_cases_);
}

double Checker::take_delay_ratio() {
    const double mean = ratio_count_ > 0 ? ratio_sum_ / static_cast<double>(ratio_count_) : 0;
    ratio_sum_ = 0;
    ratio_count_ = 0;
    return mean;
}

}  // namespace presmesh::sim
