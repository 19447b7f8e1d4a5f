// translators::Host in memory: what a translator's unit test stands on. One document per presentity (the last one
// published or set), authorization as the test says it, saved rows that outlive a translator.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "proto/limits.hpp"
#include "translators/translator.hpp"

namespace presmesh::testing {

namespace tr = presmesh::translators;

class FakeHost final : public tr::Host {
  public:
    std::set<std::string> domains{"a.example"};  ///< whose users we serve
    bool allow_by_default = true;                ///< a watch of one of ours is active at once; else pending

    // ---- what the test reads
    std::map<std::pair<std::string, std::string>, std::pair<tr::WatchState, std::string>>
        decisions;  ///< (presentity, watcher)
    std::map<proto::PresentityUri, proto::DocumentPtr> documents;
    std::map<proto::PresentityUri, std::chrono::seconds>
        lifetimes;  ///< as given to set_publication, or granted by publish
    std::map<std::string, std::map<std::string, proto::Bytes>, std::less<>> saved;  ///< translator name -> key -> value
    std::map<std::string, std::uint64_t> counters;                                  ///< "name.label"
    std::vector<std::string> steps;  ///< "sip.publish pres:alice@a.example ..."
    struct Watch {
        tr::Translator* owner = nullptr;
        proto::PresentityUri watcher;
        proto::PresentityUri presentity;
        tr::View view;
        bool told = false;
    };
    std::map<tr::WatchId, Watch> watches;
    std::map<proto::PresentityUri, std::map<proto::PresentityUri, tr::WatcherStatus>> audiences;
    std::map<proto::PresentityUri, std::set<tr::Translator*>> observers;

    // ---- what the test does
    /// Tells every watcher of `presentity` this view, at once.
    void show(proto::Now now, const proto::PresentityUri& presentity, const tr::View& view) {
        documents[presentity] = view.document;
        for (auto& [id, watch] : watches)
            if (watch.presentity == presentity) {
                watch.view = view;
                watch.told = false;
            }
        tell(now);
    }
    void show(proto::Now now, const proto::PresentityUri& presentity, proto::DocumentPtr document) {
        show(now, presentity, tr::View{tr::WatchState::active, "", tr::Liveness::live, std::move(document)});
    }
    /// The end of a turn: view_changed for each watch whose view was not told yet. Owners may watch and unwatch inside.
    void tell(proto::Now now) {
        std::vector<tr::WatchId> due;
        for (auto& [id, watch] : watches)
            if (!watch.told) due.push_back(id);
        for (auto id : due) {
            auto found = watches.find(id);
            if (found == watches.end()) continue;
            found->second.told = true;
            const auto view = found->second.view;
            found->second.owner->view_changed(now, id, view);
        }
    }
    /// A watcher of one of ours comes, changes or goes (terminated), and whoever observes is told at once.
    void set_watcher(proto::Now now, const proto::PresentityUri& presentity, const tr::WatcherStatus& status) {
        auto& watchers = audiences[presentity];
        const bool arrived = !watchers.contains(status.watcher);
        watchers[status.watcher] = status;
        if (status.state == tr::WatchState::terminated) watchers.erase(status.watcher);
        tell_watchers(now, presentity, {{status, arrived}});
    }
    void tell_watchers(proto::Now now, const proto::PresentityUri& presentity,
                       const std::vector<tr::WatcherChange>& changes) {
        if (const auto found = observers.find(presentity); found != observers.end())
            for (auto* owner : std::set(found->second)) owner->watchers_changed(now, presentity, changes);
    }
    /// The translators are gone, as after a crash; what they saved stays.
    void forget_watches() {
        watches.clear();
        observers.clear();
    }

    // ---- Host
    bool serves(const proto::PresentityUri& presentity) const override {
        return domains.count(presentity.domain()) > 0;
    }

    proto::Result<tr::PublishReceipt> publish(proto::Now now, const tr::PublishRequest& request) override {
        if (!serves(request.presentity)) return proto::refuse(proto::Reason::not_found);
        const auto asked = request.expires.value_or(proto::limits::publication_default_expires);
        if (asked.count() != 0 && asked < proto::limits::publication_min_expires)
            return proto::refuse(proto::Reason::interval_too_brief);
        const auto tag = std::pair{request.presentity, request.etag};
        if (!request.etag.empty() && etags_.erase(tag) == 0) return proto::refuse(proto::Reason::condition_failed);
        tr::PublishReceipt receipt{"etag-" + std::to_string(++next_), asked};
        if (asked.count() == 0) {
            set(now, request.presentity, nullptr);
            return receipt;
        }
        etags_.insert({request.presentity, receipt.etag});
        lifetimes[request.presentity] = asked;
        if (request.document) set(now, request.presentity, request.document);
        return receipt;
    }

    proto::Result<void> set_publication(proto::Now now, tr::Translator&, const proto::PresentityUri& presentity,
                                        proto::DocumentPtr document, std::chrono::seconds expires) override {
        lifetimes[presentity] = expires;
        set(now, presentity, std::move(document));
        return {};
    }

    proto::Result<tr::WatchId> watch(proto::Now, tr::Translator& owner, const proto::PresentityUri& watcher,
                                     const proto::PresentityUri& presentity) override {
        if (!serves(watcher)) return proto::refuse(proto::Reason::forbidden);
        tr::View view;
        view.state = allow_by_default ? tr::WatchState::active : tr::WatchState::pending;
        const auto known = documents.find(presentity);
        if (allow_by_default && known != documents.end()) view.document = known->second;
        watches[++next_] = Watch{&owner, watcher, presentity, view, false};
        return next_;
    }
    void unwatch(proto::Now, tr::WatchId watch) override { watches.erase(watch); }
    tr::View view(tr::WatchId watch) const override {
        const auto found = watches.find(watch);
        return found == watches.end() ? tr::View{} : found->second.view;
    }

    void decide(proto::Now, tr::Translator&, const proto::PresentityUri& presentity,
                const proto::PresentityUri& watcher, tr::WatchState state, std::string reason) override {
        decisions[{presentity.canonical(), watcher.canonical()}] = {state, std::move(reason)};
    }

    proto::Result<void> observe_watchers(tr::Translator& owner, const proto::PresentityUri& presentity) override {
        if (!serves(presentity)) return proto::refuse(proto::Reason::not_found);
        observers[presentity].insert(&owner);
        return {};
    }
    void unobserve_watchers(tr::Translator& owner, const proto::PresentityUri& presentity) override {
        observers[presentity].erase(&owner);
        if (observers[presentity].empty()) observers.erase(presentity);
    }
    std::vector<tr::WatcherStatus> watchers_after(const proto::PresentityUri& presentity,
                                                  const proto::PresentityUri& after, std::size_t most) const override {
        std::vector<tr::WatcherStatus> out;
        const auto all = audiences.find(presentity);
        if (all == audiences.end()) return out;
        for (auto at = all->second.upper_bound(after); at != all->second.end() && out.size() < most; ++at)
            out.push_back(at->second);
        return out;
    }

    void save(tr::Translator& translator, std::string_view key, proto::BytesView value) override {
        saved[std::string(translator.name())][std::string(key)] = proto::Bytes(value.begin(), value.end());
    }
    void erase(tr::Translator& translator, std::string_view key) override {
        saved[std::string(translator.name())].erase(std::string(key));
    }
    std::vector<std::pair<std::string, proto::Bytes>> load(tr::Translator& translator) const override {
        const auto found = saved.find(translator.name());
        if (found == saved.end()) return {};
        return {found->second.begin(), found->second.end()};
    }

    void step(proto::Now, std::string_view step, const proto::PresentityUri& presentity,
              std::string_view detail) override {
        steps.push_back(std::string(step) + " " + presentity.canonical() + " " + std::string(detail));
    }
    void count(std::string_view name, std::string_view label, std::uint64_t by) override {
        counters[std::string(name) + "." + std::string(label)] += by;
    }

  private:
    void set(proto::Now, const proto::PresentityUri& presentity, proto::DocumentPtr document) {
        documents[presentity] = document;
        for (auto& [id, watch] : watches)
            if (watch.presentity == presentity && watch.view.state == tr::WatchState::active) {
                watch.view.document = document;
                watch.told = false;
            }
    }

    std::uint64_t next_ = 0;
    std::set<std::pair<proto::PresentityUri, std::string>> etags_;
};

}  // namespace presmesh::testing
