// What an overlay says of itself: leases, repair in progress, how full its bounded places are, what it counted.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/overlay_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using overlay::Liveness;

namespace {

const overlay::PeerStatus* peer_of(const overlay::Status& status, const std::string& domain) {
    for (const auto& peer : status.peers)
        if (peer.domain == domain) return &peer;
    return nullptr;
}

std::size_t used(const OverlayHost& host, const std::string& name) {
    for (const auto& fill : host->status().fills)
        if (fill.name == name) return fill.used;
    FAIL("no such fill: ", name);
    return 0;
}

}  // namespace

TEST_CASE("a neighbour that falls silent is doubted, then unknown, then back, and each is counted") {
    Pair pair;
    pair.publish("here");
    const auto id = pair.watch();
    REQUIRE(pair.shows(id, "here"));
    pair.network.run_for(1min);
    auto status = pair.watcher->status();
    CHECK(status.crash_bound == 30s);
    REQUIRE(peer_of(status, "a.example") != nullptr);
    CHECK(peer_of(status, "a.example")->liveness == Liveness::live);
    CHECK(peer_of(status, "a.example")->watches_out == 1);
    REQUIRE(peer_of(status, "a.example")->heard_at);
    CHECK(pair.now().steady - *peer_of(status, "a.example")->heard_at < 15s);
    CHECK(std::find(status.gauges.begin(), status.gauges.end(), std::pair<std::string, std::uint64_t>("sessions", 1)) !=
          status.gauges.end());
    CHECK(std::none_of(status.counters.begin(), status.counters.end(),
                       [](const auto& c) { return c.first == "sessions"; }));

    pair.crash(pair.source);
    CHECK(pair.network.run_until([&] { return pair.liveness(id) == Liveness::stale; }, 20s));
    status = pair.watcher->status();
    REQUIRE(peer_of(status, "a.example") != nullptr);
    CHECK(peer_of(status, "a.example")->liveness == Liveness::stale);
    CHECK(pair.watcher.count("nodes_doubted") == 1);
    CHECK(pair.watcher.count("nodes_lost") == 0);
    pair.network.run_for(20s);
    status = pair.watcher->status();
    REQUIRE(peer_of(status, "a.example") != nullptr);
    CHECK(peer_of(status, "a.example")->liveness == Liveness::unknown);
    CHECK(pair.watcher.count("nodes_lost") == 1);
    CHECK(pair.watcher.count("nodes_back") == 0);

    pair.start(pair.source, {&pair.watcher});
    pair.publish("here");
    pair.network.run_for(2min);
    CHECK(peer_of(pair.watcher->status(), "a.example")->liveness == Liveness::live);
    CHECK(pair.watcher.count("nodes_back") == 1);
}

TEST_CASE("repair is seen while it lasts: watches to compare at one end, documents to send at the other") {
    Pair pair;
    for (int i = 0; i < 2'000; ++i)
        pair.source->set_document(pair.now(), uri("u" + std::to_string(i) + "@a.example"), 0, online("phone", "first"));
    for (int i = 0; i < 2'000; ++i)
        pair.watcher->watch(pair.now(), pair.bob, uri("u" + std::to_string(i) + "@a.example"));
    std::size_t asking = 0, sending = 0;
    for (int i = 0; i < 100; ++i) {
        pair.network.run_for(50ms);
        const auto there = pair.watcher->status(), here = pair.source->status();
        if (const auto* peer = peer_of(there, "a.example")) asking = std::max(asking, peer->asking);
        if (const auto* peer = peer_of(here, "b.example")) {
            sending = std::max(sending, peer->sending);
            CHECK(peer->in_flight <= peer->window);  // nothing is lost here
        }
    }
    CHECK(asking > 1'000);
    CHECK(asking <= 4'000);
    CHECK(sending > 100);
    CHECK(sending <= 2'000);
    pair.network.run_for(1min);
    CHECK(peer_of(pair.watcher->status(), "a.example")->asking == 0);
    CHECK(peer_of(pair.source->status(), "b.example")->sending == 0);
    CHECK(pair.source.count("channel_documents_sent") == 2'000);
    CHECK(pair.watcher.count("channel_documents_received") == 2'000);

    // A watcher that was cut off holds all of them still: digests tell, no document is sent.
    pair.crash(pair.source);
    pair.network.run_for(1min);
    pair.start(pair.source, {&pair.watcher});
    for (int i = 0; i < 2'000; ++i)
        pair.source->set_document(pair.now(), uri("u" + std::to_string(i) + "@a.example"), 0, online("phone", "first"));
    pair.network.run_for(2min);
    CHECK(pair.source.count("channel_documents_equal") == 2'000);
    CHECK(pair.source.count("channel_documents_sent") == 0);
}

TEST_CASE("what a newer document overtakes is counted as coalesced") {
    Pair pair;
    pair.publish("first");
    const auto id = pair.watch();
    REQUIRE(pair.shows(id, "first"));
    const auto before = pair.source.count("channel_documents_coalesced");
    pair.network.hardship.loss = 1;
    // The window fills up; what does not fit waits, and is overtaken while it does.
    for (int i = 0; i < 400; ++i) {
        pair.publish("change " + std::to_string(i));
        pair.network.run_for(1ms);
    }
    CHECK(pair.source.count("channel_documents_coalesced") > before + 100);
    pair.network.hardship.loss = 0;
    CHECK(pair.shows(id, "change 399"));
}

TEST_CASE("every bounded place of the overlay is told with its bound") {
    Pair pair;
    std::set<std::string> names;
    for (const auto& fill : pair.source->status().fills) {
        CHECK(fill.bound > 0);
        CHECK(fill.used <= fill.bound);
        CHECK(names.insert(fill.name).second);
    }
    for (const auto* name : {"nodes", "handshakes", "handshake_datagrams", "datagrams_out", "datagrams_in", "lookups",
                             "lookups_waiting", "listens", "records_known", "hellos", "peer_watches",
                             "peer_ended_watches", "peer_refused_watches", "peer_answers", "peer_documents_in_parts",
                             "certificates_verified", "delegations_verified", "records_verified"})
        CHECK(names.contains(name));
}

TEST_CASE("what is bounded for each peer is told of the fullest one") {
    Pair pair;
    auto& other = pair.add("c.example", {&pair.source});
    const auto user = [](int i) { return uri("u" + std::to_string(i) + "@a.example"); };
    const auto carol = uri("carol@c.example");
    pair.network.run_for(1min);
    std::vector<overlay::WatchId> watches;
    for (int i = 0; i < 5; ++i) watches.push_back(pair.watcher->watch(pair.now(), pair.bob, user(i)));
    for (int i = 0; i < 3; ++i) other->watch(pair.now(), carol, user(i));
    pair.network.run_for(1min);
    CHECK(used(pair.source, "peer_watches") == 5);
    CHECK(used(pair.watcher, "peer_watches") == 0);
    CHECK(used(pair.source, "peer_ended_watches") == 0);
    for (int i = 0; i < 4; ++i) pair.watcher->unwatch(pair.now(), watches[static_cast<std::size_t>(i)]);
    pair.network.run_for(1min);
    CHECK(used(pair.source, "peer_watches") == 3);
    CHECK(used(pair.source, "peer_ended_watches") == 4);

    CHECK(used(pair.watcher, "certificates_verified") > 0);
    CHECK(used(pair.watcher, "records_verified") > 0);
    pair.publish(std::string(20'000, 'x'));
    pair.watch();
    pair.network.hardship.loss = 0.3;  // some parts have to be sent again
    std::size_t in_parts = 0, answers = 0;
    for (int i = 0; i < 1'000; ++i) {
        pair.network.run_for(1ms);
        in_parts = std::max(in_parts, used(pair.watcher, "peer_documents_in_parts"));
        answers = std::max(answers, used(pair.source, "peer_answers"));
    }
    CHECK(in_parts == 1);
    CHECK(answers == 1);
    pair.network.hardship.loss = 0;
    pair.network.run_for(1min);
    CHECK(used(pair.watcher, "peer_documents_in_parts") == 0);
    CHECK(used(pair.source, "peer_answers") == 0);
}

TEST_CASE("a watched node whose session has ended is told without an endpoint, and not at all once nobody watches") {
    Pair pair;
    pair.publish("here");
    const auto id = pair.watch();
    REQUIRE(pair.shows(id, "here"));
    REQUIRE(peer_of(pair.watcher->status(), "a.example") != nullptr);
    CHECK(peer_of(pair.watcher->status(), "a.example")->endpoint == pair.source.endpoint);
    pair.crash(pair.source);
    const auto has_ended = [&] {
        const auto status = pair.watcher->status();
        const auto* peer = peer_of(status, "a.example");
        return peer == nullptr || !peer->endpoint;
    };
    REQUIRE(pair.network.run_until(has_ended, 3 * proto::limits::session_rekey_age));
    const auto status = pair.watcher->status();
    REQUIRE(peer_of(status, "a.example") != nullptr);
    CHECK(peer_of(status, "a.example")->liveness == Liveness::unknown);
    CHECK(peer_of(status, "a.example")->watches_out == 1);
    pair.watcher->unwatch(pair.now(), id);
    pair.network.run_for(1min);
    CHECK(peer_of(pair.watcher->status(), "a.example") == nullptr);
}

TEST_CASE("records that wait for their turn are told") {
    Pair pair;
    pair.network.run_for(2 * proto::limits::join_time);
    for (int i = 0; i < 1'000; ++i)
        pair.source->set_document(pair.now(), uri("u" + std::to_string(i) + "@a.example"), 0, online());
    pair.network.run_for(10s);
    const auto waiting = pair.source->status().records_waiting;
    CHECK(waiting > 700);
    CHECK(waiting < 850);
    pair.network.run_for(1min);
    CHECK(pair.source->status().records_waiting == 0);
}

TEST_CASE("changes that wait to be told in records are counted apart: nothing is amiss") {
    Pair pair;
    const auto publish = [&](const std::string& note) {
        for (int i = 0; i < 200; ++i)
            pair.source->set_document(pair.now(), uri("u" + std::to_string(i) + "@a.example"), 0,
                                      online("phone", note));
    };
    const auto waiting = [&] {
        const auto gauges = pair.source->status().gauges;
        const auto found = std::find_if(gauges.begin(), gauges.end(),
                                        [](const auto& gauge) { return gauge.first == "record_changes_waiting"; });
        return found == gauges.end() ? 0 : found->second;
    };
    publish("here");
    pair.network.run_for(4 * proto::limits::join_time + proto::limits::record_rewrite_least);
    CHECK(waiting() == 0);
    publish("away");
    pair.network.run_for(10s);
    CHECK(waiting() > 60);
    CHECK(waiting() < 120);
    CHECK(pair.source->status().records_waiting == 0);
    pair.network.run_for(15s);
    CHECK(waiting() == 0);
}
