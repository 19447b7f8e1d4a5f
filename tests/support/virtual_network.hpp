// A small deterministic world of datagrams in virtual time: hosts at endpoints, one queue ordered by (time, number),
// and hardship as data. A host is anything with the five verbs (an Overlay, a Node). Nothing here sleeps or reads a
// clock.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::testing {

struct Hardship {
    proto::Duration latency = std::chrono::milliseconds{50};  ///< one way
    proto::Duration jitter{0};                                ///< added, uniform in [0, jitter]: reorders
    double loss = 0;                                          ///< share of datagrams lost
    double duplicates = 0;                                    ///< share of datagrams that come twice
};

class VirtualNetwork {
  public:
    explicit VirtualNetwork(std::uint64_t seed) : random_(seed) {}

    Hardship hardship;
    proto::Duration wall_ahead{0};  ///< what all the wall clocks were set forward by
    /// Sees every datagram as it is sent, lost ones too.
    std::function<void(const proto::Endpoint& from, const proto::Endpoint& to, const proto::Bytes& bytes)> on_send;

    /// An hour after the clocks' origin; wall time within the certificates of FederationKit.
    proto::Now now() const {
        return {proto::SteadyTime{std::chrono::hours{1}} + elapsed_,
                proto::wall_from_seconds(1'800'000'000) + elapsed_ + wall_ahead};
    }
    proto::Duration elapsed() const { return elapsed_; }

    /// `after_turn` runs after every call into the host; there the test fetches the host's events, and may call it.
    template <class HostType>
    void attach(const proto::Endpoint& at, HostType& host, std::function<void()> after_turn = {}) {
        Host made;
        made.input = [&host](proto::Now now, const proto::Endpoint& from, proto::BytesView bytes) {
            host.handle_input(now, from, bytes);
        };
        made.timeout = [&host](proto::Now now) { host.handle_timeout(now); };
        made.next = [&host] { return host.next_timeout(); };
        made.poll = [&host] { return host.poll_output(); };
        made.after_turn = std::move(after_turn);
        hosts_[at] = std::move(made);
    }
    /// As a crash: the host is called no more, what is on its way to it is lost.
    void detach(const proto::Endpoint& at) { hosts_.erase(at); }

    /// Datagrams between this side and the rest are lost until heal().
    void partition(std::set<proto::Endpoint> side) { side_ = std::move(side); }
    void heal() { side_.clear(); }

    void run_for(proto::Duration span) {
        const auto end = elapsed_ + span;
        while (step(end)) {
        }
        elapsed_ = end;
    }
    /// False when the condition did not come true in time. Checked after every turn.
    bool run_until(const std::function<bool()>& condition, proto::Duration at_most = std::chrono::minutes{1}) {
        const auto end = elapsed_ + at_most;
        collect();
        while (!condition())
            if (!step(end)) return false;
        return true;
    }

    std::size_t sent() const { return sent_; }

  private:
    struct Host {
        std::function<void(proto::Now, const proto::Endpoint&, proto::BytesView)> input;
        std::function<void(proto::Now)> timeout;
        std::function<proto::SteadyTime()> next;
        std::function<std::optional<proto::Datagram>()> poll;
        std::function<void()> after_turn;
    };
    struct Travelling {
        proto::Endpoint from;
        proto::Endpoint to;
        proto::Bytes bytes;
    };

    double chance() { return static_cast<double>(random_.below(1'000'000)) / 1'000'000; }

    /// One turn at or before `end`; false when there is none.
    bool step(proto::Duration end) {
        collect();
        auto when = queue_.empty() ? proto::Duration::max() : queue_.begin()->first.first;
        const Host* sleeper = nullptr;
        for (const auto& [at, host] : hosts_) {
            const auto next = host.next();
            if (next == proto::never) continue;
            const auto due =
                std::max(elapsed_, proto::Duration{next.time_since_epoch()} - proto::Duration{std::chrono::hours{1}});
            if (due >= when) continue;
            when = due;
            sleeper = &host;
        }
        if (when > end) return false;
        elapsed_ = when;
        if (sleeper != nullptr)
            sleeper->timeout(now());
        else
            deliver();
        collect();
        return true;
    }

    void deliver() {
        auto travelling = std::move(queue_.begin()->second);
        queue_.erase(queue_.begin());
        if (auto host = hosts_.find(travelling.to); host != hosts_.end() && !side_differs(travelling))
            host->second.input(now(), travelling.from, travelling.bytes);
    }

    /// Lets the test see every host's events, and takes what the hosts want to send.
    void collect() {
        for (auto& [at, host] : hosts_) {
            if (host.after_turn) host.after_turn();
            while (auto datagram = host.poll()) send(at, std::move(*datagram));
        }
    }

    void send(const proto::Endpoint& from, proto::Datagram datagram) {
        ++sent_;
        if (on_send) on_send(from, datagram.to, datagram.bytes);
        if (hardship.loss > 0 && chance() < hardship.loss) return;
        const bool twice = hardship.duplicates > 0 && chance() < hardship.duplicates;
        for (int i = 0; i < (twice ? 2 : 1); ++i) {
            auto delay = hardship.latency;
            if (hardship.jitter.count() > 0)
                delay += proto::Duration{random_.below(static_cast<std::uint64_t>(hardship.jitter.count()) + 1)};
            queue_.emplace(std::pair{elapsed_ + delay, ++number_}, Travelling{from, datagram.to, datagram.bytes});
        }
    }

    bool side_differs(const Travelling& t) const { return side_.contains(t.from) != side_.contains(t.to); }

    proto::SeededRandom random_;
    proto::Duration elapsed_{0};
    std::uint64_t number_ = 0;
    std::size_t sent_ = 0;
    std::map<proto::Endpoint, Host> hosts_;
    std::map<std::pair<proto::Duration, std::uint64_t>, Travelling> queue_;
    std::set<proto::Endpoint> side_;
};

}  // namespace presmesh::testing
