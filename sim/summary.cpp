#include "sim/summary.hpp"

#include <cstdio>

namespace presmesh::sim {

namespace {

void row(const char* name, double value, const char* unit = "") {
    std::printf("  %-42s %12.4g %s\n", name, value, unit);
}
void row(const char* name, std::optional<double> value, const char* unit = "") {
    if (value)
        row(name, *value, unit);
    else
        std::printf("  %-42s %12s\n", name, "none");
}
void row(const char* name, const Quantiles& values, const char* unit) {
    if (values.count() == 0)
        std::printf("  %-42s %12s\n", name, "none");
    else
        std::printf("  %-42s p50 %.4g, p99 %.4g, max %.4g %s (%llu)\n", name, values.at(0.5), values.at(0.99),
                    values.max(), unit, static_cast<unsigned long long>(values.count()));
}

}  // namespace

void print_summary(const Scenario& scenario, const Measures& m) {
    std::printf("\n%s, %u nodes, %s cryptography\n", scenario.mode == Mode::engine ? "plain OpenDHT" : "presmesh",
                m.nodes, scenario.crypto == Crypto::real ? "real" : "stand-in");
    row("virtual time", m.virtual_s, "s");
    row("real time", m.wall_s, "s");
    row("speed", m.wall_s > 0 ? m.virtual_s / m.wall_s : 0, "x real time");
    row("peak memory", static_cast<double>(m.peak_rss_bytes) / 1048576.0, "MiB");
    row("packets", static_cast<double>(m.packets));
    row("cost per turn", m.events > 0 ? m.cpu_s * 1e6 / static_cast<double>(m.events) : 0, "us");
    row("changes", static_cast<double>(m.changes));
    row("watches", static_cast<double>(m.watches));
    row("change -> seen, over the way's latency", m.notify_delay_over_latency, "");
    row("datagrams per change and watching node", m.datagrams_per_change_per_watching_node);
    row("crash -> told", m.crash_detection_s, "s");
    row("crashes that watchers were not told of", static_cast<double>(m.crash_untold));
    row("false offline", static_cast<double>(m.false_offline));
    row("gone but shown live, mean", m.false_online_s, "s");
    row("wrong watcher share", m.wrong_watcher_share);
    row("settling", m.settle_s, "s");
    row("lost changes", static_cast<double>(m.lost_changes));
    row("resurrected", static_cast<double>(m.resurrected));
    row("forged", static_cast<double>(m.forged_accepted));
    if (m.attackers > 0) {
        row("attackers", static_cast<double>(m.attackers));
        row("  datagrams sent by the attack", static_cast<double>(m.attack_datagrams));
        row("  records dropped by the attack", static_cast<double>(m.attack_dropped));
        row("  refused by honest nodes", static_cast<double>(m.refused));
    }
    row("look-ups that found", m.lookup.success());
    row("look-up, first record", m.lookup.first_ms, "ms");
    row("look-up, hops", m.lookup.hops, "");
    row("maintenance per node", m.maintenance_bytes_per_node_per_s, "bytes/s");
    row("packets after the warm-up: handshakes", static_cast<double>(m.handshake.packets));
    row("DHT", static_cast<double>(m.dht.packets));
    row("channel", static_cast<double>(m.channel.packets));
    std::printf("  %-42s %s\n", "shape-hash", m.shape_hash.c_str());
    std::printf("trace-hash %s\n", m.trace_hash.c_str());
}

}  // namespace presmesh::sim
