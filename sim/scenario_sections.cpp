#include "sim/scenario_sections.hpp"

#include <cmath>

#include "proto/limits.hpp"

namespace presmesh::sim {

using proto::Duration;
using proto::TomlSection;

namespace {

constexpr std::int64_t most_nodes = 1'000'000;
constexpr std::int64_t most_presentities = 10'000'000;

double share(TomlSection& section, std::string_view key, double fallback) {
    return section.real(key, 0, 1, fallback);
}

void read_network(TomlSection section, const Source& source, NetworkOptions& network) {
    if (const auto text = section.text("latency", "\"constant:50ms\"")) {
        network.said = source.at(section.line_of("latency")) + "[network] latency: ";
        if (auto latency = Latency::parse(*text, source.folder))
            network.latency = std::move(*latency);
        else
            section.fault("latency", "latency: " + latency.error().detail);
    }
    network.jitter = read_time(section, "jitter", network.jitter);
    network.loss = section.real("loss", 0, 0.99, network.loss);
    network.duplication = share(section, "duplication", network.duplication);
    network.reordering = share(section, "reordering", network.reordering);
    network.reorder_delay = read_time(section, "reorder_delay", network.reorder_delay);
    network.unreachable = share(section, "unreachable", network.unreachable);
    network.binding = read_time(section, "binding", network.binding, std::chrono::seconds{1});
    section.finish();
}

void read_workload(TomlSection section, WorkloadOptions& workload) {
    workload.presentities =
        static_cast<std::uint32_t>(section.number("presentities", 0, most_presentities, workload.presentities));
    if (const auto text = section.text("watches_per_presentity", "\"zipf:1.2,max=200\"")) {
        if (auto zipf = Zipf::parse(*text))
            workload.watches_per_presentity = std::move(*zipf);
        else
            section.fault("watches_per_presentity", "watches_per_presentity: " + zipf.error().detail);
    }
    workload.change_every = read_gap(section, "change_every", workload.change_every);
    workload.lookup_every = read_gap(section, "lookup_every", workload.lookup_every);
    workload.note_bytes = static_cast<std::uint32_t>(section.number("note_bytes", 0, 60'000, workload.note_bytes));
    section.finish();
}

void read_attack(TomlSection section, AttackOptions& attack) {
    attack.model = static_cast<AttackOptions::Model>(
        section.choice("model", {"none", "sybil", "drop", "replay", "rollback", "flood", "strangers", "forge"},
                       static_cast<std::size_t>(attack.model)));
    attack.share = share(section, "share", attack.share);
    attack.at = read_time(section, "at", attack.at);
    attack.rate = section.real("rate", 0.001, 1e6, attack.rate);
    section.finish();
}

Duration read_skew(TomlSection& section) {
    auto text = section.text("clock_skew", "\"-10m\"").value_or("0s");
    const bool negative = text.starts_with('-');
    const auto parsed = parse_duration(std::string_view(text).substr(negative ? 1 : 0));
    if (!parsed) {
        section.fault("clock_skew", "clock_skew: " + parsed.error().detail + ", nor one with a - before it");
        return Duration{0};
    }
    return negative ? -*parsed : *parsed;
}

constexpr std::string_view event_names[] = {"partition",   "kill", "restart",    "provider_failure",
                                            "flash_crowd", "clog", "clock_skew", "loss"};

/// Which event it is, is the key it has: partition = 0.5.
std::optional<Event::Kind> kind_of(TomlSection& section) {
    std::optional<Event::Kind> kind;
    std::string all;
    for (std::size_t i = 0; i < std::size(event_names); ++i) {
        all += (i ? ", " : "") + std::string(event_names[i]);
        if (!section.has(event_names[i])) continue;
        if (kind)
            section.fault(event_names[i],
                          "is one thing at a time, and has " + std::string(event_names[i]) + " as well");
        kind = static_cast<Event::Kind>(i);
    }
    if (!kind) {
        for (const auto name : event_names) section.expect(name);
        for (const auto key : {"share", "shape", "within"}) section.expect(key);
    }
    if (!kind) section.fault("", "must have one of " + all);
    return kind;
}

Event read_event(TomlSection& section) {
    Event event;
    if (!section.has("at")) section.fault("at", "needs at (counted from the end of the warm-up)");
    event.at = read_time(section, "at", event.at);
    event.lasts = read_time(section, "lasts", event.lasts);
    const auto kind = kind_of(section);
    event.kind = kind.value_or(Event::Kind::partition);
    const auto name = event_names[static_cast<std::size_t>(event.kind)];
    if (event.kind == Event::Kind::flash_crowd) {
        event.count = static_cast<std::uint32_t>(section.number(name, 1, most_presentities, 1));
        event.within = read_time(section, "within", event.within);
    } else if (event.kind == Event::Kind::clock_skew) {
        event.skew = read_skew(section);
        event.share = share(section, "share", event.share);
    } else if (kind) {
        event.share = share(section, name, event.share);
    }
    if (kind == Event::Kind::partition)
        event.shape = static_cast<Event::Shape>(section.choice("shape", {"symmetric", "asymmetric", "partial"}, 0));
    event.keeps_disk = section.flag("keeps_disk", event.keeps_disk);
    const bool lasting = event.kind == Event::Kind::partition || event.kind == Event::Kind::clog ||
                         event.kind == Event::Kind::restart || event.kind == Event::Kind::clock_skew ||
                         event.kind == Event::Kind::loss;
    if (kind && lasting && event.lasts <= Duration{0})
        section.fault("lasts", "needs lasts: how long the " + std::string(name) + " is");
    section.finish();
    return event;
}

void read_sizes(TomlSection& root, Scenario& s) {
    s.nodes = static_cast<std::uint32_t>(root.number("nodes", 2, most_nodes, s.nodes));
    s.nodes_per_provider = static_cast<std::uint32_t>(root.number(
        "nodes_per_provider", 1, static_cast<std::int64_t>(proto::limits::peers_per_domain), s.nodes_per_provider));
    s.shards = static_cast<std::uint8_t>(root.number("shards", 1, 8, s.shards));
    s.duration = read_time(root, "duration", s.duration, std::chrono::seconds{1});
    s.warmup = read_time(root, "warmup", s.warmup);
    s.settle = read_time(root, "settle", s.settle);
    s.crash_bound = read_time(root, "crash_bound", s.crash_bound, std::chrono::seconds{5});
    s.clock_skew = read_time(root, "clock_skew", s.clock_skew);
    s.clock_drift_ppm = root.real("clock_drift_ppm", 0, 100'000, s.clock_drift_ppm);
}

}  // namespace

Duration read_time(TomlSection& section, std::string_view key, Duration fallback, Duration least) {
    const auto text = section.text(key, "\"50ms\", \"90s\" or \"30m\"");
    if (!text) return fallback;
    const auto parsed = parse_duration(*text);
    if (!parsed) {
        section.fault(key, std::string(key) + ": " + parsed.error().detail);
        return fallback;
    }
    if (*parsed >= least) return *parsed;
    section.fault(key, std::string(key) + " must be at least " + format_duration(least) + ", and is " + *text);
    return fallback;
}

proto::Result<Distribution> parse_length(std::string_view text) {
    auto read = Distribution::parse(text);
    if (read && read->mean() <= Duration{0})
        return proto::refuse(proto::Reason::malformed,
                             "\"" + std::string(text) + "\": must be above zero on average: time would stand still");
    return read;
}

std::optional<Distribution> read_gap(TomlSection& section, std::string_view key, std::optional<Distribution> fallback) {
    const auto text = section.text(key, "\"exponential:2m\"");
    if (!text) return fallback;
    if (*text == "never") return std::nullopt;
    auto read = parse_length(*text);
    if (read) return std::move(*read);
    section.fault(key, std::string(key) + ": " + read.error().detail + "; or \"never\"");
    return fallback;
}

std::string Source::at(int line) const {
    return name + (has_lines && line > 0 ? ":" + std::to_string(line) : "") + ": ";
}

void read_sections(TomlSection& root, const Source& source, Scenario& s, Places& places) {
    s.name = root.text_or("name", s.name);
    root.text("source");  // where its figures are from: for people
    s.mode = static_cast<Mode>(root.choice("mode", {"presmesh", "engine"}, static_cast<std::size_t>(s.mode)));
    s.crypto = static_cast<Crypto>(root.choice("crypto", {"real", "stand_in"}, static_cast<std::size_t>(s.crypto)));
    read_sizes(root, s);
    if (root.has("nodes_per_provider")) places.nodes_per_provider = source.at(root.line_of("nodes_per_provider"));
    read_network(root.section("network"), source, s.network);
    read_workload(root.section("workload"), s.workload);
    read_attack(root.section("attack"), s.attack);
    if (root.has("event")) s.events.clear(), places.events.clear();
    for (auto& section : root.tables("event")) {
        s.events.push_back(read_event(section));
        places.events.push_back(source.at(section.line_of("at")));
    }
    root.finish();
}

void check_whole(const Scenario& s, const Places& places, ScenarioFaults& faults) {
    double shares = 0;
    for (const auto& c : s.churn.classes) shares += c.share;
    if (!s.churn.classes.empty() && std::abs(shares - 1) > 1e-6)
        faults.push_back(places.churn_classes + "the shares of [[churn.class]] make " + std::to_string(shares) +
                         ", and must make 1");
    for (std::size_t i = 0; i < s.events.size(); ++i) {
        const Event& event = s.events[i];
        if (event.at + event.lasts > s.duration)
            faults.push_back(places.events[i] + "the [[event]] at " + format_duration(event.at) +
                             " lasts beyond the duration, " + format_duration(s.duration) +
                             ": nothing could be judged after it");
    }
    if (!places.diurnal.empty() && s.churn.diurnal_amplitude > 0 && s.churn.classes.empty())
        faults.push_back(places.diurnal + "[churn] diurnal_amplitude would do nothing: model = \"" + s.churn.text +
                         "\" draws no returns; it needs a distribution or classes");
    if (s.nodes < s.nodes_per_provider)
        faults.push_back(places.nodes_per_provider + "nodes_per_provider must be at most nodes, " +
                         std::to_string(s.nodes) + ", and is " + std::to_string(s.nodes_per_provider));
}

}  // namespace presmesh::sim
