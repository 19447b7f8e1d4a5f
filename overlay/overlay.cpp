#include "overlay/overlay.hpp"

#include <map>
#include <set>

#include "overlay/audience.hpp"
#include "overlay/bootstrap.hpp"
#include "overlay/contacts.hpp"
#include "overlay/finder.hpp"
#include "overlay/following.hpp"
#include "overlay/overloaded.hpp"
#include "overlay/peers.hpp"
#include "overlay/publisher.hpp"
#include "overlay/rights.hpp"
#include "overlay/sealed_transport.hpp"
#include "overlay/siblings.hpp"

namespace presmesh::overlay {

namespace {

constexpr auto review_again = std::chrono::hours{12};  // the wall clock may have been set meanwhile

/// Why a session ended for good: its other end is none of us any more. A session that has merely grown old is made
/// again.
bool is_expelled(proto::Reason reason) {
    return reason != proto::Reason::unavailable && reason != proto::Reason::expired && reason != proto::Reason::quota;
}

/// What one part has verified, none verifies again.
Settings sharing_verified(Settings settings) {
    settings.verified = proto::or_own(std::move(settings.verified));
    return settings;
}

}  // namespace

/// Carries what the parts say to each other. Every call that takes `now` ends in pump(), which runs until nobody has
/// anything more to tell; what is to be sent over channels is gathered until the owner polls for output.
class Overlay::Impl {
  public:
    Impl(Settings settings, std::unique_ptr<Dht> dht, proto::Random& random)
        : settings_(sharing_verified(std::move(settings))),
          self_(proto::node_id(settings_.certificate.node_key)),
          dht_(std::move(dht)),
          transport_(settings_.node_key, settings_.certificate, settings_.federation, random),
          counter_(settings_.epoch),
          peers_(transport_, random, settings_.epoch, settings_.crash_bound, settings_.trace),
          audience_(peers_, counter_, random),
          publisher_(settings_, *dht_, counter_, random),
          following_(peers_, self_),
          finder_(following_, transport_, *dht_, settings_.federation, random, settings_.verified,
                  (settings_.certificate.roles & proto::role_publish) != 0 ? settings_.certificate.domain : ""),
          siblings_(*dht_, random, settings_.certificate.domain, self_, settings_.verified),
          bootstrap_(random) {}

    void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes) {
        transport_.handle_input(now, from, bytes);
        pump(now);
    }

    void handle_timeout(proto::Now now) {
        transport_.handle_timeout(now);
        dht_->handle_timeout(now);
        peers_.handle_timeout(now);
        finder_.handle_timeout(now);
        publisher_.handle_timeout(now);
        siblings_.handle_timeout(now, *settings_.federation);
        for (const auto& endpoint : siblings_.due(now)) transport_.connect(now, endpoint);
        for (const auto& endpoint : bootstrap_.due(now)) knock(now, endpoint);
        pump(now);
    }

    proto::SteadyTime next_timeout() const {
        return std::min({review_at_ == proto::SteadyTime::min() ? proto::never : review_at_, transport_.next_timeout(),
                         dht_->next_timeout(), peers_.next_timeout(), finder_.next_timeout(), publisher_.next_timeout(),
                         siblings_.next_timeout(), bootstrap_.next_timeout()});
    }

    std::optional<proto::Datagram> poll_output() {
        for (;;) {
            if (auto datagram = transport_.poll_output()) return datagram;
            if (!peers_.wants_flush()) return std::nullopt;
            peers_.flush(now_);
            pump(now_);
        }
    }

    std::optional<Event> poll_event() {
        if (!events_.empty()) {
            auto event = std::move(events_.front());
            events_.pop_front();
            return event;
        }
        if (auto watch = following_.poll_changed()) return WatchChanged{*watch};
        return std::nullopt;
    }

    void set_bootstrap(proto::Now now, std::vector<proto::Endpoint> nodes) {
        for (const auto& own : settings_.advertised) std::erase(nodes, own);
        bootstrap_.set(now, std::move(nodes));
        for (const auto& endpoint : bootstrap_.due(now)) knock(now, endpoint);
        pump(now);
    }

    void set_contacts(proto::Now now, const std::vector<Contact>& contacts) {
        auto members = contacts;
        std::erase_if(members, [this](const Contact& contact) {
            const auto* member = settings_.federation->find(contact.domain);
            return member == nullptr || member->revoked.contains(contact.node);
        });
        contacts_.set(now, members);
        std::vector<proto::Endpoint> endpoints;
        for (const auto& contact : members) endpoints.push_back(contact.endpoint);
        for (const auto& own : settings_.advertised) std::erase(endpoints, own);
        bootstrap_.set_contacts(now, endpoints);
    }
    std::vector<Contact> contacts() const { return contacts_.all(); }

    void set_federation(proto::Now now, FederationPtr federation) {
        settings_.federation = federation;
        transport_.set_federation(federation);
        dht_->set_federation(now, federation);
        publisher_.set_federation(federation);
        finder_.set_federation(now, federation);
        for (const auto& [node, domain] : known_domains()) {
            const auto* member = federation->find(domain);
            if (member == nullptr || member->revoked.contains(node)) expel(now, node);
        }
        review(now);
        pump(now);
    }

    void leave(proto::Now now) {
        peers_.leave(now);
        pump(now);
    }

    void set_document(proto::Now now, const proto::PresentityUri& presentity, ViewId view,
                      proto::DocumentPtr document) {
        audience_.set_document(presentity, view, std::move(document));
        pump(now);
    }

    void answer(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                Answer answer) {
        audience_.answer(presentity, watcher, std::move(answer));
        pump(now);
    }

    void refuse(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                std::string reason) {
        audience_.refuse(presentity, watcher, std::move(reason));
        pump(now);
    }

    void renew_keys(proto::Now now) {
        if (audience_.renew_keys()) pump(now);
    }

    void authorization_changed(proto::Now now, const proto::PresentityUri& presentity) {
        audience_.authorization_changed(presentity);
        pump(now);
    }

    void all_authorizations_changed(proto::Now now) {
        audience_.all_authorizations_changed();
        pump(now);
    }

    WatchId watch(proto::Now now, const proto::PresentityUri& watcher, const proto::PresentityUri& presentity) {
        const auto begun = following_.watch(watcher, presentity);
        if (begun.first) finder_.begin(now, presentity);
        pump(now);
        return begun.watch;
    }

    void unwatch(proto::Now now, WatchId watch) {
        if (auto presentity = following_.unwatch(watch)) finder_.end(now, *presentity);
        pump(now);
    }

    void seek_siblings(proto::Now now, bool wanted) {
        siblings_.seek(now, wanted);
        pump(now);
    }

    void ask_rules(proto::Now now, const proto::NodeId& node, const proto::RulesAskMessage& message) {
        peers_.open(node).rules().ask(message);
        pump(now);
    }

    void tell_rules(proto::Now now, const proto::NodeId& node, proto::RulesMessage message) {
        peers_.open(node).rules().tell(std::move(message));
        pump(now);
    }

    std::vector<SourceView> sources(WatchId watch) const { return following_.sources(watch, now_.wall); }

    bool publishes(const proto::PresentityUri& presentity) const { return audience_.publishes(presentity); }
    bool settled(WatchId watch) const {
        const auto* presentity = following_.presentity_of(watch);
        return presentity != nullptr && finder_.settled(*presentity);
    }

    Status status() const;

  private:
    PeerStatus peer_status(const std::string& domain, const proto::NodeId& node) const;
    void pump(proto::Now now) {
        now_ = now;
        if (review_at_ <= now.steady) {
            dht_->set_federation(now, settings_.federation);  // it looks at what it keeps again
            review(now);
        }
        do {
            finder_.handle_timeout(now);
            publisher_.handle_timeout(now);
            if (const auto record = publisher_.take_domain_record()) announce(*record);
        } while (pass_on(now));
    }

    /// False when nobody had anything to tell.
    bool pass_on(proto::Now now) {
        bool any = false;
        for (; auto event = transport_.poll_event(); any = true) handle(now, std::move(*event));
        for (; auto packet = dht_->poll_output(); any = true)
            transport_.send_to(now, packet->peer, packet->own_shard, packet->peer_shard, std::move(packet->bytes));
        for (; auto event = dht_->poll_event(); any = true) {
            if (auto record = siblings_.handle_event(now, *event, *settings_.federation)) meet(now, *record);
            finder_.handle_event(now, *event);
        }
        for (; auto event = peers_.poll_event(); any = true) handle(now, *event);
        // Once for all the watches of a presentity: there may be thousands, and each look goes over all of them.
        for (const auto& presentity : std::exchange(updated_, {})) finder_.look_at(now, presentity);
        // Who may not ask any more may hold content keys, of watches that have ended by now.
        if (std::exchange(keys_to_renew_, false)) audience_.all_authorizations_changed();
        for (; auto told = audience_.poll_event(); any = true) handle(now, std::move(*told));
        while (auto presentity = finder_.poll_settled()) following_.presentity_changed(*presentity);
        return any;
    }

    // ---- from the transport
    void handle(proto::Now now, TransportEvent&& event) {
        std::visit(Overloaded{
                       [&](Received& received) { handle(now, std::move(received)); },
                       [&](const PeerUp& up) { peer_up(now, up.node); },
                       [&](const PeerDown& down) {
                           if (is_expelled(down.reason))
                               expel(now, down.node);
                           else
                               peers_.session_down(down.node, down.domain);
                       },
                       [&](const ConnectFailed& failed) { peers_.connect_failed(failed.endpoint); },
                   },
                   event);
    }

    void handle(proto::Now now, Received&& received) {
        const auto* peer = transport_.peer(received.node);
        if (peer == nullptr) return;
        if (received.own_port < shard_count_max) {
            dht_->handle_input(now, {received.from, received.own_port, received.peer_port, std::move(received.bytes)},
                               peer->key);
        } else if (received.own_port == channel_port) {
            if (auto taken = peers_.handle_input(now, received.node, received.bytes); !taken)
                ++refused_[taken.error().reason];
        }
    }

    void peer_up(proto::Now now, const proto::NodeId& node) {
        const auto* peer = transport_.peer(node);
        if (peer == nullptr) return;
        // Who could not be reached, and who is knocked at now and then, may be of a part of the network that was lost.
        const bool knocked = bootstrap_.answered(now, peer->endpoint);
        const bool lost = peers_.find(node) != nullptr && peers_.unreachable(node);
        peers_.session_up(now, node);
        if ((peer->roles & proto::role_store) != 0) dht_->bootstrap(now, peer->endpoint, knocked || lost);
        if ((peer->roles & proto::role_store) != 0 && peer->domain != settings_.certificate.domain) {
            contacts_.met(now, {node, peer->domain, peer->endpoint},
                          [this](const proto::NodeId& other) { return transport_.peer(other) != nullptr; });
            bootstrap_.joined();
        }
        if ((peer->roles & proto::role_publish) != 0) finder_.node_up(now, node, peer->domain);
        if (peer->domain == settings_.certificate.domain && !publisher_.domain_record().empty())
            peers_.open(node).source().announce(publisher_.domain_record());
        siblings_.met(node);
        if (is_sibling(node)) events_.emplace_back(SiblingFound{node});
        publisher_.go_online(now);
        siblings_.go_online(now);
    }

    /// A node with a session that our domain lets publish: it keeps its users' rules.
    bool is_sibling(const proto::NodeId& node) const {
        const auto* peer = transport_.peer(node);
        return peer != nullptr && peer->domain == settings_.certificate.domain &&
               (peer->roles & settings_.certificate.roles & proto::role_publish) != 0;
    }

    /// A session tells the rest.
    void meet(proto::Now now, const proto::Record& record) {
        const auto node = proto::node_id(record.node_key());
        if (transport_.peer(node) != nullptr) return;
        for (const auto& endpoint : record.endpoints) transport_.connect(now, endpoint);
        siblings_.miss(now, record);
    }

    template <typename Message>
    void from_sibling(const proto::NodeId& node, const Message& message) {
        if (!is_sibling(node)) {
            ++refused_[proto::Reason::foreign_domain];
        } else if constexpr (std::is_same_v<Message, proto::RulesMessage>) {
            events_.emplace_back(RulesTold{node, message});
        } else {
            events_.emplace_back(RulesAsked{node, message});
        }
    }

    void knock(proto::Now now, const proto::Endpoint& endpoint) {
        transport_.connect(now, endpoint);
        dht_->bootstrap(now, endpoint);
    }

    /// As the node's session tells, or told; empty where it never had one that is remembered.
    std::string domain_of(const proto::NodeId& node) const {
        const auto* peer = transport_.peer(node);
        return peer != nullptr ? peer->domain : std::string(peers_.domain(node));
    }

    /// The nodes with a session, and those watched or watching without one.
    std::map<proto::NodeId, std::string> known_domains() const {
        std::map<proto::NodeId, std::string> known;
        for (const auto& nodes : {transport_.peers(), peers_.nodes()})
            for (const auto& node : nodes)
                if (auto domain = domain_of(node); !domain.empty()) known.emplace(node, std::move(domain));
        return known;
    }

    proto::Result<void> may_publish(proto::Now now, std::string_view publisher,
                                    const proto::PresentityUri& presentity) const {
        return settings_.federation->may_publish(publisher, presentity.domain(), now.wall, settings_.verified.get());
    }

    /// Delegations end, by a new file or by time: what was granted under one stands no longer.
    void review(proto::Now now) {
        for (const auto& [node, domain] : known_domains()) leave_foreign(now, node, domain);
        const auto is_refused = [&](const auto& node, const auto& presentity, const auto& watcher) {
            return refusal(now, node, presentity, watcher).has_value();
        };
        for (const auto& [node, watch] : audience_.watches(is_refused)) {
            audience_.end(node, {watch.watch, watch.presentity, watch.watcher});
            turn_away(node, watch.watch, *refusal(now, node, watch.presentity, watch.watcher));
        }
        begin_allowed(now);
        auto rights = Rights(settings_.federation, now.wall, settings_.verified.get());
        keys_to_renew_ = keys_to_renew_ || rights.any_lost_since(rights_);
        rights_ = std::move(rights);
        const auto end = settings_.federation->next_delegation_end(now.wall);
        review_at_ = end == proto::WallTime::max()
                         ? proto::never
                         : now.steady + std::min<proto::Duration>(end - now.wall, review_again);
    }

    /// What this node may not publish any more, as a delegate, is followed there no longer.
    void leave_foreign(proto::Now now, const proto::NodeId& node, const std::string& domain) {
        for (const auto& presentity : following_.followed_at(node)) {
            if (may_publish(now, domain, presentity)) continue;
            following_.leave(presentity, node);
            finder_.look_at(now, presentity);
        }
    }

    void expel(proto::Now now, const proto::NodeId& node) {
        const auto left = following_.detach(node);
        peers_.drop(node);
        siblings_.forget(node);
        keys_to_renew_ = true;
        for (const auto& presentity : left) finder_.look_at(now, presentity);
    }

    // ---- from the channels
    void handle(proto::Now now, const PeerEvent& event) {
        const auto& node = event.node;
        if (std::holds_alternative<Unreachable>(event.what)) return look_at_all(now, node);
        std::visit(Overloaded{
                       [&](const InboundWatch& watch) { begin(now, node, watch); },
                       [&](const InboundUnwatch& watch) { audience_.end(node, watch); },
                       [&](const InboundQuery& query) {
                           ++queries_in_;
                           peers_.open(node).source().answer_query({query.query, audience_.publishes(query.presentity),
                                                                    records_to_tell(now, query.presentity)});
                       },
                       [&](const WatchUpdated& updated) {
                           if (const auto* presentity = following_.updated(node, updated.watch))
                               updated_.insert(*presentity);
                       },
                       [&](const SourcesAnswered& answer) { take_answer(now, node, answer); },
                       [&](const LivenessChanged& changed) {
                           following_.all_changed(node);
                           if (changed.liveness != Liveness::stale) look_at_all(now, node);
                       },
                       [&](const proto::RulesAskMessage& message) { from_sibling(node, message); },
                       [&](const proto::RulesMessage& message) { from_sibling(node, message); },
                   },
                   std::get<ChannelEvent>(event.what));
    }

    /// Of users whom we may speak for. Whom else our users watch is nobody's business.
    std::vector<proto::Bytes> records_to_tell(proto::Now now, const proto::PresentityUri& presentity) const {
        if (!may_publish(now, settings_.certificate.domain, presentity)) return {};
        return finder_.known_records(presentity, now.wall);
    }

    struct Refusal {
        proto::Reason reason{};
        std::string_view answer;  ///< RFC 6665 section 4.1.3
    };
    /// The watcher must be one of the asking node's domain, or of one that let it speak for its users; the presentity
    /// one that this node may publish for.
    std::optional<Refusal> refusal(proto::Now now, const proto::NodeId& node, const proto::PresentityUri& presentity,
                                   const proto::PresentityUri& watcher) const {
        if (const auto allowed = may_publish(now, domain_of(node), watcher); !allowed)
            return Refusal{allowed.error().reason, "giveup"};  // no user's verdict: it may be allowed tomorrow
        if (const auto ours = may_publish(now, settings_.certificate.domain, presentity); !ours)
            return Refusal{ours.error().reason, "noresource"};
        return std::nullopt;
    }

    void begin(proto::Now now, const proto::NodeId& node, const InboundWatch& watch) {
        ++watches_in_;
        auto refused = refusal(now, node, watch.presentity, watch.watcher);
        if (!refused && !has_room(watch.watcher)) refused = Refusal{proto::Reason::quota, "giveup"};
        if (refused) return turn_away(node, watch.watch, *refused);
        publisher_.watched(watch.presentity);
        audience_.begin(node, watch);
        auto& source = peers_.open(node).source();
        if (!source.introduce()) return;
        for (auto& record : siblings_.introductions(now, node)) source.announce(std::move(record));
    }

    /// By the watcher's domain, which has let the asking node speak for it.
    bool has_room(const proto::PresentityUri& watcher) const {
        return audience_.watches_of(watcher.domain()) < settings_.watches_per_domain;
    }

    /// Watches that we turned away, of which the other end has not ended: they need not be asked for again.
    void begin_allowed(proto::Now now) {
        for (const auto& node : peers_.nodes())
            for (const auto& watch : peers_.find(node)->source().terminated())
                if (!audience_.has(node, watch) && has_room(watch.watcher) &&
                    !refusal(now, node, watch.presentity, watch.watcher))
                    begin(now, node, watch);
    }

    void turn_away(const proto::NodeId& node, std::uint64_t watch, const Refusal& refused) {
        ++refused_[refused.reason];
        peers_.open(node).source().answer(watch, {WatchState::terminated, 0, std::string(refused.answer)}, std::nullopt,
                                          {});
    }

    /// The other nodes of our domain hear of this one, and tell those who watch there.
    void announce(const proto::Bytes& record) {
        for (const auto& node : transport_.nodes_of(settings_.certificate.domain))
            if (node != self_) peers_.open(node).source().announce(record);
    }

    void take_announcement(proto::Now now, const proto::NodeId& from, const std::vector<proto::Bytes>& records) {
        const auto* peer = transport_.peer(from);
        if (peer == nullptr) return;
        const auto domain = peer->domain;
        for (const auto& record : records) {
            const auto told = finder_.take_announcement(now, domain, record);
            if (!told || domain != settings_.certificate.domain || proto::node_id(told->node_key()) != from) continue;
            // The finder may have it from the DHT or from a third node: that is nothing to those who watch here.
            if (siblings_.take(now, *told)) tell_watchers(from, record);
        }
    }

    void tell_watchers(const proto::NodeId& about, const proto::Bytes& record) {
        for (const auto& node : peers_.nodes())
            if (node != about && peers_.find(node)->source().watches() > 0) peers_.open(node).source().announce(record);
    }

    void take_answer(proto::Now now, const proto::NodeId& node, const SourcesAnswered& answer) {
        if ((answer.query & proto::announcement) != 0) return take_announcement(now, node, answer.records);
        const auto* asked = following_.query_of(node, answer.query);
        if (asked == nullptr) return;
        const auto presentity = *asked;
        following_.take_answer(node, answer);
        for (const auto& record : answer.records) finder_.take_record(now, presentity, record);
        finder_.look_at(now, presentity);
    }

    void look_at_all(proto::Now now, const proto::NodeId& node) {
        for (const auto& presentity : following_.followed_at(node)) finder_.look_at(now, presentity);
    }

    // ---- from our own presentities
    void handle(proto::Now now, Audience::Told&& told) {
        std::visit(Overloaded{
                       [&](const RecordDue& due) { publisher_.set(now, due); },
                       [&](const WatchRequested& event) { events_.emplace_back(event); },
                       [&](const WatchCancelled& event) { events_.emplace_back(event); },
                   },
                   told);
    }

    Settings settings_;
    proto::NodeId self_;
    std::unique_ptr<Dht> dht_;
    SealedTransport transport_;
    SequenceCounter counter_;
    Peers peers_;
    Audience audience_;
    Publisher publisher_;
    Following following_;
    Finder finder_;
    Siblings siblings_;
    Bootstrap bootstrap_;
    Contacts contacts_;
    proto::SteadyTime review_at_ = proto::SteadyTime::min();  // when a delegation ends next; at first: not known yet
    Rights rights_;                                           // at the last review
    bool keys_to_renew_ = false;
    proto::Fifo<Event> events_;
    std::set<proto::PresentityUri> updated_;          // presentities of whose watches the channels told something
    std::map<proto::Reason, std::uint64_t> refused_;  // of what came over channels
    std::uint64_t watches_in_ = 0;                    // asked of us by other nodes
    std::uint64_t queries_in_ = 0;
    proto::Now now_{};
};

PeerStatus Overlay::Impl::peer_status(const std::string& domain, const proto::NodeId& node) const {
    PeerStatus row{domain, node};
    if (const auto* session = transport_.peer(node)) row.endpoint = session->endpoint;
    const auto* channel = peers_.find(node);
    if (channel == nullptr || !channel->watched()) return row;
    row.liveness = channel->liveness();
    row.watches_in = channel->source().watches();
    row.watches_out = channel->watcher().watches();
    row.heard_at = channel->heard_at();
    row.asking = channel->asking();
    row.sending = channel->sending();
    row.in_flight = channel->in_flight();
    row.window = channel->window();
    return row;
}

Status Overlay::Impl::status() const {
    Status status;
    status.dht = dht_->status();
    status.crash_bound = settings_.crash_bound;
    status.records_waiting = publisher_.waiting(now_);
    status.fills = transport_.fills();
    for (const auto& fills : {peers_.fills(), finder_.fills(), status.dht.fills})
        status.fills.insert(status.fills.end(), fills.begin(), fills.end());
    status.published = audience_.published();
    status.watches = following_.watches();
    for (const auto& [node, domain] : known_domains()) {
        auto row = peer_status(domain, node);
        const bool watched = row.watches_in + row.watches_out > 0;
        if (row.endpoint || watched) status.peers.push_back(std::move(row));
    }
    status.gauges = transport_.gauges();
    status.gauges.emplace_back("record_changes_waiting", publisher_.changes_waiting(now_));
    status.counters = transport_.counters();
    auto count = [&](std::string name, std::uint64_t value) { status.counters.emplace_back(std::move(name), value); };
    count("channel_packets_sent", peers_.sent());
    count("channel_resends", peers_.resends());
    const auto& channels = peers_.counters();
    count("channel_documents_sent", channels.documents_sent);
    count("channel_documents_equal", channels.documents_equal);
    count("channel_documents_coalesced", channels.documents_coalesced);
    count("channel_documents_received", channels.documents_received);
    count("channel_documents_older", channels.documents_older);
    count("channel_documents_bad", channels.documents_bad);
    count("channel_watches_refused", channels.watches_refused);
    count("channel_watches_delayed", channels.watches_delayed);
    count("channel_messages_too_large", channels.messages_too_large);
    count("nodes_doubted", channels.nodes_doubted);
    count("nodes_lost", channels.nodes_lost);
    count("nodes_back", channels.nodes_back);
    for (const auto& [name, value] : status.dht.counters) count("dht_" + name, value);
    count("record_puts", publisher_.puts());
    count("record_puts_refused", publisher_.refused());
    count("lookups", finder_.lookups());
    count("channel_watches_in", watches_in_);
    count("channel_queries_in", queries_in_);
    for (const auto& [reason, n] : refused_) count("channel_refused_" + std::string(to_string(reason)), n);
    for (const auto& [reason, n] : finder_.refused_records())
        count("records_refused_" + std::string(to_string(reason)), n);
    return status;
}

// ---- the face

Overlay::Overlay(Settings settings, std::unique_ptr<Dht> dht, proto::Random& random)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(dht), random)) {}
Overlay::~Overlay() = default;

void Overlay::handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes) {
    impl_->handle_input(now, from, bytes);
}
void Overlay::handle_timeout(proto::Now now) {
    impl_->handle_timeout(now);
}
proto::SteadyTime Overlay::next_timeout() const {
    return impl_->next_timeout();
}
std::optional<proto::Datagram> Overlay::poll_output() {
    return impl_->poll_output();
}
std::optional<Event> Overlay::poll_event() {
    return impl_->poll_event();
}
void Overlay::set_bootstrap(proto::Now now, std::vector<proto::Endpoint> nodes) {
    impl_->set_bootstrap(now, std::move(nodes));
}
void Overlay::set_contacts(proto::Now now, const std::vector<Contact>& contacts) {
    impl_->set_contacts(now, contacts);
}
std::vector<Contact> Overlay::contacts() const {
    return impl_->contacts();
}
void Overlay::set_federation(proto::Now now, FederationPtr federation) {
    impl_->set_federation(now, std::move(federation));
}
void Overlay::leave(proto::Now now) {
    impl_->leave(now);
}
void Overlay::set_document(proto::Now now, const proto::PresentityUri& presentity, ViewId view,
                           proto::DocumentPtr document) {
    impl_->set_document(now, presentity, view, std::move(document));
}
bool Overlay::publishes(const proto::PresentityUri& presentity) const {
    return impl_->publishes(presentity);
}
void Overlay::answer(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                     Answer answer) {
    impl_->answer(now, presentity, watcher, std::move(answer));
}
void Overlay::refuse(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                     std::string reason) {
    impl_->refuse(now, presentity, watcher, std::move(reason));
}
void Overlay::authorization_changed(proto::Now now, const proto::PresentityUri& presentity) {
    impl_->authorization_changed(now, presentity);
}
void Overlay::renew_keys(proto::Now now) {
    impl_->renew_keys(now);
}
void Overlay::all_authorizations_changed(proto::Now now) {
    impl_->all_authorizations_changed(now);
}
WatchId Overlay::watch(proto::Now now, const proto::PresentityUri& watcher, const proto::PresentityUri& presentity) {
    return impl_->watch(now, watcher, presentity);
}
void Overlay::unwatch(proto::Now now, WatchId watch) {
    impl_->unwatch(now, watch);
}
void Overlay::seek_siblings(proto::Now now, bool wanted) {
    impl_->seek_siblings(now, wanted);
}
void Overlay::ask_rules(proto::Now now, const proto::NodeId& node, const proto::RulesAskMessage& message) {
    impl_->ask_rules(now, node, message);
}
void Overlay::tell_rules(proto::Now now, const proto::NodeId& node, proto::RulesMessage message) {
    impl_->tell_rules(now, node, std::move(message));
}
std::vector<SourceView> Overlay::sources(WatchId watch) const {
    return impl_->sources(watch);
}
bool Overlay::settled(WatchId watch) const {
    return impl_->settled(watch);
}
Status Overlay::status() const {
    return impl_->status();
}

}  // namespace presmesh::overlay
