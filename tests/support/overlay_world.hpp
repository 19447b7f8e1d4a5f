// Overlays of several domains on a VirtualNetwork, over one DhtFakeWorld. Pair is the smallest: a source and a watcher.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "overlay/dht_fake.hpp"
#include "overlay/overlay.hpp"
#include "tests/support/federation_kit.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/virtual_network.hpp"

namespace presmesh::testing {

/// One node's overlay, and what it told its owner. Answers every WatchRequested with `verdict`, unless there is none.
struct OverlayHost {
    explicit OverlayHost(NodeKit node) : kit(std::move(node)) {}

    std::string name;
    NodeKit kit;
    proto::Endpoint endpoint;
    std::vector<proto::Endpoint> advertised_before;  ///< that, from the next start on
    std::unique_ptr<proto::SeededRandom> random;
    std::unique_ptr<overlay::Overlay> overlay;
    overlay::DhtFake* dht = nullptr;
    proto::VerificationCachePtr verified = std::make_shared<proto::VerificationCache>();
    std::uint64_t epoch = 1;
    std::optional<overlay::Answer> verdict = overlay::Answer{overlay::WatchState::active, 0, {}};
    std::vector<overlay::WatchRequested> requested;
    std::vector<overlay::WatchCancelled> cancelled;
    std::set<proto::NodeId> siblings;
    std::vector<overlay::RulesAsked> rules_asked;
    std::vector<overlay::RulesTold> rules_told;
    std::map<overlay::WatchId, std::size_t> changes;

    proto::NodeId id() const { return kit.id(); }
    overlay::Overlay* operator->() const { return overlay.get(); }
    std::uint64_t count(std::string_view counter) const {
        for (const auto& [key, value] : overlay->status().counters)
            if (key == counter) return value;
        return 0;
    }
};

class OverlayWorld {
  public:
    explicit OverlayWorld(std::uint64_t seed,
                          const std::vector<std::string>& domains = {"a.example", "b.example", "c.example"})
        : kit(seed), network(seed), seed_(seed) {
        for (const auto& domain : domains) kit.add_domain(domain);
        federation = kit.share();
        dht = std::make_unique<overlay::DhtFakeWorld>(federation, std::chrono::milliseconds{200});
    }

    /// A node of the domain, running, that knocks at the given ones.
    OverlayHost& add(const std::string& domain, const std::vector<OverlayHost*>& bootstrap = {}) {
        auto host = std::make_unique<OverlayHost>(kit.node(domain));
        host->name = domain + "#" + std::to_string(hosts_.size() + 1);
        host->endpoint = proto::Endpoint::v4(0x0a000001 + static_cast<std::uint32_t>(hosts_.size()), 4000);
        hosts_.push_back(std::move(host));
        start(*hosts_.back(), bootstrap);
        return *hosts_.back();
    }
    /// Starts it (again), with nothing but its keys.
    void start(OverlayHost& host, const std::vector<OverlayHost*>& bootstrap = {}) {
        host.random =
            std::make_unique<proto::SeededRandom>(seed_ * 1000 + host.endpoint.address[15] + 7919 * host.epoch);
        overlay::Settings settings{host.kit.key, host.kit.certificate, federation, host.advertised_before,
                                   host.epoch++};
        settings.advertised.push_back(host.endpoint);
        settings.verified = host.verified;
        settings.watches_per_domain = watches_per_domain;
        auto fake = std::make_unique<overlay::DhtFake>(*dht);
        host.dht = fake.get();
        host.overlay = std::make_unique<overlay::Overlay>(std::move(settings), std::move(fake), *host.random);
        std::vector<proto::Endpoint> endpoints;
        for (const auto* other : bootstrap) endpoints.push_back(other->endpoint);
        network.attach(host.endpoint, *host.overlay, [this, &host] { hear(host); });
        host->set_bootstrap(now(), endpoints);
    }
    void crash(OverlayHost& host) {
        network.detach(host.endpoint);
        host.overlay.reset();
    }
    /// All nodes read the kit's federation again.
    void reload_federation() {
        federation = kit.share();
        for (auto& host : hosts_)
            if (host->overlay) (*host)->set_federation(now(), federation);
    }
    proto::Now now() const { return network.now(); }

    FederationKit kit;
    std::shared_ptr<const proto::Federation> federation;
    VirtualNetwork network;
    std::unique_ptr<overlay::DhtFakeWorld> dht;
    std::size_t watches_per_domain = proto::limits::watches_per_domain;  ///< of nodes that start from now on

  private:
    struct Hearing {
        OverlayWorld& world;
        OverlayHost& host;
        void operator()(const overlay::WatchRequested& event) {
            host.requested.push_back(event);
            if (host.verdict) host->answer(world.now(), event.presentity, event.watcher, *host.verdict);
        }
        void operator()(const overlay::WatchCancelled& event) { host.cancelled.push_back(event); }
        void operator()(const overlay::WatchChanged& event) { ++host.changes[event.watch]; }
        void operator()(const overlay::SiblingFound& event) { host.siblings.insert(event.node); }
        void operator()(const overlay::RulesAsked& event) { host.rules_asked.push_back(event); }
        void operator()(const overlay::RulesTold& event) { host.rules_told.push_back(event); }
    };
    void hear(OverlayHost& host) {
        while (auto event = host->poll_event()) std::visit(Hearing{*this, host}, *event);
    }

    std::uint64_t seed_;
    std::vector<std::unique_ptr<OverlayHost>> hosts_;
};

/// The note of the one document a watch shows: "" when it shows none.
inline std::string note_of(const OverlayHost& host, overlay::WatchId watch) {
    std::string note;
    for (const auto& source : host->sources(watch)) {
        if (!source.document) continue;
        const auto presence = source.document->presence();
        for (const auto& service : presence.services)
            for (const auto& one : service.notes) note = one.text;
        for (const auto& one : presence.notes) note = one.text;
    }
    return note;
}

/// a.example's node publishes alice, b.example's node watches for bob.
struct Pair : OverlayWorld {
    explicit Pair(std::uint64_t seed = 1)
        : OverlayWorld(seed), source(add("a.example")), watcher(add("b.example", {&source})) {}

    void publish(const std::string& note) { source->set_document(now(), alice, 0, online("phone", note)); }
    overlay::WatchId watch() { return watcher->watch(now(), bob, alice); }
    /// Until the watch shows this note.
    bool shows(overlay::WatchId id, const std::string& note, proto::Duration at_most = std::chrono::minutes{1}) {
        return network.run_until([&] { return note_of(watcher, id) == note; }, at_most);
    }
    std::optional<overlay::Liveness> liveness(overlay::WatchId id) const {
        const auto sources = watcher->sources(id);
        return sources.empty() ? std::nullopt : std::optional(sources.front().liveness);
    }

    proto::PresentityUri alice = uri("alice@a.example");
    proto::PresentityUri bob = uri("bob@b.example");
    OverlayHost& source;
    OverlayHost& watcher;
};

/// a.example lets c.example's node publish for its users and ask for them, for so long; b.example's node watches.
struct Delegated : OverlayWorld {
    explicit Delegated(std::uint64_t seed, proto::Duration lasts = std::chrono::hours{24})
        : OverlayWorld(seed), before(federation), end(delegate_users(lasts)) {}

    proto::PresentityUri alice = uri("alice@a.example");
    proto::PresentityUri bob = uri("bob@b.example");
    std::shared_ptr<const proto::Federation> before;
    proto::WallTime end;
    OverlayHost& own = add("a.example");
    OverlayHost& delegate = add("c.example", {&own});
    OverlayHost& watcher = add("b.example", {&own});

  private:
    proto::WallTime delegate_users(proto::Duration lasts) {
        const auto ends = now().wall + lasts;
        kit.delegate("a.example", "c.example", ends);
        federation = kit.share();
        dht = std::make_unique<overlay::DhtFakeWorld>(federation, std::chrono::milliseconds{200});
        return ends;
    }
};

}  // namespace presmesh::testing
