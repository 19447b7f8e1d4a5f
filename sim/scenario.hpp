// What is to happen, as data: one value that a run reads and never changes. scenario_file.cpp and
// scenario_sections.cpp read it from TOML (scenarios/default.toml has every key); tests write it down. All times are
// virtual.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "proto/time.hpp"
#include "sim/distribution.hpp"

namespace presmesh::sim {

using NodeIndex = std::uint32_t;

/// presmesh: whole nodes (node::Node, the daemon's). engine: plain OpenDHT put, get and listen, as a user of that
/// library would do it.
enum class Mode : std::uint8_t { presmesh, engine };

/// stand_in: signatures, key exchange and sealing are keyed hashes of the same lengths (proto/primitives.hpp), so that
/// what a run costs is the protocol and not the arithmetic. Sizes, order and times are the same with both.
enum class Crypto : std::uint8_t { real, stand_in };

/// One-way delays between two nodes. A pair keeps its delay for the whole run, both ways the same; `jitter` comes on
/// top of every datagram.
struct Latency {
    enum class Kind : std::uint8_t { distribution, coordinates, matrix };
    Kind kind = Kind::distribution;
    /// distribution: drawn once per pair ("constant:50ms", "uniform:10ms-70ms", "lognormal:median=40ms,sigma=0.6").
    Distribution distribution = Distribution::constant(std::chrono::milliseconds{50});
    /// coordinates ("coordinates:side=80ms,least=2ms"): nodes lie at random in a square; the delay is `least` and the
    /// distance.
    proto::Duration side = std::chrono::milliseconds{80};
    proto::Duration least = std::chrono::milliseconds{2};
    /// matrix ("matrix:FILE"): round-trip times between sites, which the nodes share out among them. See network.hpp.
    std::filesystem::path matrix;
    std::string text = "constant:50ms";  ///< as it was written

    /// malformed, with what is allowed. A relative FILE is taken from `folder`. The file itself is read by the run.
    static proto::Result<Latency> parse(std::string_view text, const std::filesystem::path& folder = {});
};

struct NetworkOptions {
    Latency latency;
    std::string said;  ///< where latency was: "FILE:LINE: [network] latency: ", for faults of the file it names
    proto::Duration jitter{0};                                       ///< added to each datagram, uniform in [0, jitter]
    double loss = 0;                                                 ///< share of datagrams, each by itself
    double duplication = 0;                                          ///< share that comes twice
    double reordering = 0;                                           ///< share that comes later than it should,
    proto::Duration reorder_delay = std::chrono::milliseconds{100};  ///< by up to so much
    double unreachable =
        0;  ///< share of nodes behind a NAT: who they have not sent to within `binding` cannot reach them
    proto::Duration binding = std::chrono::minutes{2};
};

/// How long who has left is away.
struct Absence {
    bool for_good = false;               ///< it never returns; then it has no length
    std::optional<Distribution> length;  ///< none: as long as a session
};

/// One kind of node in the population.
struct ChurnClass {
    std::string name = "all";
    double share = 1;                     ///< of all nodes; the shares of all classes make 1
    std::optional<Distribution> session;  ///< how long a node stays; none: it never leaves
    Absence offline;
    double crash = 0.5;     ///< share of leavings without a word
    double keeps_disk = 1;  ///< share of returns that find their store as they left it
    bool own_offline = false, own_crash = false, own_keeps_disk = false;  ///< said by the class itself
};

struct ChurnOptions {
    std::string text = "none";        ///< `model` as it was written
    std::vector<ChurnClass> classes;  ///< empty: nobody leaves (or the trace says who does)
    ChurnClass habits;                ///< offline, crash and keeps_disk where a class says nothing else, and of a trace
    std::string said;                 ///< where the model was, as in NetworkOptions
    std::filesystem::path trace;      ///< "trace:FILE": lines of time, node, join|leave|crash; empty: none
    double diurnal_amplitude = 0;     ///< [0, 1): rates swing by this share over `diurnal_period`
    proto::Duration diurnal_period = std::chrono::hours{24};
    proto::Duration starts{0};          ///< churn begins so long after the world's start; 0: from the first moment
    std::optional<std::string> preset;  ///< the name it came from
    std::string source;                 ///< the paper a preset's figures are from
};

struct WorkloadOptions {
    std::uint32_t presentities = 2000;
    Zipf watches_per_presentity = *Zipf::parse("zipf:1.2,max=200");
    std::optional<Distribution> change_every = *Distribution::parse("exponential:2m");  ///< none: never after the first
    /// Looks up a live presentity's key from a random node, to measure the DHT by itself; in the whole world; none:
    /// not.
    std::optional<Distribution> lookup_every = *Distribution::parse("exponential:2s");
    std::uint32_t note_bytes = 0;  ///< text added to each document, to make it larger
};

/// Hardship and news at one moment, counted from the end of the warm-up.
struct Event {
    enum class Kind : std::uint8_t {
        partition,         ///< `share` of the nodes against the rest, until `lasts` is over
        kill,              ///< `share` crash; they come back after `lasts`, or never when it is 0
        restart,           ///< `share` leave politely and are back after `lasts`
        provider_failure,  ///< all nodes of `share` of the providers crash together; back after `lasts`, or never
        flash_crowd,  ///< `count` new watches of the most popular presentity within `within`; they end after `lasts`
        clog,         ///< what `share` of the nodes send is held until `lasts` is over, then comes all at once
        clock_skew,   ///< the wall clocks of `share` of the nodes go wrong by `skew` until `lasts` is over
        loss          ///< `share` of all datagrams are lost in addition, until `lasts` is over
    };
    enum class Shape : std::uint8_t {
        symmetric,
        asymmetric,  ///< the smaller side hears the rest and is not heard
        partial      ///< only half of the pairs across the cut are cut
    };
    Kind kind = Kind::partition;
    proto::Duration at{0};
    proto::Duration lasts{0};
    double share = 0.5;
    std::uint32_t count = 0;
    proto::Duration within = std::chrono::seconds{10};
    proto::Duration skew{0};  ///< may be negative
    Shape shape = Shape::symmetric;
    bool keeps_disk = true;  ///< of nodes that come back
    bool hurts() const { return kind != Kind::flash_crowd; }
    bool takes_down() const { return kind == Kind::kill || kind == Kind::restart || kind == Kind::provider_failure; }
};

struct AttackOptions {
    enum class Model : std::uint8_t { none, sybil, drop, replay, rollback, flood, strangers, forge };
    Model model = Model::none;
    double share = 0.1;     ///< of the nodes; for sybil: of the ids among those nearest the key; strangers: added nodes
    proto::Duration at{0};  ///< from the end of the warm-up
    double rate = 100;      ///< flood, strangers, replay: datagrams a second and attacker
};

struct Scenario {
    std::string name = "unnamed";
    std::string text;  ///< the file, as it was; for the manifest
    Mode mode = Mode::presmesh;
    Crypto crypto = Crypto::stand_in;
    std::uint32_t nodes = 1000;
    std::uint32_t nodes_per_provider = 1;                 ///< at most limits::peers_per_domain
    std::uint8_t shards = 1;                              ///< 1 to 8
    proto::Duration duration = std::chrono::minutes{30};  ///< measured, after the warm-up
    proto::Duration warmup = std::chrono::minutes{10};
    proto::Duration settle = std::chrono::seconds{60};  ///< everyone equal within so long once a hardship has ended
    proto::Duration crash_bound = std::chrono::seconds{30};
    proto::Duration clock_skew{0};  ///< wall clocks are wrong by up to so much either way, from the start
    double clock_drift_ppm = 0;     ///< steady clocks run fast or slow by up to so much
    NetworkOptions network;
    ChurnOptions churn;
    WorkloadOptions workload;
    std::vector<Event> events;
    AttackOptions attack;

    proto::Duration length() const { return warmup + duration + settle; }  ///< the whole run
    /// Those who are there at the start join within so long: 50 a second, all in 5 minutes or half of the warm-up.
    proto::Duration join_span() const {
        const proto::Duration gap = std::chrono::milliseconds{20};
        const auto wanted = std::max<proto::Duration>(gap * nodes, std::chrono::seconds{1});
        return std::min<proto::Duration>({wanted, std::chrono::minutes{5}, std::max(warmup / 2, gap)});
    }
};

}  // namespace presmesh::sim
