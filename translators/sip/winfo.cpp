#include "translators/sip/winfo.hpp"

#include "proto/limits.hpp"

namespace presmesh::translators::sip {

namespace limits = proto::limits;

namespace {
constexpr std::size_t listed_at_once = 64;
}

void Winfo::start(Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
}

proto::Result<void> Winfo::add(Id id, const proto::PresentityUri& presentity) {
    const auto others = by_presentity_.find(presentity);
    if (owed_.size() >= limits::winfo_subscriptions ||
        (others != by_presentity_.end() && others->second.size() >= limits::winfo_per_presentity))
        return proto::refuse(proto::Reason::quota, "subscriptions to watcher information");
    if (auto observed = host_->observe_watchers(*owner_, presentity); !observed) return observed;
    by_presentity_[presentity].insert(id);
    owed_[id].presentity = presentity;
    return {};
}

void Winfo::remove(Id id) {
    const auto found = owed_.find(id);
    if (found == owed_.end()) return;
    const auto presentity = found->second.presentity;
    owed_.erase(found);
    auto& others = by_presentity_[presentity];
    others.erase(id);
    if (!others.empty()) return;
    by_presentity_.erase(presentity);
    host_->unobserve_watchers(*owner_, presentity);
}

std::vector<Winfo::Id> Winfo::changed(const proto::PresentityUri& presentity,
                                      const std::vector<WatcherChange>& changes) {
    const auto ids = by_presentity_.find(presentity);
    if (ids == by_presentity_.end()) return {};
    for (const auto id : ids->second) {
        auto& owed = owed_.at(id);
        for (const auto& change : changes) owed.change(change);
        if (owed.changes.size() <= limits::winfo_changes) continue;
        owed.changes.clear();
        owed.begin_again();
        host_->count("sip_winfo", "list_again", 1);
    }
    return {ids->second.begin(), ids->second.end()};
}

void Winfo::begin_again(Id id) {
    if (const auto found = owed_.find(id); found != owed_.end()) found->second.begin_again();
}

void Winfo::close(Id id) {
    if (const auto found = owed_.find(id); found != owed_.end()) found->second.closed = true;
}

bool Winfo::goes_on(Id id) const {
    const auto found = owed_.find(id);
    return found != owed_.end() && found->second.goes_on;
}

bool Winfo::owes(Id id) const {
    const auto found = owed_.find(id);
    return found != owed_.end() && found->second.any();
}

/// The list will say who is there; of who went, only these changes do.
void Winfo::Owed::begin_again() {
    begins = lists = true;
    goes_on = false;
    listed = {};
    std::erase_if(changes, [](const auto& entry) { return entry.second.status.state != WatchState::terminated; });
}

void Winfo::Owed::change(const WatcherChange& change) {
    if (closed) return;
    const bool went = change.status.state == WatchState::terminated;
    const auto known = changes.find(change.status.watcher);
    if (known == changes.end()) {
        if (went || !begins) changes.emplace(change.status.watcher, change);
        return;
    }
    // RFC 3857 section 4.7.2: who came and went between two NOTIFYs is not told of.
    if ((went && known->second.arrived) || (!went && begins))
        changes.erase(known);
    else
        known->second.status = change.status;
}

Body Winfo::write(proto::WallTime now, Id id, std::uint32_t version, std::size_t most_bytes) {
    const auto found = owed_.find(id);
    if (found == owed_.end()) return nullptr;
    auto& owed = found->second;
    if (!owed.any()) owed.begin_again();
    const auto extent =
        std::exchange(owed.begins, false) ? WinfoDocument::Extent::full : WinfoDocument::Extent::partial;
    WinfoDocument document(owed.presentity, version, extent, most_bytes);
    const auto said = write_changes(document, now, owed);
    if (owed.changes.empty()) write_list(document, now, owed, said);
    owed.goes_on = owed.any();
    return std::make_shared<const std::string>(std::move(document).take());
}

Winfo::Said Winfo::write_changes(WinfoDocument& document, proto::WallTime now, Owed& owed) {
    Said said;
    auto& changes = owed.changes;
    while (!changes.empty() && document.add(now, changes.begin()->second.status)) {
        said.insert(changes.begin()->first);
        changes.erase(changes.begin());
    }
    return said;
}

void Winfo::write_list(WinfoDocument& document, proto::WallTime now, Owed& owed, const Said& said) const {
    while (owed.lists) {
        const auto some = host_->watchers_after(owed.presentity, owed.listed, listed_at_once);
        for (const auto& status : some) {
            if (!said.contains(status.watcher) && !document.add(now, status)) return;
            owed.listed = status.watcher;
        }
        owed.lists = some.size() == listed_at_once;
    }
}

}  // namespace presmesh::translators::sip
