#include "node/node.hpp"

#include <algorithm>

#include "node/epoch.hpp"
#include "node/saved_contacts.hpp"
#include "proto/assert.hpp"
#include "proto/limits.hpp"

namespace presmesh::node {

using proto::Now;
using translators::Translator;

namespace {

ServiceSettings with_own_domain(ServiceSettings settings, const std::string& domain) {
    settings.domains.insert(domain);
    return settings;
}

}  // namespace

class Node::Impl {
  public:
    Impl(Now now, NodeSettings settings, std::unique_ptr<overlay::Dht> dht, Store& store, proto::Random& random,
         Diagnostics& diagnostics)
        : store_(store),
          diagnostics_(diagnostics),
          epoch_(next_epoch(store, now)),
          id_(proto::node_id(settings.node_key.public_key())),
          domain_(settings.certificate.domain),
          overlay_({settings.node_key, settings.certificate, settings.federation, settings.advertised, epoch_,
                    settings.crash_bound, &diagnostics, settings.verified},
                   std::move(dht), random),
          service_(with_own_domain(std::move(settings.service), domain_), id_, overlay_, store, random, diagnostics),
          contacts_(store, overlay_) {
        service_.set_federation(settings.federation);
    }

    void begin_turn(Now now) {
        latest_ = std::max(latest_, now.steady);
        turn_open_ = true;
        settled_ = false;
    }
    bool settle(Now now);
    void end_turn(Now now);
    bool round(Now now);

    Store& store_;
    Diagnostics& diagnostics_;
    std::uint64_t epoch_;
    proto::NodeId id_;
    std::string domain_;  ///< of the certificate
    overlay::Overlay overlay_;
    PresenceService service_;
    SavedContacts contacts_;
    std::vector<std::unique_ptr<Translator>> owned_;
    std::vector<Translator*> translators_;
    proto::SteadyTime latest_{};
    bool turn_open_ = false;
    bool settled_ = false;
    bool unfinished_ = false;  ///< the last turn had more to tell than its rounds allowed
};

/// One pass: what the overlay says, then what the service makes of it. False: all is quiet.
bool Node::Impl::round(Now now) {
    bool busy = false;
    while (auto event = overlay_.poll_event()) {
        service_.handle_event(now, *event);
        busy = true;
    }
    return service_.flush(now) || busy;
}

bool Node::Impl::settle(Now now) {
    begin_turn(now);
    std::size_t left = proto::limits::turn_rounds;
    while (left > 0 && round(now)) --left;
    unfinished_ = left == 0;
    if (unfinished_) diagnostics_.count("node_unfinished_turns", {}, 1);
    settled_ = true;
    turn_open_ = store_.must_last();
    return !turn_open_;
}

void Node::Impl::end_turn(Now now) {
    if (!settled_) settle(now);
    store_.commit();
    turn_open_ = settled_ = false;
}

Node::Node(Now now, NodeSettings settings, std::unique_ptr<overlay::Dht> dht, Store& store, proto::Random& random,
           Diagnostics& diagnostics)
    : impl_(std::make_unique<Impl>(now, std::move(settings), std::move(dht), store, random, diagnostics)) {}

Node::~Node() = default;

void Node::add_translator(std::unique_ptr<Translator> translator) {
    add_translator(*translator);
    impl_->owned_.push_back(std::move(translator));
}

void Node::add_translator(Translator& translator) {
    impl_->translators_.push_back(&translator);
}

void Node::start(Now now) {
    impl_->begin_turn(now);
    impl_->contacts_.start(now);
    impl_->service_.start(now, impl_->translators_);
    for (Translator* translator : impl_->translators_) translator->start(now, impl_->service_);
    impl_->end_turn(now);
}

void Node::stop(Now now) {
    impl_->begin_turn(now);
    impl_->contacts_.save();
    for (Translator* translator : impl_->translators_) translator->stop(now);
    impl_->end_turn(now);
    impl_->overlay_.leave(now);
    impl_->end_turn(now);
}

void Node::handle_input(Now now, const proto::Endpoint& from, proto::BytesView bytes) {
    impl_->begin_turn(now);
    impl_->overlay_.handle_input(now, from, bytes);
}

void Node::handle_timeout(Now now) {
    impl_->begin_turn(now);
    impl_->overlay_.handle_timeout(now);
    impl_->service_.handle_timeout(now);
    impl_->contacts_.handle_timeout(now);
    for (Translator* translator : impl_->translators_) translator->handle_timeout(now);
}

proto::SteadyTime Node::next_timeout() const {
    if (impl_->unfinished_) return impl_->latest_;
    auto next =
        std::min({impl_->overlay_.next_timeout(), impl_->service_.next_timeout(), impl_->contacts_.next_timeout()});
    for (const Translator* translator : impl_->translators_) next = std::min(next, translator->next_timeout());
    return next;
}

bool Node::settle(Now now) {
    return impl_->settle(now);
}

void Node::end_turn(Now now) {
    impl_->end_turn(now);
}

std::optional<proto::Datagram> Node::poll_output() {
    PRESMESH_ASSERT(!impl_->turn_open_);  // what this output tells of may not be committed yet
    return impl_->overlay_.poll_output();
}

void Node::set_bootstrap(Now now, std::vector<proto::Endpoint> nodes) {
    impl_->begin_turn(now);
    impl_->overlay_.set_bootstrap(now, std::move(nodes));
}

void Node::set_federation(Now now, overlay::FederationPtr federation) {
    impl_->begin_turn(now);
    impl_->service_.set_federation(federation);
    impl_->overlay_.set_federation(now, std::move(federation));
}

void Node::set_policy(Now now, ServiceSettings settings) {
    impl_->begin_turn(now);
    impl_->service_.set_policy(now, with_own_domain(std::move(settings), impl_->domain_));
}

PresenceService& Node::service() {
    return impl_->service_;
}
const PresenceService& Node::service() const {
    return impl_->service_;
}
overlay::Status Node::overlay_status() const {
    return impl_->overlay_.status();
}
proto::NodeId Node::id() const {
    return impl_->id_;
}
std::uint64_t Node::epoch() const {
    return impl_->epoch_;
}

}  // namespace presmesh::node
