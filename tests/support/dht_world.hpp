// Real OpenDHT objects on a queued network in virtual time.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "overlay/dht_node.hpp"
#include "tests/support/os_shim.hpp"
#include "tests/support/record_kit.hpp"

namespace presmesh::testing {

using namespace std::chrono_literals;

/// What the nodes can speak; they reach each other over IPv4 where they can.
enum class Families { ipv4, ipv6, both };
using Wires = std::vector<proto::Bytes>;

/// One node, and what it was told.
struct DhtMember {
    NodeKit kit;
    proto::Endpoint endpoint;
    std::unique_ptr<overlay::DhtNode> node;
    proto::VerificationCachePtr verified = std::make_shared<proto::VerificationCache>();
    std::map<overlay::LookupId, std::vector<proto::Bytes>> found{};
    std::map<overlay::LookupId, bool> done{};
    std::vector<overlay::RecordGone> gone{};
};

struct Flying {
    proto::SteadyTime arrives;
    std::size_t from;
    overlay::DhtPacket packet;  ///< as sent: `peer` is the receiver
};

struct DhtWorld {
    VirtualTime clock{11};
    FederationKit kit{4};
    proto::Now now{proto::SteadyTime{1000s}, proto::wall_from_seconds(kit_epoch_s)};
    std::vector<DhtMember> members;
    std::deque<Flying> air;
    std::function<void(Flying&)> on_send = [](Flying&) {};
    std::size_t packets = 0;
    int shards;
    Families families;
    overlay::RecordQuotas quotas;  ///< of all but the first node

    DhtWorld(std::size_t nodes, std::uint8_t shards_each, Families spoken = Families::ipv4,
             overlay::RecordQuotas lower = {})
        : shards(shards_each), families(spoken), quotas(lower) {
        clock.set(now);
        kit.add_domain("a.example");
        kit.add_domain("b.example");
        for (std::size_t i = 0; i < nodes; ++i) add(i % 2 == 0 ? "a.example" : "b.example", shards_each);
        for (std::size_t i = 1; i < nodes; ++i) members[i].node->bootstrap(now, members[0].endpoint);
        run(60s);
    }
    void add(const std::string& domain, std::uint8_t shards_of_it) {
        DhtMember member{kit.node(domain), address(members.size() + 1), {}};
        overlay::DhtSettings settings;
        settings.node_key = member.kit.key.public_key();
        settings.federation = kit.share();
        settings.own = {member.endpoint};
        settings.shards = shards_of_it;
        settings.verified = member.verified;
        settings.ipv4 = families != Families::ipv6;
        settings.ipv6 = families != Families::ipv4;
        if (!members.empty()) settings.quotas = quotas;
        member.node = std::make_unique<overlay::DhtNode>(settings);
        members.push_back(std::move(member));
    }
    proto::Endpoint address(std::size_t number) const {
        if (families != Families::ipv6)
            return proto::Endpoint::v4(0x0a000000 + static_cast<std::uint32_t>(number), 4000);
        return proto::Endpoint::parse("[2001:db8::" + std::to_string(number) + "]:4000").value();
    }
    void collect(std::size_t at) {
        DhtMember& member = members[at];
        while (auto packet = member.node->poll_output()) {
            Flying flying{now.steady + 10ms, at, std::move(*packet)};
            on_send(flying);
            ++packets;
            air.push_back(std::move(flying));
        }
        while (auto event = member.node->poll_event()) {
            if (auto* one = std::get_if<overlay::RecordFound>(&*event)) member.found[one->lookup].push_back(one->wire);
            if (auto* one = std::get_if<overlay::LookupDone>(&*event)) member.done[one->lookup] = one->ok;
            if (auto* one = std::get_if<overlay::RecordGone>(&*event)) member.gone.push_back(*one);
        }
    }
    proto::SteadyTime next() const {
        proto::SteadyTime next = air.empty() ? proto::never : air.front().arrives;
        for (const DhtMember& member : members) next = std::min(next, member.node->next_timeout());
        return next;
    }
    void advance_to(proto::SteadyTime to) {
        now.wall += to - now.steady;
        now.steady = to;
        clock.set(now);
    }
    void run(proto::Duration span) {
        const auto end = now.steady + span;
        for (std::size_t i = 0; i < members.size(); ++i) collect(i);
        while (next() <= end) {
            advance_to(std::max(now.steady, next()));
            while (!air.empty() && air.front().arrives <= now.steady) {
                const Flying flying = std::move(air.front());
                air.pop_front();
                deliver(flying);
            }
            for (std::size_t i = 0; i < members.size(); ++i) {
                if (members[i].node->next_timeout() <= now.steady) members[i].node->handle_timeout(now);
                collect(i);
            }
        }
        advance_to(end);
    }
    void deliver(const Flying& flying) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (members[i].endpoint != flying.packet.peer) continue;
            overlay::DhtPacket packet = flying.packet;
            packet.peer = members[flying.from].endpoint;
            std::swap(packet.own_shard, packet.peer_shard);
            members[i].node->handle_input(now, packet, members[flying.from].kit.key.public_key());
            collect(i);
        }
    }
    proto::Record record(std::size_t by, const std::string& who, std::uint64_t counter,
                         proto::Duration lifetime = 20h) const {
        return record_of(members[by].kit, *kit.share(), who, counter, lifetime);
    }
    proto::DhtKey key(const proto::Record& record) const { return record.dht_key(kit.share()->key); }
    void put(std::size_t at, const proto::Record& record) {
        members[at].node->put(now, key(record), record.value_id(), record.wire);
        run(5s);
    }
    std::vector<proto::Bytes> get(std::size_t at, const proto::DhtKey& key) {
        const overlay::LookupId lookup = members[at].node->get(now, key);
        run(20s);
        CHECK(members[at].done.count(lookup) == 1);
        return members[at].found[lookup];
    }
    /// How many shards of all nodes are nearer to the key than this one.
    std::size_t nearer(const proto::DhtKey& key, std::size_t node, int shard) const {
        const auto distance = [&](const DhtMember& member, int of) {
            auto id = proto::kademlia_id(member.kit.key.public_key(), static_cast<std::uint8_t>(of));
            for (std::size_t at = 0; at < id.size(); ++at) id[at] ^= key[at];
            return id;
        };
        std::size_t count = 0;
        for (const DhtMember& member : members)
            for (int of = 0; of < shards; ++of) count += distance(member, of) < distance(members[node], shard) ? 1 : 0;
        return count;
    }
    std::size_t stored() const {
        std::size_t sum = 0;
        for (const DhtMember& member : members) sum += member.node->status().stored_records;
        return sum;
    }
    std::uint64_t count(const std::string& name) const {
        std::uint64_t sum = 0;
        for (const DhtMember& member : members) {
            for (const auto& [counter, value] : member.node->counters()) sum += counter == name ? value : 0;
        }
        return sum;
    }
};

}  // namespace presmesh::testing
