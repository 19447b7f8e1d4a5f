#include "overlay/audience.hpp"

#include <utility>

namespace presmesh::overlay {

namespace {

bool may_see_all(const Answer& answer) {
    return answer.state == WatchState::active && answer.view == 0;
}

}  // namespace

bool Audience::publishes(const proto::PresentityUri& presentity) const {
    auto found = entries_.find(presentity);
    if (found == entries_.end()) return false;
    auto view = found->second.views.find(0);
    return view != found->second.views.end() && view->second.document != nullptr;
}

void Audience::set_document(const proto::PresentityUri& presentity, ViewId view, proto::DocumentPtr document) {
    if (!document && !entries_.contains(presentity)) return;
    auto& entry = entries_[presentity];
    if (!entry.has_key) {
        random_.fill(entry.content_key);
        entry.has_key = true;
    }
    if (view == 0 && !document) return withdraw(presentity, entry);
    if (auto known = entry.views.find(view);
        known != entry.views.end() && proto::same_document(known->second.document, document))
        return;
    const bool first = view == 0 && !publishes(presentity);
    set_view(presentity, entry, view, document);
    if (view != 0 && !document) {  // nobody needs it any more
        entry.views.erase(view);
        drop_if_empty(presentity);
    }
    if (view != 0) return;
    if (first) ++published_;
    events_.push_back(RecordDue{presentity, std::move(document), entry.content_key, !entry.watchers.empty()});
}

void Audience::set_view(const proto::PresentityUri& presentity, Entry& entry, ViewId view,
                        proto::DocumentPtr document) {
    const StreamValue value{counter_.next(), std::move(document)};
    entry.views[view] = value;
    std::set<proto::NodeId> told;
    for (const auto& [name, watcher] : entry.watchers) {
        if (watcher.answer.state != WatchState::active || watcher.answer.view != view) continue;
        for (const auto& [node, number] : watcher.watches)
            if (told.insert(node).second) peers_.open(node).source().set_value(presentity, view, value);
    }
}

void Audience::withdraw(const proto::PresentityUri& presentity, Entry& entry) {
    if (publishes(presentity)) {
        --published_;
        events_.push_back(RecordDue{presentity, nullptr, entry.content_key, !entry.watchers.empty()});
    }
    std::vector<ViewId> views;
    for (const auto& [view, value] : entry.views) views.push_back(view);
    for (auto view : views) set_view(presentity, entry, view, nullptr);
    entry.views.clear();
    drop_if_empty(presentity);
}

void Audience::drop_if_empty(const proto::PresentityUri& presentity) {
    auto found = entries_.find(presentity);
    if (found != entries_.end() && found->second.views.empty() && found->second.watchers.empty()) entries_.erase(found);
}

/// A view nobody has set shows that there is nothing.
StreamValue Audience::value(Entry& entry, ViewId view) {
    auto found = entry.views.find(view);
    return found != entry.views.end() ? found->second : StreamValue{counter_.next(), nullptr};
}

// ---- watchers

void Audience::begin(const proto::NodeId& node, const InboundWatch& watch) {
    auto& entry = entries_[watch.presentity];
    auto [place, fresh] = entry.watchers.try_emplace(watch.watcher);
    auto& watcher = place->second;
    if (watcher.watches.insert({node, watch.watch}).second) ++watches_of_[watch.watcher.domain()];
    if (fresh) events_.push_back(WatchRequested{watch.presentity, watch.watcher});
    tell(entry, Watcher{watcher.answer, {{node, watch.watch}}});
}

bool Audience::has(const proto::NodeId& node, const InboundWatch& watch) const {
    const auto entry = entries_.find(watch.presentity);
    if (entry == entries_.end()) return false;
    const auto watcher = entry->second.watchers.find(watch.watcher);
    return watcher != entry->second.watchers.end() && watcher->second.watches.contains({node, watch.watch});
}

void Audience::end(const proto::NodeId& node, const InboundUnwatch& watch) {
    auto entry = entries_.find(watch.presentity);
    if (entry == entries_.end()) return;
    auto watcher = entry->second.watchers.find(watch.watcher);
    if (watcher == entry->second.watchers.end()) return;
    if (watcher->second.watches.erase({node, watch.watch}) == 0) return;
    ended(watch.watcher.domain(), 1);
    entry->second.key_is_out = entry->second.key_is_out || may_see_all(watcher->second.answer);
    if (!watcher->second.watches.empty()) return;
    entry->second.watchers.erase(watcher);
    events_.push_back(WatchCancelled{watch.presentity, watch.watcher});
    drop_if_empty(watch.presentity);
}

void Audience::answer(const proto::PresentityUri& presentity, const proto::PresentityUri& name, Answer answer) {
    auto entry = entries_.find(presentity);
    if (entry == entries_.end()) return;
    auto found = entry->second.watchers.find(name);
    if (found == entry->second.watchers.end()) return;
    auto& watcher = found->second;
    const bool lost_sight = may_see_all(watcher.answer) && !may_see_all(answer);
    watcher.answer = std::move(answer);
    tell(entry->second, watcher);
    if (!lost_sight) return;
    entry->second.key_is_out = true;
    sight_lost_.insert(presentity);
}

bool Audience::renew_keys() {
    const auto lost = std::exchange(sight_lost_, {});
    for (const auto& presentity : lost) authorization_changed(presentity);
    return !lost.empty();
}

void Audience::refuse(const proto::PresentityUri& presentity, const proto::PresentityUri& name, std::string reason) {
    answer(presentity, name, {WatchState::terminated, 0, std::move(reason)});
    auto entry = entries_.find(presentity);
    if (entry == entries_.end()) return;
    auto found = entry->second.watchers.find(name);
    if (found == entry->second.watchers.end()) return;
    ended(name.domain(), found->second.watches.size());
    entry->second.watchers.erase(found);
    drop_if_empty(presentity);
}

std::size_t Audience::watches_of(std::string_view domain) const {
    const auto found = watches_of_.find(domain);
    return found == watches_of_.end() ? 0 : found->second;
}

void Audience::ended(const std::string& domain, std::size_t watches) {
    const auto found = watches_of_.find(domain);
    if ((found->second -= watches) == 0) watches_of_.erase(found);
}

void Audience::authorization_changed(const proto::PresentityUri& presentity) {
    auto entry = entries_.find(presentity);
    if (entry != entries_.end() && entry->second.key_is_out) renew_key(presentity, entry->second);
}

void Audience::all_authorizations_changed() {
    for (auto& [presentity, entry] : entries_)
        if (entry.key_is_out) renew_key(presentity, entry);
}

void Audience::tell(Entry& entry, const Watcher& watcher) {
    const bool all = may_see_all(watcher.answer);
    if (all && !entry.has_key) {
        random_.fill(entry.content_key);
        entry.has_key = true;
    }
    const auto shown = watcher.answer.state == WatchState::active ? value(entry, watcher.answer.view) : StreamValue{};
    const auto key = all ? std::optional(entry.content_key) : std::nullopt;
    for (const auto& [node, number] : watcher.watches)
        peers_.open(node).source().answer(number, watcher.answer, key, shown);
}

/// Who lost the right to see must not be able to open the records to come.
void Audience::renew_key(const proto::PresentityUri& presentity, Entry& entry) {
    random_.fill(entry.content_key);
    entry.key_is_out = false;
    for (const auto& [name, watcher] : entry.watchers)
        if (may_see_all(watcher.answer)) tell(entry, watcher);
    if (auto view = entry.views.find(0); view != entry.views.end() && view->second.document)
        events_.push_back(RecordDue{presentity, view->second.document, entry.content_key, !entry.watchers.empty()});
}

std::optional<Audience::Told> Audience::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

}  // namespace presmesh::overlay
