// What operators see: leases, repair, how full every bounded place is, what was coalesced or refused and why.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "node/cli/status_text.hpp"
#include "node/daemon/node_report.hpp"
#include "proto/rfc3339.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::daemon;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

overlay::PeerStatus peer(const std::string& domain, overlay::Liveness liveness, std::size_t watches_out,
                         std::size_t asking = 0, std::size_t sending = 0) {
    overlay::PeerStatus out;
    out.domain = domain;
    if (liveness != overlay::Liveness::unknown) out.endpoint = proto::Endpoint::v4(0xc0000201, 4000);
    out.liveness = liveness;
    out.watches_out = watches_out;
    out.heard_at = at(1s).steady;
    out.asking = asking;
    out.sending = sending;
    return out;
}

NodeReport busy_node() {
    NodeReport report;
    report.steady = at(16s).steady;
    report.overlay.crash_bound = 30s;
    report.overlay.peers = {peer("b.example", overlay::Liveness::live, 10, 3, 4),
                            peer("c.example", overlay::Liveness::stale, 5, 2, 0),
                            peer("d.example", overlay::Liveness::unknown, 1),
                            peer("e.example", overlay::Liveness::live, 0, 0, 5)};  // not followed
    report.links = {{"xmpp.x.example/a.example", translators::LinkState::up, {}, at(2s).wall},
                    {"xmpp.x.example/k.example", translators::LinkState::down, "not-authorized", at(3s).wall},
                    {"sip.attach", translators::LinkState::untried, {}, at(0s).wall}};
    report.overlay.records_waiting = 1'200;
    report.overlay.fills = {{"lookups", 7, 32}, {"datagrams_in", 100, 16'384}};
    report.overlay.counters = {{"refused_expired", 2},
                               {"refused_replayed", 0},
                               {"channel_refused_rate_limited", 30},
                               {"dht_refused_quota", 4},
                               {"dropped_output", 5},
                               {"dropped_queue", 0},
                               {"channel_watches_delayed", 6},
                               {"channel_documents_coalesced", 8},
                               {"channel_documents_bad", 9}};
    report.overlay.gauges = {{"sessions", 4}, {"sessions_held", 2}};
    report.service.changes_held = 2;
    report.service.changes_coalesced = 1'000;
    report.service.views_coalesced = 11;
    report.service.fills = {{"presentities", 5, 250'000}};
    report.fills = {{"http_connections", 1, 1'000}};
    report.counters = {{{"service_publish", "ok"}, 50},
                       {{"service_publish", "too_large"}, 12},
                       {{"xmpp_dropped", "resources"}, 13},
                       {{"http_responses", "404"}, 14},
                       {{"http_refused", "rate_limited"}, 15}};
    return report;
}

}  // namespace

TEST_CASE("leases and repair, of the nodes that are followed") {
    const auto report = busy_node();
    const auto lease = leases(report);
    CHECK(lease.live == 1);
    CHECK(lease.stale == 1);
    CHECK(lease.unknown == 1);
    const auto work = repair(report);
    CHECK(work.asking == 5);
    CHECK(work.sending == 9);
    CHECK(work.records_waiting == 1'200);
    CHECK(work.lookups == 7);
}

TEST_CASE("refusals by part and reason: every one that happened, and nothing else") {
    const std::vector<Refused> all = {{"channel", "malformed_document", 9}, {"channel", "rate_limited", 30},
                                      {"channel", "watches_too_fast", 6},   {"dht", "quota", 4},
                                      {"http_refused", "rate_limited", 15}, {"service_publish", "too_large", 12},
                                      {"transport", "expired", 2},          {"transport", "queue_full_out", 5},
                                      {"xmpp_dropped", "resources", 13}};
    CHECK(refusals(busy_node()) == all);
}

TEST_CASE("/v1/node tells it all") {
    const auto json = nlohmann::json::parse(report_to_json(busy_node()));
    CHECK(json["leases"] == nlohmann::json{{"bound_ms", 30'000}, {"live", 1}, {"stale", 1}, {"unknown", 1}});
    CHECK(json["repair"] == nlohmann::json{{"asking", 5}, {"sending", 9}, {"records_waiting", 1'200}, {"lookups", 7}});
    CHECK(json["queues"]["datagrams_in"] == nlohmann::json{{"used", 100}, {"bound", 16'384}});
    CHECK(json["queues"]["presentities"] == nlohmann::json{{"used", 5}, {"bound", 250'000}});
    CHECK(json["queues"]["http_connections"] == nlohmann::json{{"used", 1}, {"bound", 1'000}});
    CHECK(json["refused"]["channel"]["rate_limited"] == 30);
    CHECK_FALSE(json["refused"].contains("http_responses"));
    CHECK(json["coalesced"] == nlohmann::json{{"changes", 1'000}, {"views", 11}, {"channel_documents", 8}});
    CHECK(json["service"]["changes_held"] == 2);
    CHECK(json["overlay"]["state"] == nlohmann::json{{"sessions", 4}, {"sessions_held", 2}});
    CHECK(json["overlay"]["peers"][1]["liveness"] == "stale");
    CHECK(json["overlay"]["peers"][1]["silent_ms"] == 15'000);
    CHECK(json["overlay"]["peers"][0]["asking"] == 3);
    CHECK(json["links"][0] ==
          nlohmann::json{{"name", "xmpp.x.example/a.example"}, {"state", "up"}, {"since", to_rfc3339(at(2s).wall)}});
    CHECK(json["links"][1]["state"] == "down");
    CHECK(json["links"][1]["reason"] == "not-authorized");
    CHECK(json["links"][2]["state"] == "untried");
}

TEST_CASE("a peer without a session has no endpoint, and presmesh status says so") {
    const auto json = nlohmann::ordered_json::parse(report_to_json(busy_node()));
    CHECK(json["overlay"]["peers"][0]["endpoint"] == "192.0.2.1:4000");
    CHECK_FALSE(json["overlay"]["peers"][2].contains("endpoint"));
    const auto text = cli::status_text(json);
    CHECK_MESSAGE(text.find("b.example at 192.0.2.1:4000: live, heard 15 s ago") != std::string::npos, text);
    CHECK_MESSAGE(text.find("d.example, no session: unknown, heard 15 s ago") != std::string::npos, text);
}

TEST_CASE("presmesh status tells of attached servers that are away, and why") {
    const auto text = cli::status_text(nlohmann::ordered_json::parse(report_to_json(busy_node())));
    const auto wanted = "xmpp.x.example/k.example: down since " + to_rfc3339(at(3s).wall) + ", not-authorized\n";
    CHECK_MESSAGE(text.find(wanted) != std::string::npos, text);
}

TEST_CASE("/metrics tells it all") {
    const auto text = report_to_prometheus(busy_node());
    for (const std::string line :
         {"presmesh_leases{state=\"live\"} 1\n", "presmesh_leases{state=\"doubted\"} 1\n",
          "presmesh_leases{state=\"unknown\"} 1\n", "presmesh_crash_bound_seconds 30\n",
          "# TYPE presmesh_overlay_state gauge\n", "presmesh_overlay_state{name=\"sessions\"} 4\n",
          "presmesh_refused_total{part=\"http_refused\",reason=\"rate_limited\"} 15\n",
          "presmesh_repair{what=\"digests_to_compare\"} 5\n", "presmesh_repair{what=\"documents_to_send\"} 9\n",
          "presmesh_repair{what=\"records_to_write\"} 1200\n", "presmesh_queue_used{queue=\"lookups\"} 7\n",
          "presmesh_queue_bound{queue=\"lookups\"} 32\n",
          "presmesh_refused_total{part=\"channel\",reason=\"rate_limited\"} 30\n",
          "presmesh_refused_total{part=\"service_publish\",reason=\"too_large\"} 12\n",
          "presmesh_translator_up{name=\"xmpp.x.example/a.example\"} 1\n",
          "presmesh_translator_up{name=\"xmpp.x.example/k.example\"} 0\n",
          "presmesh_coalesced_total{where=\"changes\"} 1000\n", "presmesh_held_back{what=\"changes\"} 2\n"}) {
        CAPTURE(line);
        CHECK(text.find(line) != std::string::npos);
    }
    CHECK(text.find("reason=\"replayed\"") == std::string::npos);
    CHECK(text.find("translator_up{name=\"sip") == std::string::npos);  // nothing was asked of it yet
}
