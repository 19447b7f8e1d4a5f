#include "node/presence_service.hpp"

#include <algorithm>

#include "node/compose.hpp"
#include "node/follows.hpp"
#include "node/rule_exchange.hpp"
#include "node/store_keys.hpp"
#include "node/watchers.hpp"
#include "overlay/overloaded.hpp"
#include "proto/channel_messages.hpp"
#include "proto/limits.hpp"

namespace presmesh::node {

using overlay::SourceView;
using proto::DocumentPtr;
using proto::Now;
using proto::PresentityUri;
using proto::Reason;
using proto::refuse;
using proto::Result;
using translators::Translator;
using translators::View;
using translators::WatchId;

namespace {

constexpr overlay::ViewId full_view = 0;
constexpr overlay::ViewId offline_view = 1;

overlay::Answer answer_of(const Standing& standing) {
    return {standing.state, standing.polite ? offline_view : full_view, standing.reason};
}

View closed_view(const Standing& standing, const PresentityUri& presentity) {
    View view;
    view.state = standing.state;
    view.reason = standing.reason;
    if (standing.polite) view.document = offline_document(presentity);
    return view;
}

std::string digest_prefix(const DocumentPtr& document) {
    return document ? proto::to_hex(proto::BytesView(document->digest).first(4)) : std::string("none");
}

}  // namespace

class PresenceService::Impl {
  public:
    Impl(ServiceSettings settings, proto::NodeId node, overlay::Overlay& overlay, Store& store, proto::Random& random,
         Diagnostics& diagnostics)
        : settings_(std::move(settings)),
          node_(node),
          overlay_(overlay),
          store_(store),
          diagnostics_(diagnostics),
          publications_(store, random, settings_.limits),
          changes_(settings_.limits.changes),
          rules_(store, settings_, random),
          rule_exchange_(rules_, overlay, diagnostics),
          watchers_(rules_, settings_.limits),
          follows_(settings_.limits) {}

    bool serves(const PresentityUri& presentity) const { return settings_.domains.contains(presentity.domain()); }

    // ---- watches of our users
    Result<WatchId> watch(Now now, WatchOwner owner, const Relation& relation);
    void unwatch(Now now, WatchId id);
    View view(const Relation& relation) const;
    void search_elsewhere(Now now, const Relation& relation);

    // ---- the end of a turn
    bool tell_wants(Now now);
    bool send_documents(Now now);
    void send_document(Now now, const PresentityUri& presentity);
    bool send_standings(Now now);
    bool send_authorizations(Now now);
    bool tell_watchers(Now now);
    bool tell_views(Now now);
    void tell(Now now, const Relation& relation);
    void set_offline_view(Now now, const PresentityUri& presentity);

    // ---- changes of what is ours
    void rules_changed(const PresentityUri& presentity);
    void domain_gained(Now now, std::string_view domain);
    void domain_lost(Now now, std::string_view domain);

    // ---- watchers from elsewhere
    void requested(Now now, const Relation& relation);
    void cancelled(Now now, const Relation& relation);

    template <typename T>
    Result<T> counted(std::string_view name, Result<T> result) {
        diagnostics_.count(name, result ? "ok" : proto::to_string(result.error().reason), 1);
        return result;
    }

    ServiceSettings settings_;
    proto::NodeId node_;
    overlay::Overlay& overlay_;
    Store& store_;
    Diagnostics& diagnostics_;
    overlay::FederationPtr federation_;
    Publications publications_;
    Pace changes_;  ///< of our presentities
    RuleBook rules_;
    RuleExchange rule_exchange_;
    Watchers watchers_;
    Follows follows_;
    std::set<PresentityUri> offline_views_;  ///< view 1 is
    std::set<PresentityUri> rules_changed_;  ///< whose own rules or decisions, in this turn
    bool policy_changed_ = false;            ///< in this turn
    std::map<PresentityUri, std::vector<Translator*>> watcher_observers_;
};

// ---- watches of our users

Result<WatchId> PresenceService::Impl::watch(Now now, WatchOwner owner, const Relation& relation) {
    if (!settings_.domains.contains(relation.watcher.domain()))
        return refuse(Reason::foreign_domain, "the watcher is not a user of this node");
    bool ours = serves(relation.presentity);
    if (!ours && federation_ && !federation_->find(relation.presentity.domain()))
        return refuse(Reason::not_admitted, "no such domain in the federation");
    if (!ours && !proto::fits_watch(relation.presentity, relation.watcher))
        return refuse(Reason::too_large, "the two names together");
    auto id = follows_.add(relation, owner);
    if (!id) return id;
    if (ours) {
        auto added = watchers_.add(now, relation, Watchers::From::here);
        if (!added) {
            follows_.remove(*id);
            return tl::make_unexpected(added.error());
        }
    }
    search_elsewhere(now, relation);
    return id;
}

void PresenceService::Impl::unwatch(Now now, WatchId id) {
    const auto* watch = follows_.watch(id);
    if (!watch) return;
    Relation relation = watch->relation;
    const auto* follow = follows_.find(relation);
    if (follow->watches.size() == 1) {
        if (follow->overlay_watch) overlay_.unwatch(now, *follow->overlay_watch);
        follows_.set_overlay_watch(relation, std::nullopt);
        watchers_.remove(relation, Watchers::From::here);
        set_offline_view(now, relation.presentity);
    }
    follows_.remove(id);
}

/// Other nodes may be sources too: always of a foreign presentity; of our own unless its rules hide it from this
/// watcher.
void PresenceService::Impl::search_elsewhere(Now now, const Relation& relation) {
    const auto* follow = follows_.find(relation);
    if (!follow) return;
    bool wanted = true;
    if (serves(relation.presentity)) {
        const auto* watcher = watchers_.find(relation);
        wanted = settings_.follow_own_domains && watcher && !watcher->standing.polite &&
                 watcher->standing.state != overlay::WatchState::terminated;
    }
    wanted = wanted && proto::fits_watch(relation.presentity, relation.watcher);
    if (wanted == follow->overlay_watch.has_value()) return;
    if (!wanted) overlay_.unwatch(now, *follow->overlay_watch);
    follows_.set_overlay_watch(
        relation, wanted ? std::optional(overlay_.watch(now, relation.watcher, relation.presentity)) : std::nullopt);
}

View PresenceService::Impl::view(const Relation& relation) const {
    const auto* follow = follows_.find(relation);
    std::vector<SourceView> sources;
    if (follow && follow->overlay_watch) sources = overlay_.sources(*follow->overlay_watch);
    if (!serves(relation.presentity)) return compose_view(sources, relation.presentity);
    // What this node itself knows comes by the short way.
    std::erase_if(sources, [this](const SourceView& source) { return source.node == node_; });
    const auto* watcher = watchers_.find(relation);
    Standing standing = watcher ? watcher->standing : Standing{};
    if (standing.polite || standing.state == overlay::WatchState::terminated)
        return closed_view(standing, relation.presentity);
    SourceView here{node_, standing.state, {}, overlay::Liveness::live, nullptr};
    if (standing.state == overlay::WatchState::active) {
        here.document = publications_.document(relation.presentity);
        here.since = publications_.since(relation.presentity);
    }
    sources.push_back(std::move(here));
    return compose_view(sources, relation.presentity);
}

// ---- the end of a turn

bool PresenceService::Impl::tell_wants(Now now) {
    auto wants = watchers_.take_wants();
    for (const auto& [translator, relation, wanted] : wants) {
        if (wanted)
            translator->wanted(now, relation.presentity, relation.watcher);
        else
            translator->unwanted(now, relation.presentity, relation.watcher);
    }
    return !wants.empty();
}

bool PresenceService::Impl::send_documents(Now now) {
    std::vector<PresentityUri> passed;
    while (auto presentity = changes_.due(now.steady)) passed.push_back(std::move(*presentity));
    for (const PresentityUri& presentity : publications_.take_changed()) {
        // What is no longer ours goes at once.
        if (!serves(presentity) || changes_.pass(now.steady, presentity))
            passed.push_back(presentity);
        else
            diagnostics_.count("service_changes", "held_back", 1);
    }
    for (const PresentityUri& presentity : passed) send_document(now, presentity);
    return !passed.empty();
}

void PresenceService::Impl::send_document(Now now, const PresentityUri& presentity) {
    DocumentPtr document = serves(presentity) ? publications_.document(presentity) : nullptr;
    if (diagnostics_.wants_steps())
        diagnostics_.step(now, "service.composed", presentity, "digest=" + digest_prefix(document));
    if (document || overlay_.publishes(presentity)) overlay_.set_document(now, presentity, full_view, document);
    // Withdrawing the whole source took this view along; who is politely blocked must not notice.
    if (!document && offline_views_.contains(presentity) && serves(presentity))
        overlay_.set_document(now, presentity, offline_view, offline_document(presentity));
    follows_.mark_all(presentity);
}

bool PresenceService::Impl::send_standings(Now now) {
    auto changed = watchers_.take_changed();
    for (const Relation& relation : changed) {
        const auto* watcher = watchers_.find(relation);
        set_offline_view(now, relation.presentity);
        if (!watcher) continue;
        if (watcher->elsewhere)
            overlay_.answer(now, relation.presentity, relation.watcher, answer_of(watcher->standing));
        if (!watcher->here) continue;
        search_elsewhere(now, relation);
        follows_.mark(relation);
    }
    return !changed.empty();
}

/// After the standings: whom they concern has been answered, and the rest is about those who watch no longer.
bool PresenceService::Impl::send_authorizations(Now now) {
    const auto changed = std::exchange(rules_changed_, {});
    const bool all = std::exchange(policy_changed_, false);
    overlay_.renew_keys(now);
    if (all)
        overlay_.all_authorizations_changed(now);
    else
        for (const PresentityUri& presentity : changed) overlay_.authorization_changed(now, presentity);
    return all || !changed.empty();
}

void PresenceService::Impl::set_offline_view(Now now, const PresentityUri& presentity) {
    bool wanted = watchers_.any_polite(presentity);
    if (wanted == offline_views_.contains(presentity)) return;
    overlay_.set_document(now, presentity, offline_view, wanted ? offline_document(presentity) : nullptr);
    if (wanted)
        offline_views_.insert(presentity);
    else
        offline_views_.erase(presentity);
}

/// RFC 3857: to whoever observes the watchers of a presentity.
bool PresenceService::Impl::tell_watchers(Now now) {
    const auto news = watchers_.take_news();
    for (const auto& [presentity, changes] : news) {
        const auto observers = watcher_observers_.find(presentity);
        if (observers == watcher_observers_.end()) continue;
        for (auto* owner : std::vector(observers->second)) owner->watchers_changed(now, presentity, changes);
    }
    return !news.empty();
}

bool PresenceService::Impl::tell_views(Now now) {
    auto marked = follows_.take_marked(now.steady);
    for (const Relation& relation : marked) tell(now, relation);
    return !marked.empty();
}

void PresenceService::Impl::tell(Now now, const Relation& relation) {
    auto* follow = follows_.find(relation);
    if (!follow) return;
    View now_seen = view(relation);
    bool differs = !same_view(follow->told, now_seen);
    if (differs && follows_.hold_back(now.steady, relation)) {
        diagnostics_.count("service_views", "held_back", 1);
        now_seen = follow->told;  // a watch begun meanwhile sees what the others do, or it would keep what came between
        differs = false;
    }
    if (differs) follow->told = now_seen;
    auto watches = follow->watches;  // whoever is told may call back and end any of them
    bool logged = false;
    for (WatchId id : watches) {
        auto* watch = follows_.watch(id);
        if (!watch || (watch->told && !differs)) continue;
        watch->told = true;
        if (!std::exchange(logged, true) && diagnostics_.wants_steps())
            diagnostics_.step(now, "service.viewed", relation.presentity,
                              "watcher=" + relation.watcher.pres() +
                                  " state=" + std::string(to_string(now_seen.state)) +
                                  " liveness=" + std::string(to_string(now_seen.liveness)) +
                                  " digest=" + digest_prefix(now_seen.document));
        diagnostics_.count("service_views", to_string(now_seen.state), 1);
        WatchOwner owner = watch->owner;
        owner.tell(now, id, now_seen);
    }
}

// ---- changes of what is ours

void PresenceService::Impl::rules_changed(const PresentityUri& presentity) {
    watchers_.authorize_again(presentity);
    rules_changed_.insert(presentity);
}

/// Its users were watched as strangers; now they are watched here.
void PresenceService::Impl::domain_gained(Now now, std::string_view domain) {
    for (const Relation& relation : follows_.of_domain(domain)) {
        counted("service_watch_requests", watchers_.add(now, relation, Watchers::From::here));
        follows_.mark(relation);
    }
    publications_.mark_changed(domain);
}

void PresenceService::Impl::domain_lost(Now now, std::string_view domain) {
    for (const Relation& relation : watchers_.elsewhere(domain)) {
        overlay_.refuse(now, relation.presentity, relation.watcher, "noresource");
        cancelled(now, relation);
    }
    for (const Relation& relation : follows_.of_domain(domain)) {
        watchers_.remove(relation, Watchers::From::here);
        set_offline_view(now, relation.presentity);
        follows_.mark(relation);
    }
    watchers_.touch_observed(domain);
    publications_.mark_changed(domain);
}

// ---- watchers from elsewhere

void PresenceService::Impl::requested(Now now, const Relation& relation) {
    if (!serves(relation.presentity)) return overlay_.refuse(now, relation.presentity, relation.watcher, "noresource");
    auto added = watchers_.add(now, relation, Watchers::From::elsewhere);
    counted("service_watch_requests", added);
    // RFC 6665 section 4.1.3: may be tried again later.
    if (!added) overlay_.refuse(now, relation.presentity, relation.watcher, "giveup");
}

void PresenceService::Impl::cancelled(Now now, const Relation& relation) {
    watchers_.remove(relation, Watchers::From::elsewhere);
    set_offline_view(now, relation.presentity);
}

// ---- the face

PresenceService::PresenceService(ServiceSettings settings, proto::NodeId node, overlay::Overlay& overlay, Store& store,
                                 proto::Random& random, Diagnostics& diagnostics)
    : impl_(std::make_unique<Impl>(std::move(settings), node, overlay, store, random, diagnostics)) {}

PresenceService::~PresenceService() = default;

bool PresenceService::serves(const PresentityUri& presentity) const {
    return impl_->serves(presentity);
}

Result<translators::PublishReceipt> PresenceService::publish(Now now, const translators::PublishRequest& request) {
    if (!serves(request.presentity)) return refuse(Reason::not_found, "not a user of this node");
    return impl_->counted("service_publish", impl_->publications_.publish(now, request));
}

Result<void> PresenceService::set_publication(Now now, Translator& translator, const PresentityUri& presentity,
                                              DocumentPtr document, std::chrono::seconds expires) {
    if (!serves(presentity)) return refuse(Reason::not_found, "not a user of this node");
    return impl_->counted("service_set_publication",
                          impl_->publications_.set(now, translator.name(), presentity, std::move(document), expires));
}

Result<WatchId> PresenceService::watch(Now now, Translator& owner, const PresentityUri& watcher,
                                       const PresentityUri& presentity) {
    return impl_->counted("service_watch", impl_->watch(now, {&owner, nullptr}, {presentity, watcher}));
}

Result<WatchId> PresenceService::watch(Now now, Observer& owner, const PresentityUri& watcher,
                                       const PresentityUri& presentity) {
    return impl_->counted("service_watch", impl_->watch(now, {nullptr, &owner}, {presentity, watcher}));
}

void PresenceService::unwatch(Now now, WatchId watch) {
    impl_->unwatch(now, watch);
}

View PresenceService::view(WatchId watch) const {
    const auto* found = impl_->follows_.watch(watch);
    if (found) return impl_->view(found->relation);
    View gone;
    gone.state = translators::WatchState::terminated;
    gone.reason = "noresource";
    return gone;
}

bool PresenceService::settled(WatchId watch) const {
    const auto* found = impl_->follows_.watch(watch);
    if (!found) return true;
    const auto* follow = impl_->follows_.find(found->relation);
    return !follow->overlay_watch || impl_->overlay_.settled(*follow->overlay_watch);
}

void PresenceService::decide(Now, Translator& translator, const PresentityUri& presentity, const PresentityUri& watcher,
                             translators::WatchState state, std::string reason) {
    Standing standing{state, false, std::move(reason)};
    if (state == translators::WatchState::terminated && standing.reason.empty()) standing.reason = "rejected";
    impl_->watchers_.decide(translator, {presentity, watcher}, std::move(standing));
}

Result<void> PresenceService::observe_watchers(Translator& owner, const PresentityUri& presentity) {
    if (!serves(presentity)) return refuse(Reason::not_found, "not a user of this node");
    auto& owners = impl_->watcher_observers_[presentity];
    if (std::find(owners.begin(), owners.end(), &owner) == owners.end()) owners.push_back(&owner);
    impl_->watchers_.observe(presentity);
    return {};
}

void PresenceService::unobserve_watchers(Translator& owner, const PresentityUri& presentity) {
    const auto observers = impl_->watcher_observers_.find(presentity);
    if (observers == impl_->watcher_observers_.end()) return;
    std::erase(observers->second, &owner);
    if (!observers->second.empty()) return;
    impl_->watcher_observers_.erase(observers);
    impl_->watchers_.unobserve(presentity);
}

std::vector<translators::WatcherStatus> PresenceService::watchers_after(const PresentityUri& presentity,
                                                                        const PresentityUri& after,
                                                                        std::size_t most) const {
    return impl_->watchers_.list_after(presentity, after, most);
}

void PresenceService::save(Translator& translator, std::string_view key, proto::BytesView value) {
    if (value.size() > proto::limits::document_bytes) return count("service_save_refused", translator.name());
    impl_->store_.put(store_tables::translators, join_key(translator.name(), key), value);
}

void PresenceService::erase(Translator& translator, std::string_view key) {
    impl_->store_.erase(store_tables::translators, join_key(translator.name(), key));
}

std::vector<std::pair<std::string, proto::Bytes>> PresenceService::load(Translator& translator) const {
    std::vector<std::pair<std::string, proto::Bytes>> out;
    std::string prefix = join_key(translator.name(), {});
    impl_->store_.each(store_tables::translators, prefix, [&](std::string_view key, proto::BytesView value) {
        out.emplace_back(key.substr(prefix.size()), proto::Bytes(value.begin(), value.end()));
    });
    return out;
}

void PresenceService::step(Now now, std::string_view step, const PresentityUri& presentity, std::string_view detail) {
    impl_->diagnostics_.step(now, step, presentity, detail);
}

void PresenceService::count(std::string_view name, std::string_view label, std::uint64_t by) {
    impl_->diagnostics_.count(name, label, by);
}

DocumentPtr PresenceService::document(const PresentityUri& presentity) const {
    return impl_->publications_.document(presentity);
}

std::vector<PublicationInfo> PresenceService::publications(const PresentityUri& presentity) const {
    return impl_->publications_.list(presentity);
}

const RuleSet& PresenceService::rules(const PresentityUri& presentity) const {
    return impl_->rules_.rules(presentity);
}

Result<void> PresenceService::set_rules(Now now, const PresentityUri& presentity, RuleSet rules) {
    if (!serves(presentity)) return refuse(Reason::not_found, "not a user of this node");
    impl_->rules_.set_rules(now, presentity, std::move(rules));
    impl_->rules_changed(presentity);
    return {};
}

Result<void> PresenceService::decide(Now now, const PresentityUri& presentity, const PresentityUri& watcher,
                                     std::optional<Handling> decision) {
    if (!serves(presentity)) return refuse(Reason::not_found, "not a user of this node");
    auto decided = impl_->rules_.decide(now, presentity, watcher, decision);
    if (!decided) return decided;
    impl_->watchers_.authorize_again(Relation{presentity, watcher});
    impl_->rules_changed_.insert(presentity);
    return decided;
}

std::vector<Rule> PresenceService::decisions(const PresentityUri& presentity) const {
    return impl_->rules_.decisions(presentity);
}

std::vector<WatcherInfo> PresenceService::watchers(const PresentityUri& presentity) const {
    std::vector<WatcherInfo> out;
    for (const auto& [watcher, entry] : impl_->watchers_.list(presentity))
        out.push_back({watcher, entry.standing.state, impl_->rules_.handling(presentity, watcher), entry.elsewhere,
                       entry.attendant != nullptr, entry.since});
    return out;
}

ServiceStatus PresenceService::status() const {
    const auto& limits = impl_->settings_.limits;
    ServiceStatus status{impl_->publications_.presentities(), impl_->publications_.count(), impl_->follows_.watches(),
                         impl_->watchers_.count(), impl_->watchers_.pending()};
    status.changes_held = impl_->changes_.held();
    status.changes_coalesced = impl_->changes_.coalesced();
    status.views_held = impl_->follows_.held();
    status.views_coalesced = impl_->follows_.coalesced();
    status.fills = {
        {"presentities", status.presentities, limits.presentities},
        {"watches", status.watches, limits.watches},
        {"farewells", impl_->publications_.farewells(), limits.presentities / proto::limits::farewell_share}};
    return status;
}

void PresenceService::set_policy(Now now, const ServiceSettings& settings) {
    const auto before = std::exchange(impl_->settings_.domains, settings.domains);
    const auto rules = std::exchange(impl_->settings_.rules, settings.rules);
    const auto handling = std::exchange(impl_->settings_.default_handling, settings.default_handling);
    if (rules != settings.rules || handling != settings.default_handling) impl_->policy_changed_ = true;
    impl_->settings_.follow_own_domains = settings.follow_own_domains;
    impl_->overlay_.seek_siblings(now, settings.follow_own_domains);
    impl_->changes_.set_allowance(settings.limits.changes);
    impl_->follows_.set_allowance(settings.limits.told);
    impl_->rules_.set_common(settings.rules, settings.default_handling);
    for (const auto& domain : before)
        if (!settings.domains.contains(domain)) impl_->domain_lost(now, domain);
    for (const auto& domain : settings.domains)
        if (!before.contains(domain)) impl_->domain_gained(now, domain);
    impl_->watchers_.authorize_all_again();
    for (const Relation& relation : impl_->follows_.all()) impl_->search_elsewhere(now, relation);
}

void PresenceService::set_federation(overlay::FederationPtr federation) {
    impl_->federation_ = std::move(federation);
}

void PresenceService::start(Now now, std::vector<Translator*> translators) {
    impl_->watchers_.set_translators(std::move(translators));
    impl_->rules_.load();
    impl_->publications_.load(now);
    impl_->overlay_.seek_siblings(now, impl_->settings_.follow_own_domains);
}

void PresenceService::handle_event(Now now, const overlay::Event& event) {
    std::visit(overlay::Overloaded{
                   [&](const overlay::WatchRequested& e) {
                       impl_->requested(now, {e.presentity, e.watcher});
                   },
                   [&](const overlay::WatchCancelled& e) {
                       impl_->cancelled(now, {e.presentity, e.watcher});
                   },
                   [&](const overlay::WatchChanged& e) { impl_->follows_.mark(e.watch); },
                   [&](const overlay::SiblingFound& e) { impl_->rule_exchange_.found(now, e); },
                   [&](const overlay::RulesAsked& e) { impl_->rule_exchange_.asked(e); },
                   [&](const overlay::RulesTold& e) {
                       for (const auto& presentity : impl_->rule_exchange_.told(now, e))
                           impl_->rules_changed(presentity);
                   },
               },
               event);
}

bool PresenceService::flush(Now now) {
    bool busy = impl_->tell_wants(now);
    busy |= impl_->send_documents(now);
    busy |= impl_->send_standings(now);
    busy |= impl_->send_authorizations(now);
    busy |= impl_->rule_exchange_.tell(now);
    busy |= impl_->tell_watchers(now);
    busy |= impl_->tell_views(now);
    return busy;
}

void PresenceService::handle_timeout(Now now) {
    impl_->publications_.handle_timeout(now);
}

proto::SteadyTime PresenceService::next_timeout() const {
    return std::min(
        {impl_->publications_.next_timeout(), impl_->changes_.next_timeout(), impl_->follows_.next_timeout()});
}

}  // namespace presmesh::node
