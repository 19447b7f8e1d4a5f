#include "node/watchers.hpp"

#include <algorithm>

#include "proto/limits.hpp"

namespace presmesh::node {

using overlay::WatchState;
using proto::PresentityUri;
using proto::Reason;
using proto::refuse;
using translators::Translator;
using translators::WatcherEvent;
using translators::WatcherStatus;

namespace {

Standing standing_of(Handling handling) {
    switch (handling) {
        case Handling::allow:
            return {WatchState::active, false, {}};
        case Handling::polite_block:
            return {WatchState::active, true, {}};
        case Handling::block:
            return {WatchState::terminated, false, "rejected"};
        case Handling::confirm:
            break;
    }
    return {};
}

WatcherEvent event_of(const Standing& standing) {
    if (standing.state == WatchState::pending) return WatcherEvent::subscribe;
    if (standing.state == WatchState::active) return WatcherEvent::approved;
    if (standing.reason == "deactivated") return WatcherEvent::deactivated;
    if (standing.reason == "probation") return WatcherEvent::probation;
    if (standing.reason == "timeout") return WatcherEvent::timeout;
    if (standing.reason == "giveup") return WatcherEvent::giveup;
    if (standing.reason == "noresource") return WatcherEvent::noresource;
    return WatcherEvent::rejected;
}

}  // namespace

Watchers::Watchers(const RuleBook& rules, const ServiceLimits& limits) : rules_(rules), limits_(limits) {}

proto::Result<void> Watchers::add(proto::Now now, const Relation& relation, From from) {
    Audience* known = audience(relation.presentity);
    bool is_new = !known || !known->watchers.contains(relation.watcher);
    const bool begins_elsewhere = !known && from == From::elsewhere;
    if (begins_elsewhere && !has_room(relation.watcher.domain())) return refuse(Reason::quota, "presentities");
    const bool is_known_elsewhere = !is_new && known->watchers.at(relation.watcher).elsewhere;
    if (known && from == From::elsewhere && !is_known_elsewhere && !has_room(*known, relation.watcher))
        return refuse(Reason::quota, "watchers of one presentity");

    Audience& all = audiences_[relation.presentity];
    if (begins_elsewhere) {
        all.begun_by = relation.watcher.domain();
        ++begun_by_[all.begun_by];
        ++begun_elsewhere_;
    }
    Watcher& watcher = all.watchers[relation.watcher];
    set_present(all, relation.watcher, watcher, from, true);
    if (!is_new) {
        mark(relation, watcher);
        return {};
    }
    watcher.since = now.wall;
    ++count_;
    tally(all, relation.watcher, watcher.standing, +1);
    note_arrival(relation);
    authorize(relation, all, watcher);
    if (watcher.standing.state != WatchState::terminated) watcher.event = WatcherEvent::subscribe;
    if (watcher.standing.state == WatchState::pending && too_many_pending(all, relation.watcher)) {
        forget(relation);
        return refuse(Reason::quota, "pending watchers of one presentity");
    }
    mark(relation, watcher);
    return {};
}

void Watchers::remove(const Relation& relation, From from) {
    Audience* all = audience(relation.presentity);
    if (!all) return;
    auto watcher = all->watchers.find(relation.watcher);
    if (watcher == all->watchers.end()) return;
    set_present(*all, relation.watcher, watcher->second, from, false);
    if (!watcher->second.here && !watcher->second.elsewhere) forget(relation);
}

void Watchers::forget(const Relation& relation) {
    Audience& all = audiences_[relation.presentity];
    Watcher& watcher = all.watchers[relation.watcher];
    set_attendant(relation, watcher, nullptr);
    note_end(relation, watcher);
    set_present(all, relation.watcher, watcher, From::elsewhere, false);
    tally(all, relation.watcher, watcher.standing, -1);
    --count_;
    all.watchers.erase(relation.watcher);
    if (!all.watchers.empty()) return;
    if (const auto begun = begun_by_.find(all.begun_by); begun != begun_by_.end()) {
        --begun_elsewhere_;
        if (--begun->second == 0) begun_by_.erase(begun);
    }
    audiences_.erase(relation.presentity);
}

bool Watchers::has_room(std::string_view watching_domain) const {
    const auto begun = begun_by_.find(watching_domain);
    const auto of_domain = begun == begun_by_.end() ? 0 : begun->second;
    return begun_elsewhere_ < limits_.presentities &&
           of_domain < std::max<std::size_t>(1, limits_.presentities / proto::limits::presentities_watched_share);
}

/// Places are taken by whoever watches, those refused included. Watches of our own users are bounded by themselves.
bool Watchers::has_room(const Audience& all, const PresentityUri& watcher) const {
    const auto of_domain = all.elsewhere_of.find(watcher.domain());
    const auto taken = of_domain == all.elsewhere_of.end() ? 0 : of_domain->second;
    return all.elsewhere < limits_.watchers_per_presentity &&
           taken < std::max<std::size_t>(1, limits_.watchers_per_presentity / proto::limits::watchers_share);
}

void Watchers::set_present(Audience& all, const PresentityUri& name, Watcher& watcher, From from, bool present) {
    const bool was = std::exchange(from == From::here ? watcher.here : watcher.elsewhere, present);
    if (from == From::here || was == present) return;
    const auto of_domain = all.elsewhere_of.try_emplace(std::string(name.domain())).first;
    present ? ++all.elsewhere : --all.elsewhere;
    present ? ++of_domain->second : --of_domain->second;
    if (of_domain->second == 0) all.elsewhere_of.erase(of_domain);
}

void Watchers::decide(const Translator& translator, const Relation& relation, Standing standing) {
    Audience* all = audience(relation.presentity);
    if (!all) return;
    auto watcher = all->watchers.find(relation.watcher);
    if (watcher == all->watchers.end() || watcher->second.attendant != &translator) return;
    watcher->second.decided = std::move(standing);
    authorize(relation, *all, watcher->second);
}

void Watchers::authorize_again(const PresentityUri& presentity) {
    Audience* all = audience(presentity);
    if (!all) return;
    for (auto& [uri, watcher] : all->watchers) authorize({presentity, uri}, *all, watcher);
}

void Watchers::authorize_again(const Relation& relation) {
    Audience* all = audience(relation.presentity);
    if (!all) return;
    auto watcher = all->watchers.find(relation.watcher);
    if (watcher != all->watchers.end()) authorize(relation, *all, watcher->second);
}

void Watchers::authorize_all_again() {
    for (auto& [presentity, all] : audiences_)
        for (auto& [uri, watcher] : all.watchers) authorize({presentity, uri}, all, watcher);
}

/// A block by rule holds against an attached server too; otherwise the server's users decide there.
void Watchers::authorize(const Relation& relation, Audience& all, Watcher& watcher) {
    Translator* attendant = attendant_of(relation);
    auto rule = attendant ? rules_.explicit_rule(relation.presentity, relation.watcher) : std::nullopt;
    if (rule == Handling::block || rule == Handling::polite_block) attendant = nullptr;
    set_attendant(relation, watcher, attendant);
    if (!attendant)
        set_standing(relation, all, watcher, standing_of(rules_.handling(relation.presentity, relation.watcher)));
    else
        set_standing(relation, all, watcher, watcher.decided.value_or(Standing{}));
}

/// The server's own users watch each other there, not here.
Translator* Watchers::attendant_of(const Relation& relation) const {
    if (relation.watcher.domain() == relation.presentity.domain()) return nullptr;
    for (Translator* translator : translators_)
        if (translator->attends(relation.presentity)) return translator;
    return nullptr;
}

void Watchers::set_attendant(const Relation& relation, Watcher& watcher, Translator* attendant) {
    if (watcher.attendant == attendant) return;
    if (watcher.attendant) wants_.push_back({watcher.attendant, relation, false});
    if (attendant) wants_.push_back({attendant, relation, true});
    watcher.attendant = attendant;
    watcher.decided.reset();
}

void Watchers::set_standing(const Relation& relation, Audience& all, Watcher& watcher, Standing standing) {
    if (watcher.standing == standing) return;
    tally(all, relation.watcher, watcher.standing, -1);
    if (watcher.standing.state != standing.state) {
        watcher.event = event_of(standing);
        note_change(relation);
    }
    watcher.standing = std::move(standing);
    tally(all, relation.watcher, watcher.standing, +1);
    mark(relation, watcher);
}

bool Watchers::too_many_pending(const Audience& all, const PresentityUri& watcher) const {
    const auto same_domain = all.pending_of.find(watcher.domain());
    return all.pending > limits_.pending_per_presentity ||
           (same_domain != all.pending_of.end() && same_domain->second > limits_.pending_per_domain);
}

void Watchers::tally(Audience& all, const PresentityUri& watcher, const Standing& standing, int by) {
    if (standing.state == WatchState::pending) {
        all.pending += by;
        pending_ += by;
        const auto of_domain = all.pending_of.try_emplace(std::string(watcher.domain())).first;
        if ((of_domain->second += by) == 0) all.pending_of.erase(of_domain);
    }
    if (standing.polite) all.polite += by;
}

void Watchers::mark(const Relation& relation, Watcher& watcher) {
    if (std::exchange(watcher.changed, true)) return;
    changed_.push_back(relation);
}

std::vector<Relation> Watchers::take_changed() {
    auto changed = std::exchange(changed_, {});
    for (const Relation& relation : changed)
        if (Audience* all = audience(relation.presentity))
            if (auto watcher = all->watchers.find(relation.watcher); watcher != all->watchers.end())
                watcher->second.changed = false;
    return changed;
}

void Watchers::note_arrival(const Relation& relation) {
    if (!observed_.contains(relation.presentity)) return;
    const auto [place, is_new] = noted_[relation.presentity].try_emplace(relation.watcher);
    if (is_new) place->second.arrived = true;
}

void Watchers::note_change(const Relation& relation) {
    if (observed_.contains(relation.presentity)) noted_[relation.presentity].try_emplace(relation.watcher);
}

/// RFC 3857 section 4.7.1 would have a pending watcher that went away wait for its answer; it is given up here, for
/// everything that waits for people is bounded, and nobody waits for this one.
void Watchers::note_end(const Relation& relation, const Watcher& watcher) {
    if (!observed_.contains(relation.presentity)) return;
    auto& noted = noted_[relation.presentity];
    // RFC 3857 section 4.7.2: of who came and went nobody is told, so not of a fetch either.
    if (const auto known = noted.find(relation.watcher); known != noted.end() && known->second.arrived) {
        noted.erase(known);
        return;
    }
    WatcherStatus status{relation.watcher, WatchState::terminated, watcher.event, watcher.since};
    if (watcher.standing.state == WatchState::pending) status.event = WatcherEvent::giveup;
    if (watcher.standing.state == WatchState::active) status.event = WatcherEvent::timeout;
    // Who was refused before this turn was told of then.
    if (watcher.standing.state != WatchState::terminated || noted.contains(relation.watcher))
        noted[relation.watcher].gone = std::move(status);
}

void Watchers::unobserve(const PresentityUri& presentity) {
    observed_.erase(presentity);
    noted_.erase(presentity);
}

void Watchers::touch_observed(std::string_view domain) {
    for (const auto& presentity : observed_)
        if (presentity.domain() == domain) noted_.try_emplace(presentity);
}

Watchers::News Watchers::take_news() {
    News out;
    for (auto& [presentity, watchers] : std::exchange(noted_, {})) {
        auto& changes = out[presentity];
        for (auto& [uri, noted] : watchers) {
            auto status = std::move(noted.gone);
            if (const auto* watcher = find({presentity, uri}))
                status = WatcherStatus{uri, watcher->standing.state, watcher->event, watcher->since};
            if (!status || (noted.arrived && status->state == WatchState::terminated)) continue;
            changes.push_back({std::move(*status), noted.arrived});
        }
    }
    return out;
}

const Watchers::Watcher* Watchers::find(const Relation& relation) const {
    auto all = audiences_.find(relation.presentity);
    if (all == audiences_.end()) return nullptr;
    auto watcher = all->second.watchers.find(relation.watcher);
    return watcher == all->second.watchers.end() ? nullptr : &watcher->second;
}

std::vector<std::pair<PresentityUri, Watchers::Watcher>> Watchers::list(const PresentityUri& presentity) const {
    auto all = audiences_.find(presentity);
    if (all == audiences_.end()) return {};
    return {all->second.watchers.begin(), all->second.watchers.end()};
}

std::vector<WatcherStatus> Watchers::list_after(const PresentityUri& presentity, const PresentityUri& after,
                                                std::size_t most) const {
    std::vector<WatcherStatus> out;
    const auto all = audiences_.find(presentity);
    if (all == audiences_.end()) return out;
    const auto& watchers = all->second.watchers;
    for (auto at = watchers.upper_bound(after); at != watchers.end() && out.size() < most; ++at)
        if (const auto& [uri, watcher] = *at; watcher.standing.state != WatchState::terminated)
            out.push_back({uri, watcher.standing.state, watcher.event, watcher.since});
    return out;
}

std::vector<Relation> Watchers::elsewhere(std::string_view domain) const {
    std::vector<Relation> out;
    for (const auto& [presentity, all] : audiences_) {
        if (presentity.domain() != domain) continue;
        for (const auto& [uri, watcher] : all.watchers)
            if (watcher.elsewhere) out.push_back({presentity, uri});
    }
    return out;
}

bool Watchers::any_polite(const PresentityUri& presentity) const {
    auto all = audiences_.find(presentity);
    return all != audiences_.end() && all->second.polite > 0;
}

Watchers::Audience* Watchers::audience(const PresentityUri& presentity) {
    auto all = audiences_.find(presentity);
    return all == audiences_.end() ? nullptr : &all->second;
}

}  // namespace presmesh::node
