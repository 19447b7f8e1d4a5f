// Whole nodes on one virtual network: latency the same everywhere, nothing lost, a DHT that is one shared table. Time
// moves from event to event.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/diagnostics.hpp"
#include "node/node.hpp"
#include "node/store.hpp"
#include "overlay/dht_fake.hpp"
#include "proto/assert.hpp"
#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"
#include "tests/support/presence.hpp"

namespace presmesh::testing {

class NodeWorld {
  public:
    /// One node of a provider. The world owns it; translators belong to the test and must outlive it.
    struct Provider {
        std::string name;  ///< "a.example", or "a.example/2" where the provider has more than one
        std::string domain;
        proto::Endpoint endpoint;
        std::unique_ptr<proto::SigningKey> key;
        proto::Certificate certificate;
        node::ServiceSettings service;                          ///< the test may change it before start()
        std::optional<std::vector<proto::Endpoint>> bootstrap;  ///< none: every other node
        std::vector<translators::Translator*> translators;
        node::MemoryStore store;
        node::RecordingDiagnostics diagnostics;
        std::unique_ptr<proto::SeededRandom> random;
        std::unique_ptr<node::Node> node;
        proto::SteadyTime busy_until{};  ///< where turns take time
        std::uint64_t datagrams_handled = 0;
        bool dies_uncommitted = false;  ///< in its next turn(), having told what may leave, before that is committed
        /// Called after each turn of this node, for translators that have output of their own.
        std::function<void(proto::Now)> after_turn;
    };

    /// A node of its own for each name; what follows a slash tells nodes of one domain apart.
    NodeWorld(const std::vector<std::string>& names, proto::Duration latency)
        : latency_(latency), dice_(std::make_unique<proto::SeededRandom>(1)) {
        auto federation = std::make_shared<proto::Federation>();
        for (const std::string& name : names) add(*federation, name);
        federation_ = federation;
        dht_ = std::make_unique<overlay::DhtFakeWorld>(federation_, latency);
    }

    Provider& operator[](const std::string& name) { return *providers_.at(name); }
    proto::Now now() const { return now_; }

    void start_all() {
        for (auto& [name, provider] : providers_) start(*provider);
    }
    void start(Provider& p) {
        node::NodeSettings settings{*p.key, p.certificate, federation_, {p.endpoint}, crash_bound, p.service};
        p.node = std::make_unique<node::Node>(now_, std::move(settings), std::make_unique<overlay::DhtFake>(*dht_),
                                              p.store, *p.random, p.diagnostics);
        for (auto* translator : p.translators) p.node->add_translator(*translator);
        p.node->start(now_);
        turn(p, [&](proto::Now at) { p.node->set_bootstrap(at, p.bootstrap.value_or(everyone_but(p))); });
    }
    /// Without a word, losing what was not committed.
    void crash(Provider& p) {
        p.node.reset();
        p.store.crash();
        p.dies_uncommitted = false;
    }
    /// The disk goes too: it comes back as if it were new, with the keys it had.
    void crash_and_lose_disk(Provider& p) {
        crash(p);
        p.store = {};
    }
    void stop(Provider& p) {
        p.node->stop(now_);
        send_output(p);
        p.node.reset();
    }

    /// Work of the outside inside one turn of a node, whose output leaves as soon as the daemon's does.
    void turn(Provider& p, const std::function<void(proto::Now)>& work) {
        const auto before = p.diagnostics.calls;
        work(now_);
        const bool may_tell = p.node->settle(now_);
        p.busy_until = std::max(now_.steady, p.busy_until) +
                       (per_turn + per_step * static_cast<int>(p.diagnostics.calls - before));
        if (may_tell) send_output(p);
        if (p.dies_uncommitted) return crash(p);
        p.node->end_turn(now_);
        send_output(p);
        if (p.after_turn) p.after_turn(now_);
    }

    void run_for(proto::Duration duration) {
        run_until([] { return false; }, duration);
    }
    /// True when `done` came to hold, checked after every event. Time then stands at that event.
    bool run_until(const std::function<bool()>& done, proto::Duration at_most) {
        const auto end = now_.steady + at_most;
        while (!done()) {
            const auto next = next_event();
            if (next > end) {
                advance(end);
                return false;
            }
            advance(next);
            step();
        }
        return true;
    }

    proto::Duration crash_bound = std::chrono::seconds{30};
    proto::Duration jitter{0};  ///< added to the latency, uniform in [0, jitter]: reorders
    double loss = 0;            ///< share of datagrams lost
    /// What a turn takes of a node's one processor, and each step and count in it: what comes meanwhile waits.
    proto::Duration per_turn{0};
    proto::Duration per_step{0};

  private:
    struct Flight {
        proto::Endpoint from;
        proto::Datagram datagram;
    };

    void add(proto::Federation& federation, const std::string& name) {
        auto p = std::make_unique<Provider>();
        const auto number = static_cast<std::uint32_t>(providers_.size());
        const auto domain = name.substr(0, name.find('/'));
        p->name = name;
        p->domain = domain;
        p->endpoint = proto::Endpoint::v4(0x0a000001 + number, 4000);
        if (!domain_keys_.contains(domain)) domain_keys_.emplace(domain, proto::SigningKey::generate(*dice_));
        const auto& domain_key = domain_keys_.at(domain);
        p->key = std::make_unique<proto::SigningKey>(proto::SigningKey::generate(*dice_));
        p->certificate =
            proto::Certificate::issue(domain_key, domain, p->key->public_key(), proto::role_store | proto::role_publish,
                                      now_.wall - std::chrono::hours{1}, now_.wall + std::chrono::hours{9000});
        p->random = std::make_unique<proto::SeededRandom>(100 + number);
        federation.add({domain, domain_key.public_key(), {}, {}, {}});
        providers_.emplace(name, std::move(p));
    }

    std::vector<proto::Endpoint> everyone_but(const Provider& self) const {
        std::vector<proto::Endpoint> out;
        for (const auto& [name, provider] : providers_)
            if (provider.get() != &self) out.push_back(provider->endpoint);
        return out;
    }

    void send_output(Provider& p) {
        while (auto datagram = p.node->poll_output()) {
            if (loss > 0 && static_cast<double>(dice_->below(1'000'000)) < loss * 1e6) continue;
            auto delay = latency_;
            if (jitter.count() > 0)
                delay += proto::Duration{dice_->below(static_cast<std::uint64_t>(jitter.count()) + 1)};
            in_flight_.emplace(std::max(now_.steady, p.busy_until) + delay, Flight{p.endpoint, std::move(*datagram)});
        }
    }

    proto::SteadyTime next_event() const {
        auto next = in_flight_.empty() ? proto::never : in_flight_.begin()->first;
        for (const auto& [name, p] : providers_)
            if (p->node) next = std::min(next, std::max({p->node->next_timeout(), now_.steady, p->busy_until}));
        return next;
    }

    void advance(proto::SteadyTime to) {
        same_instant_ = to > now_.steady ? 0 : same_instant_ + 1;
        PRESMESH_ASSERT(same_instant_ < 100'000);  // somebody asks for a wake-up now, and again, and again
        now_.wall += to - now_.steady;
        now_.steady = to;
    }

    void step() {
        while (!in_flight_.empty() && in_flight_.begin()->first <= now_.steady) {
            Flight flight = std::move(in_flight_.begin()->second);
            in_flight_.erase(in_flight_.begin());
            for (auto& [name, provider] : providers_) {
                auto* p = provider.get();
                if (!p->node || !(p->endpoint == flight.datagram.to)) continue;
                if (p->busy_until > now_.steady) {  // behind what waits there already
                    in_flight_.emplace(p->busy_until, std::move(flight));
                    break;
                }
                ++p->datagrams_handled;
                turn(*p, [&](proto::Now at) { p->node->handle_input(at, flight.from, flight.datagram.bytes); });
            }
        }
        for (auto& [name, provider] : providers_) {
            auto* p = provider.get();
            if (p->node && std::max(p->node->next_timeout(), p->busy_until) <= now_.steady)
                turn(*p, [&](proto::Now at) { p->node->handle_timeout(at); });
        }
    }

    proto::Duration latency_;
    proto::Now now_ = at(std::chrono::seconds{0});
    std::unique_ptr<proto::SeededRandom> dice_;
    std::map<std::string, proto::SigningKey> domain_keys_;
    overlay::FederationPtr federation_;
    std::unique_ptr<overlay::DhtFakeWorld> dht_;
    std::map<std::string, std::unique_ptr<Provider>> providers_;
    std::multimap<proto::SteadyTime, Flight> in_flight_;
    int same_instant_ = 0;
};

}  // namespace presmesh::testing
