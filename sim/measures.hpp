// What one run saw: report.json's rows. Times are virtual unless they say otherwise; shares are in [0, 1]. What
// happened during the warm-up is not in it, the final settling is (for settle_s and the judgements). Quantiles without
// values and empty optionals: there was nothing to measure it on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/time.hpp"
#include "sim/statistics.hpp"

namespace presmesh::sim {

/// A judgement that failed. `kind`: "resurrected", "forged", "unsettled", "crash_bound".
struct Violation {
    std::string kind;
    proto::Duration at{};  ///< since the world's start
    std::string what;      ///< for people: who saw what
};

/// Traffic by class, as the sending node named it.
struct Traffic {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
};

struct LookupMeasures {
    std::uint64_t begun = 0;
    std::uint64_t found = 0;      ///< of a record that a live node keeps published
    std::uint64_t cut_short = 0;  ///< the node that looked up was gone before it found: neither found nor not
    Quantiles first_ms;           ///< to the first record found
    Quantiles done_ms;            ///< to the end of the search
    Quantiles hops;               ///< to the nearest node that answered: see hop_meter.hpp
    std::optional<double> success() const {
        const auto judged = static_cast<double>(begun - cut_short);
        return judged > 0 ? std::optional(static_cast<double>(found) / judged) : std::nullopt;
    }
};

/// One row of series.csv: one interval of virtual time, warm-up included.
struct Sample {
    double virtual_s = 0;  ///< end of the interval, since the world's start
    std::uint32_t online = 0;
    std::uint64_t packets_handshake = 0, packets_dht = 0, packets_channel = 0;
    std::uint64_t bytes_handshake = 0, bytes_dht = 0, bytes_channel = 0;
    std::uint64_t changes = 0;
    std::uint64_t notified = 0;
    double notify_delay_ratio = 0;  ///< mean of the interval
    double wrong_watcher_share = 0;
    std::uint64_t lookups = 0;
    std::uint64_t lookups_found = 0;
    std::uint64_t resident_bytes = 0;  ///< of the process, at the end of the interval (not deterministic)
    double wall_s = 0;                 ///< spent on the run so far (not deterministic)
};

struct Measures {
    // ---- the run
    std::uint64_t seed = 0;
    std::string trace_hash;  ///< hex; of every delivery's time, ends, size, class and content
    std::string shape_hash;  ///< the same without content: equal with real and stand-in cryptography
    std::uint32_t nodes = 0;
    double virtual_s = 0;  ///< warm-up included
    double wall_s = 0;     ///< real, as are cpu_s and peak_rss_bytes
    double cpu_s = 0;
    std::uint64_t peak_rss_bytes = 0;
    std::uint64_t events = 0;   ///< turns of nodes
    std::uint64_t packets = 0;  ///< sent, in the whole run
    std::uint64_t bytes = 0;

    // ---- presence
    std::uint64_t changes = 0;            ///< published
    std::uint64_t watches = 0;            ///< at the end
    Quantiles notify_delay_over_latency;  ///< change at the source -> seen at a remote watcher, over the way's latency
    Quantiles notify_delay_s;
    std::optional<double> datagrams_per_change_per_watching_node;
    Quantiles crash_detection_s;           ///< node dies -> its watchers are told "unknown"
    std::uint64_t crash_untold = 0;        ///< crashes and watches that ended otherwise: back, unwatched, the run over
    std::uint64_t false_offline = 0;       ///< watchers told "unknown" of a source that was there and reachable
    std::optional<double> false_online_s;  ///< mean per leaving or crash and watch: shown live though gone
    std::optional<double> wrong_watcher_share;  ///< of watch-seconds that showed other than the truth
    Quantiles settle_s;                         ///< per end of a hardship: until the last watcher was right
    std::uint64_t lost_changes = 0;             ///< changes that stood for `settle` and a reachable watcher never saw
    std::uint64_t forged_accepted = 0;          ///< states shown that nobody published; forged records kept, or found
    std::uint64_t resurrected = 0;              ///< an older state after a newer one

    // ---- the DHT
    LookupMeasures lookup;
    std::optional<double>
        maintenance_bytes_per_node_per_s;  ///< handshakes, DHT and leases: all but documents and their acks
    Traffic handshake, dht, channel;       ///< after the warm-up

    // ---- attack (0 without one)
    std::uint64_t attackers = 0;
    std::uint64_t attack_datagrams = 0;  ///< sent by attackers as such
    std::uint64_t attack_dropped = 0;    ///< records that attackers acknowledged and did not keep
    std::uint64_t refused = 0;           ///< datagrams and records refused, over all honest nodes

    std::vector<Sample> series;
    std::vector<Violation> violations;  ///< the first hundred
    std::uint64_t violation_count = 0;
    bool stopped_early = false;  ///< RunOptions::stop_at came first
    bool ok() const { return violation_count == 0; }
};

}  // namespace presmesh::sim
