// Sealed transports of a few nodes on a small network whose datagrams a test may drop, change, keep and replay.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>

#include "overlay/handshake.hpp"
#include "overlay/sealed_transport.hpp"
#include "tests/support/federation_kit.hpp"

namespace presmesh::testing {

using namespace presmesh::overlay;
using namespace std::chrono_literals;

inline proto::Endpoint address(std::uint32_t host) {
    return proto::Endpoint::v4(0x0a000000 + host, 4000);
}

struct TransportHost {
    NodeKit kit;
    proto::Endpoint endpoint;
    proto::SeededRandom random;
    std::unique_ptr<SealedTransport> transport;
    std::vector<Received> received;
    std::vector<PeerUp> up;
    std::vector<PeerDown> down;
    std::vector<ConnectFailed> failed;

    TransportHost(NodeKit node, std::uint32_t host) : kit(std::move(node)), endpoint(address(host)), random(host) {}
    proto::NodeId id() const { return kit.id(); }
    std::uint64_t count(std::string_view name) const {
        for (const auto& [counter, value] : transport->counters()) {
            if (counter == name) return value;
        }
        return 0;
    }
    std::vector<std::string> texts() const {
        std::vector<std::string> out;
        for (const Received& one : received) out.emplace_back(proto::as_text(one.bytes));
        return out;
    }
};

inline proto::Bytes bytes_of(std::string_view text) {
    const auto view = proto::as_bytes(text);
    return {view.begin(), view.end()};
}

struct SeenDatagram {
    proto::Endpoint from;
    proto::Datagram datagram;
    proto::SteadyTime arrives;
};

/// Hosts, one constant delay, and a filter that may drop or change what flies.
struct TransportWorld {
    FederationKit federation{7};
    proto::Now now{proto::SteadyTime{100s}, proto::wall_from_seconds(kit_epoch_s)};
    proto::Duration delay = 10ms;
    std::map<proto::Endpoint, std::unique_ptr<TransportHost>> hosts;
    std::deque<SeenDatagram> air;
    std::vector<SeenDatagram> seen;
    std::function<bool(SeenDatagram&)> filter = [](SeenDatagram&) { return true; };

    TransportWorld() {
        federation.add_domain("a.example");
        federation.add_domain("b.example");
        federation.add_domain("c.example");
    }
    TransportHost& add(const std::string& domain, std::uint32_t host) { return add(federation.node(domain), host); }
    TransportHost& add(NodeKit kit, std::uint32_t host) {
        auto made = std::make_unique<TransportHost>(std::move(kit), host);
        start(*made);
        return *(hosts[address(host)] = std::move(made));
    }
    void start(TransportHost& host) {
        host.transport =
            std::make_unique<SealedTransport>(host.kit.key, host.kit.certificate, federation.share(), host.random);
    }
    void collect(TransportHost& host) {
        while (auto datagram = host.transport->poll_output()) {
            SeenDatagram flight{host.endpoint, std::move(*datagram), now.steady + delay};
            if (filter(flight)) {
                seen.push_back(flight);
                air.push_back(std::move(flight));
            }
        }
        while (auto event = host.transport->poll_event()) {
            if (auto* one = std::get_if<Received>(&*event)) host.received.push_back(std::move(*one));
            if (auto* one = std::get_if<PeerUp>(&*event)) host.up.push_back(*one);
            if (auto* one = std::get_if<PeerDown>(&*event)) host.down.push_back(*one);
            if (auto* one = std::get_if<ConnectFailed>(&*event)) host.failed.push_back(*one);
        }
    }
    void collect_all() {
        for (auto& [endpoint, host] : hosts) collect(*host);
    }
    proto::SteadyTime next() const {
        proto::SteadyTime next = proto::never;
        for (const auto& [endpoint, host] : hosts) next = std::min(next, host->transport->next_timeout());
        return air.empty() ? next : std::min(next, air.front().arrives);
    }
    void advance_to(proto::SteadyTime to) {
        now.wall += to - now.steady;
        now.steady = to;
    }
    void run(proto::Duration span) {
        const auto end = now.steady + span;
        collect_all();
        while (next() <= end) {
            advance_to(std::max(now.steady, next()));
            while (!air.empty() && air.front().arrives <= now.steady) {
                const SeenDatagram flight = std::move(air.front());
                air.pop_front();
                inject(flight);
            }
            for (auto& [endpoint, host] : hosts) {
                if (host->transport->next_timeout() <= now.steady) host->transport->handle_timeout(now);
            }
            collect_all();
        }
        advance_to(end);
    }
    void inject(const SeenDatagram& flight) {
        const auto to = hosts.find(flight.datagram.to);
        if (to == hosts.end()) return;
        to->second->transport->handle_input(now, flight.from, flight.datagram.bytes);
        collect(*to->second);
    }
    void say(TransportHost& from, TransportHost& to, std::string_view text) {
        CHECK(from.transport->send_to(now, to.endpoint, channel_port, channel_port, bytes_of(text)).has_value());
    }
    static MessageKind kind(const SeenDatagram& flight) {
        return static_cast<MessageKind>(flight.datagram.bytes.at(0));
    }
    SeenDatagram last(MessageKind kind_wanted) const {
        for (auto it = seen.rbegin(); it != seen.rend(); ++it) {
            if (kind(*it) == kind_wanted) return *it;
        }
        FAIL("no such datagram was sent");
        return {};
    }
};

struct TransportPair : TransportWorld {
    TransportHost& alice = add("a.example", 1);
    TransportHost& bob = add("b.example", 2);
    void open() {
        say(alice, bob, "open");
        run(200ms);
        REQUIRE(bob.texts() == std::vector<std::string>{"open"});
        say(bob, alice, "opened");
        run(200ms);
        bob.received.clear();
        alice.received.clear();
    }
};

}  // namespace presmesh::testing
