#include "sim/sim_node.hpp"

#include <algorithm>

#include "proto/assert.hpp"
#include "sim/names.hpp"
#include "sim/probing_dht.hpp"

namespace presmesh::sim {

using proto::Now;

namespace {

constexpr auto publication_lifetime = std::chrono::hours{24};
constexpr auto certificate_lifetime = std::chrono::hours{24 * 365};

class SimNode final : public Host, public node::Observer {
  public:
    SimNode(Now now, const HostSetup& setup, node::NodeSettings settings, std::unique_ptr<overlay::Dht> dht,
            node::Store& disk, EntityTags& tags, node::Diagnostics& diagnostics, const Attack* attack)
        : audience_(*setup.audience),
          federation_(settings.federation),
          honest_(attack == nullptr || !attack->attacks(setup.index)),
          etags_(tags) {
        auto probing = std::make_unique<ProbingDht>(std::move(dht), setup.index, audience_, honest_ ? attack : nullptr);
        dht_ = probing.get();
        node_ = std::make_unique<node::Node>(now, std::move(settings), std::move(probing), disk, *setup.random,
                                             diagnostics);
    }

    void start(Now now, const std::vector<proto::Endpoint>& bootstrap) override {
        node_->start(now);
        node_->set_bootstrap(now, bootstrap);
    }
    void stop(Now now) override { node_->stop(now); }
    void handle_input(Now now, const proto::Endpoint& from, proto::BytesView bytes) override {
        node_->handle_input(now, from, bytes);
    }
    void handle_timeout(Now now) override { node_->handle_timeout(now); }
    proto::SteadyTime next_timeout() const override { return node_->next_timeout(); }
    void end_turn(Now now) override { node_->end_turn(now); }
    std::optional<proto::Datagram> poll_output() override { return node_->poll_output(); }

    void publish(Now now, const proto::PresentityUri& presentity, const proto::DocumentPtr& document) override {
        auto& etag = etags_[presentity];
        auto receipt = node_->service().publish(now, {presentity, etag, document, publication_lifetime});
        // A node that lost its disk knows the tag no more (412): then it is a first publication again.
        if (!receipt) receipt = node_->service().publish(now, {presentity, {}, document, publication_lifetime});
        PRESMESH_ASSERT(receipt.has_value());
        etag = receipt->etag;
    }

    void watch(Now now, WatchNumber watch, const proto::PresentityUri& watcher,
               const proto::PresentityUri& presentity) override {
        const auto id = node_->service().watch(now, *this, watcher, presentity);
        PRESMESH_ASSERT(id.has_value());
        numbers_[*id] = watch;
        ids_[watch] = *id;
    }
    void unwatch(Now now, WatchNumber watch) override {
        const auto id = ids_.find(watch);
        PRESMESH_ASSERT(id != ids_.end());
        node_->service().unwatch(now, id->second);
        numbers_.erase(id->second);
        ids_.erase(id);
    }
    void look_up(Now now, LookupNumber lookup, const proto::PresentityUri& presentity) override {
        const auto key =
            proto::dht_key(federation_->key, presentity.domain(), proto::presentity_key(federation_->key, presentity));
        dht_->probe(now, lookup, key);
        // The packets of a probe wait in the DHT until the overlay looks: a wake-up makes it.
        node_->handle_timeout(now);
    }

    void view_changed(Now, translators::WatchId id, const translators::View& view) override {
        const auto number = numbers_.find(id);
        if (number == numbers_.end()) return;
        audience_.seen(number->second, static_cast<Shown>(view.liveness), view.document);
    }

    std::uint64_t refused() const override {
        if (!honest_) return 0;
        std::uint64_t sum = 0;
        for (const auto& [name, value] : node_->overlay_status().counters)
            if (name.find("refused_") != std::string::npos) sum += value;
        return sum + dht_->status().refused_records;
    }

  private:
    Audience& audience_;
    overlay::FederationPtr federation_;
    bool honest_;
    ProbingDht* dht_ = nullptr;  ///< the node's
    EntityTags& etags_;
    std::map<translators::WatchId, WatchNumber> numbers_;
    std::map<WatchNumber, translators::WatchId> ids_;
    std::unique_ptr<node::Node> node_;
};

}  // namespace

SimNodes::SimNodes(const Scenario& scenario, std::uint64_t seed, Attack* attack)
    : scenario_(scenario),
      seed_(seed),
      attack_(attack),
      identities_(scenario.nodes),
      disks_(scenario.nodes),
      tags_(scenario.nodes) {
    auto federation = std::make_shared<proto::Federation>();
    Dice(seed, Purpose::identity, ~std::uint64_t{0}).fill(federation->key);
    const std::uint32_t providers = provider_of(scenario, scenario.nodes - 1) + 1;
    for (std::uint32_t provider = 0; provider < providers; ++provider) {
        Dice dice(seed, Purpose::identity, std::uint64_t{provider} << 32);
        domain_keys_.push_back(proto::SigningKey::generate(dice));
        proto::Member member;
        member.domain = domain_of(provider);
        member.key = domain_keys_.back().public_key();
        federation->add(std::move(member));
    }
    federation_ = std::move(federation);
}

SimNodes::~SimNodes() = default;

const SimNodes::Identity& SimNodes::identity(NodeIndex node) {
    auto& identity = identities_[node];
    if (identity) return *identity;
    const std::uint32_t provider = provider_of(scenario_, node);
    Dice dice(seed_, Purpose::identity, std::uint64_t{node} + 1);
    auto chosen = attack_ != nullptr && attack_->attacks(node) ? attack_->node_key(node) : nullptr;
    auto key = chosen ? *chosen : proto::SigningKey::generate(dice);
    const auto start = World::wall_at({});
    auto certificate = proto::Certificate::issue(domain_keys_[provider], domain_of(provider), key.public_key(),
                                                 proto::role_store | proto::role_publish, start - certificate_lifetime,
                                                 start + certificate_lifetime);
    identity = std::make_unique<Identity>(Identity{std::move(key), std::move(certificate)});
    return *identity;
}

std::unique_ptr<Host> SimNodes::make(Now now, const HostSetup& setup) {
    const Identity& who = identity(setup.index);
    auto& disk = disks_[setup.index];
    if (!disk) disk = std::make_unique<node::MemoryStore>();
    const auto verified = std::make_shared<proto::VerificationCache>();
    overlay::DhtSettings dht;
    dht.verified = verified;
    dht.node_key = who.key.public_key();
    dht.federation = federation_;
    dht.own = {setup.endpoint};
    dht.shards = scenario_.shards;
    std::unique_ptr<overlay::Dht> made = std::make_unique<overlay::DhtNode>(std::move(dht));
    if (attack_ != nullptr && attack_->attacks(setup.index))
        made = attack_->wrap({who.key, who.certificate, federation_, setup.endpoint}, std::move(made));
    node::NodeSettings settings{who.key, who.certificate, federation_, {setup.endpoint}, scenario_.crash_bound, {}};
    settings.verified = verified;
    settings.service.default_handling = node::Handling::allow;
    settings.service.follow_own_domains = scenario_.nodes_per_provider > 1;
    return std::make_unique<SimNode>(now, setup, std::move(settings), std::move(made), *disk, tags_[setup.index],
                                     diagnostics_, attack_);
}

void SimNodes::gone(NodeIndex node, bool crash, bool keeps_disk) {
    auto& disk = disks_[node];
    if (!keeps_disk)
        disk.reset();
    else if (crash && disk)
        disk->crash();
}

}  // namespace presmesh::sim
