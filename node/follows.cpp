#include "node/follows.hpp"

#include "proto/assert.hpp"

namespace presmesh::node {

using proto::Reason;
using proto::refuse;
using translators::WatchId;

proto::Result<WatchId> Follows::add(const Relation& relation, WatchOwner owner) {
    if (watches_.size() >= limits_.watches) return refuse(Reason::quota, "watches of this node");
    auto held = per_watcher_.find(relation.watcher);
    if (held != per_watcher_.end() && held->second >= limits_.watches_per_watcher)
        return refuse(Reason::quota, "watches of one watcher");
    WatchId id = ++last_;
    watches_.emplace(id, Watch{relation, owner, false});
    ++per_watcher_[relation.watcher];
    Follow& follow = follows_[relation];
    follow.watches.insert(id);
    mark(relation, follow);
    return id;
}

void Follows::remove(WatchId id) {
    auto watch = watches_.find(id);
    if (watch == watches_.end()) return;
    auto follow = follows_.find(watch->second.relation);
    follow->second.watches.erase(id);
    if (follow->second.watches.empty()) {
        PRESMESH_ASSERT(!follow->second.overlay_watch);
        held_.erase(follow->first);
        follows_.erase(follow);
    }
    auto held = per_watcher_.find(watch->second.relation.watcher);
    if (--held->second == 0) per_watcher_.erase(held);
    watches_.erase(watch);
}

Follows::Watch* Follows::watch(WatchId id) {
    auto found = watches_.find(id);
    return found == watches_.end() ? nullptr : &found->second;
}

const Follows::Watch* Follows::watch(WatchId id) const {
    auto found = watches_.find(id);
    return found == watches_.end() ? nullptr : &found->second;
}

Follows::Follow* Follows::find(const Relation& relation) {
    auto found = follows_.find(relation);
    return found == follows_.end() ? nullptr : &found->second;
}

const Follows::Follow* Follows::find(const Relation& relation) const {
    auto found = follows_.find(relation);
    return found == follows_.end() ? nullptr : &found->second;
}

std::vector<Relation> Follows::all() const {
    std::vector<Relation> out;
    for (const auto& [relation, follow] : follows_) out.push_back(relation);
    return out;
}

std::vector<Relation> Follows::of_domain(std::string_view domain) const {
    std::vector<Relation> out;
    for (const auto& [relation, follow] : follows_)
        if (relation.presentity.domain() == domain) out.push_back(relation);
    return out;
}

void Follows::mark(const Relation& relation, Follow& follow) {
    if (std::exchange(follow.dirty, true)) return;
    marked_.push_back(relation);
}

void Follows::mark(const Relation& relation) {
    if (Follow* follow = find(relation)) mark(relation, *follow);
}

void Follows::mark_all(const proto::PresentityUri& presentity) {
    for (auto follow = follows_.lower_bound({presentity, {}});
         follow != follows_.end() && follow->first.presentity == presentity; ++follow)
        mark(follow->first, follow->second);
}

void Follows::mark(overlay::WatchId overlay_watch) {
    auto found = by_overlay_watch_.find(overlay_watch);
    if (found != by_overlay_watch_.end()) mark(found->second);
}

void Follows::set_overlay_watch(const Relation& relation, std::optional<overlay::WatchId> overlay_watch) {
    Follow* follow = find(relation);
    PRESMESH_ASSERT(follow != nullptr);
    if (follow->overlay_watch) by_overlay_watch_.erase(*follow->overlay_watch);
    follow->overlay_watch = overlay_watch;
    if (overlay_watch) by_overlay_watch_.insert_or_assign(*overlay_watch, relation);
}

std::vector<Relation> Follows::take_marked(proto::SteadyTime now) {
    while (const auto relation = held_.pop(now)) mark(*relation);
    auto marked = std::exchange(marked_, {});
    for (const Relation& relation : marked)
        if (Follow* follow = find(relation)) follow->dirty = false;
    return marked;
}

bool Follows::hold_back(proto::SteadyTime now, const Relation& relation) {
    if (limits_.told.interval <= proto::Duration{0}) return false;
    Follow* follow = find(relation);
    PRESMESH_ASSERT(follow != nullptr);
    if (const auto next = limits_.told.next(now, follow->told_up_to); next > now) {
        coalesced_ += held_.contains(relation) ? 1 : 0;
        held_.set(relation, next);
        return true;
    }
    limits_.told.take(now, follow->told_up_to);
    return false;
}

}  // namespace presmesh::node
