#include "overlay/following.hpp"

#include <algorithm>
#include <tuple>

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

// ---- watches

Following::Begun Following::watch(const proto::PresentityUri& watcher, const proto::PresentityUri& presentity) {
    const auto id = ++last_watch_;
    watches_.emplace(id, std::pair{presentity, watcher});
    auto [place, first] = followed_.try_emplace(presentity);
    auto& followed = place->second;
    if (first) by_domain_[presentity.domain()].insert(presentity);
    auto [ids, new_watcher] = followed.watchers.try_emplace(watcher);
    ids->second.insert(id);
    if (new_watcher)
        for (auto& [node, attached] : followed.nodes)
            attached.watches.emplace(watcher, peers_.open(node).watcher().watch(presentity, watcher));
    changed_.insert(id);
    return {id, first};
}

std::optional<proto::PresentityUri> Following::unwatch(WatchId id) {
    auto found = watches_.find(id);
    if (found == watches_.end()) return std::nullopt;
    const auto [presentity, watcher] = found->second;
    watches_.erase(found);
    changed_.erase(id);
    auto place = followed_.find(presentity);
    auto ids = place->second.watchers.find(watcher);
    ids->second.erase(id);
    if (!ids->second.empty()) return std::nullopt;
    place->second.watchers.erase(ids);
    for (auto& [node, attached] : place->second.nodes) {
        peers_.open(node).watcher().unwatch(attached.watches.at(watcher));
        attached.watches.erase(watcher);
    }
    if (!place->second.watchers.empty()) return std::nullopt;
    for (const auto& [node, attached] : place->second.nodes) cancel_query(node, attached);
    followed_.erase(place);
    auto domain = by_domain_.find(presentity.domain());
    domain->second.erase(presentity);
    if (domain->second.empty()) by_domain_.erase(domain);
    return presentity;
}

const proto::PresentityUri* Following::presentity_of(WatchId watch) const {
    auto found = watches_.find(watch);
    return found == watches_.end() ? nullptr : &found->second.first;
}

std::vector<proto::PresentityUri> Following::of_domain(std::string_view domain) const {
    auto found = by_domain_.find(domain);
    if (found == by_domain_.end()) return {};
    return {found->second.begin(), found->second.end()};
}

// ---- what a watch sees

std::vector<SourceView> Following::sources(WatchId id, proto::WallTime now) const {
    std::vector<SourceView> out;
    auto watch = watches_.find(id);
    if (watch == watches_.end()) return out;
    const auto& [presentity, watcher] = watch->second;
    for (const auto& [node, attached] : followed_.at(presentity).nodes)
        if (auto view = view_of(node, attached, watcher, now)) out.push_back(std::move(*view));
    return out;
}

/// None for a node that has said nothing, and of which nobody says that it is a source.
std::optional<SourceView> Following::view_of(const proto::NodeId& node, const Attached& attached,
                                             const proto::PresentityUri& watcher, proto::WallTime now) const {
    const auto* channel = peers_.find(node);
    const auto number = attached.watches.find(watcher);
    const auto* watch =
        channel != nullptr && number != attached.watches.end() ? channel->watcher().find(number->second) : nullptr;
    if (watch == nullptr || (!watch->was_answered && !attached.record)) return std::nullopt;
    // A node that is there and shows the watch something else now brings what is newer than any record.
    const bool newer_comes = watch->coming && channel->liveness() != Liveness::unknown;
    return SourceView{node,
                      watch->state,
                      watch->reason,
                      channel->liveness(),
                      newer_comes ? watch->document : last_known(*watch, attached.record, now),
                      watch->since,
                      channel->heard_at().value_or(proto::SteadyTime{})};
}

/// What a source last told us, or its record where that is newer and ours to open: its node is out of reach, or is back
/// and has not yet told us what happened meanwhile.
proto::DocumentPtr Following::last_known(const OutWatch& watch, const std::optional<LastRecord>& record,
                                         proto::WallTime now) {
    if (!record || !watch.content_key || record->sequence < watch.sequence || record->expires <= now)
        return watch.document;
    if (watch.document && watch.document->digest == record->digest) return watch.document;
    auto summary = proto::open_summary(record->sealed_summary, *watch.content_key);
    if (!summary) return watch.document;
    auto document = proto::Document::make(summary->to_presence());
    return document ? *document : watch.document;
}

// ---- nodes

bool Following::attach(const proto::PresentityUri& presentity, const proto::NodeId& node,
                       const std::vector<proto::Endpoint>& endpoints, std::optional<proto::WallTime> issued) {
    auto found = followed_.find(presentity);
    if (found == followed_.end() || node == self_) return false;
    auto& nodes = found->second.nodes;
    peers_.learn(node, endpoints);
    if (nodes.contains(node)) return false;
    if (nodes.size() >= limits::sources_per_presentity && !make_room(presentity, issued)) return false;
    auto& attached = nodes[node];
    auto& channel = peers_.open(node);
    attached.query = channel.watcher().query(presentity);
    queries_.emplace(std::pair{node, attached.query}, presentity);
    for (const auto& [watcher, ids] : found->second.watchers)
        attached.watches.emplace(watcher, channel.watcher().watch(presentity, watcher));
    return true;
}

/// Nodes that are gone go first: of those the ones of which there is nothing to show, and who was silent longest.
bool Following::make_room(const proto::PresentityUri& presentity, std::optional<proto::WallTime> issued) {
    using Rank = std::tuple<bool, bool, proto::SteadyTime>;
    std::optional<std::pair<Rank, proto::NodeId>> first;
    for (const auto& [node, attached] : followed_.at(presentity).nodes) {
        if (!gives_way(node, attached, issued)) continue;
        const Rank rank{!is_gone(node), holds_something(node, attached),
                        peers_.find(node)->heard_at().value_or(proto::SteadyTime::min())};
        if (!first || rank < first->first) first = {rank, node};
    }
    if (first) leave(presentity, proto::NodeId(first->second));
    return first.has_value();
}

/// A live node does when it has said that it is no source, to one whose record says that it is; not to an older record
/// than its own, so that two that are none do not take turns.
bool Following::gives_way(const proto::NodeId& node, const Attached& attached,
                          std::optional<proto::WallTime> issued) const {
    if (is_gone(node)) return true;
    if (!issued || attached.query != 0 || is_live_source(node, attached)) return false;
    return !attached.record || attached.record->issued < *issued;
}

/// It could not be reached, or has fallen silent; not one that has yet to be heard.
bool Following::is_gone(const proto::NodeId& node) const {
    const auto* channel = peers_.find(node);
    return peers_.unreachable(node) || (channel->heard_at() && channel->liveness() == Liveness::unknown);
}

bool Following::holds_something(const proto::NodeId& node, const Attached& attached) const {
    return attached.record || std::any_of(attached.watches.begin(), attached.watches.end(), [&](const auto& entry) {
               return peers_.find(node)->watcher().find(entry.second)->document != nullptr;
           });
}

void Following::take_record(const proto::PresentityUri& presentity, const proto::Record& record) {
    auto found = followed_.find(presentity);
    if (found == followed_.end()) return;
    auto attached = found->second.nodes.find(proto::node_id(record.node_key()));
    if (attached == found->second.nodes.end()) return;
    auto& last = attached->second.record;
    if (last && record.sequence <= last->sequence) return;
    last = LastRecord{record.sequence, record.digest, record.issued, record.expires, record.sealed_summary};
    changed(found->second);
}

const proto::PresentityUri* Following::query_of(const proto::NodeId& node, std::uint64_t query) const {
    auto found = queries_.find({node, query});
    return found == queries_.end() ? nullptr : &found->second;
}

void Following::take_answer(const proto::NodeId& node, const SourcesAnswered& answer) {
    auto query = queries_.find({node, answer.query});
    if (query == queries_.end()) return;
    auto& attached = followed_.at(query->second).nodes.at(node);
    attached.query = 0;
    attached.source = answer.own;
    queries_.erase(query);
}

const proto::PresentityUri* Following::updated(const proto::NodeId& node, std::uint64_t number) {
    const auto* channel = peers_.find(node);
    const auto* watch = channel != nullptr ? channel->watcher().find(number) : nullptr;
    if (watch == nullptr) return nullptr;
    auto found = followed_.find(watch->presentity);
    if (found == followed_.end()) return nullptr;
    if (auto ids = found->second.watchers.find(watch->watcher); ids != found->second.watchers.end())
        changed_.insert(ids->second.begin(), ids->second.end());
    return &found->first;
}

std::set<proto::PresentityUri> Following::followed_at(const proto::NodeId& node) const {
    std::set<proto::PresentityUri> out;
    if (const auto* channel = peers_.find(node))
        for (const auto& [number, watch] : channel->watcher().all()) out.insert(watch.presentity);
    return out;
}

void Following::presentity_changed(const proto::PresentityUri& presentity) {
    if (auto found = followed_.find(presentity); found != followed_.end()) changed(found->second);
}

void Following::all_changed(const proto::NodeId& node) {
    if (const auto* channel = peers_.find(node))
        for (const auto& [number, watch] : channel->watcher().all()) updated(node, number);
}

void Following::leave(const proto::PresentityUri& presentity, const proto::NodeId& node) {
    auto found = followed_.find(presentity);
    if (found == followed_.end() || !found->second.nodes.contains(node)) return;
    const auto& attached = found->second.nodes.at(node);
    for (const auto& [watcher, number] : attached.watches) peers_.open(node).watcher().unwatch(number);
    cancel_query(node, attached);
    found->second.nodes.erase(node);
    changed(found->second);
}

void Following::cancel_query(const proto::NodeId& node, const Attached& attached) {
    if (queries_.erase({node, attached.query}) > 0) peers_.open(node).watcher().cancel_query(attached.query);
}

std::vector<proto::PresentityUri> Following::detach(const proto::NodeId& node) {
    std::vector<proto::PresentityUri> left;
    for (const auto& presentity : followed_at(node)) {
        auto& followed = followed_.at(presentity);
        queries_.erase({node, followed.nodes.at(node).query});
        followed.nodes.erase(node);
        changed(followed);
        left.push_back(presentity);
    }
    return left;
}

void Following::changed(const Followed& followed) {
    for (const auto& [watcher, ids] : followed.watchers) changed_.insert(ids.begin(), ids.end());
}

// ---- what the finder wants to know

bool Following::is_live_source(const proto::NodeId& node, const Attached& attached) const {
    const auto* channel = peers_.find(node);
    if (channel == nullptr || channel->liveness() == Liveness::unknown) return false;
    bool source = attached.source;
    for (const auto& [watcher, number] : attached.watches) {
        const auto* watch = channel->watcher().find(number);
        if (watch->gone) return false;  // it has said so, whatever was so when it was asked
        source = source || watch->document != nullptr;
    }
    return source;
}

bool Following::has_live_source(const proto::PresentityUri& presentity) const {
    auto found = followed_.find(presentity);
    if (found == followed_.end()) return false;
    return std::any_of(found->second.nodes.begin(), found->second.nodes.end(),
                       [&](const auto& entry) { return is_live_source(entry.first, entry.second); });
}

bool Following::has_live_node(const proto::PresentityUri& presentity, const std::vector<proto::NodeId>& nodes) const {
    auto found = followed_.find(presentity);
    if (found == followed_.end()) return false;
    return std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
        const auto* channel = peers_.find(node);
        return channel != nullptr && channel->liveness() != Liveness::unknown && found->second.nodes.contains(node);
    });
}

bool Following::waits_for_answer(const proto::PresentityUri& presentity) const {
    auto found = followed_.find(presentity);
    if (found == followed_.end()) return false;
    for (const auto& [node, attached] : found->second.nodes) {
        if (peers_.unreachable(node)) continue;
        if (attached.query != 0) return true;
        const auto* channel = peers_.find(node);
        for (const auto& [watcher, number] : attached.watches)
            if (!channel->watcher().find(number)->shown) return true;
    }
    return false;
}

std::optional<WatchId> Following::poll_changed() {
    if (changed_.empty()) return std::nullopt;
    const auto watch = *changed_.begin();
    changed_.erase(changed_.begin());
    return watch;
}

}  // namespace presmesh::overlay
