#include <algorithm>
#include <cmath>
#include <sstream>

#include <toml++/toml.h>

#include "sim/scenario_file.hpp"

namespace presmesh::sim {

namespace {

class Writer {
  public:
    void section(std::string_view name) { out_ << "\n[" << name << "]\n"; }
    void element(std::string_view name) { out_ << "\n[[" << name << "]]\n"; }
    void text(std::string_view key, std::string_view value) {
        out_ << key << " = " << toml::value<std::string>(std::string(value)) << "\n";
    }
    void whole(std::string_view key, std::uint64_t value) { out_ << key << " = " << value << "\n"; }
    void real(std::string_view key, double value) {
        std::ostringstream digits;
        digits.precision(17);
        for (int few = 6; few < 17; ++few) {  // the shortest that says it exactly
            std::ostringstream shorter;
            shorter.precision(few);
            shorter << value;
            if (std::stod(shorter.str()) != value) continue;
            out_ << key << " = " << shorter.str() << "\n";
            return;
        }
        digits << value;
        out_ << key << " = " << digits.str() << "\n";
    }
    void flag(std::string_view key, bool value) { out_ << key << " = " << (value ? "true" : "false") << "\n"; }
    void time(std::string_view key, proto::Duration value) {
        text(key, value.count() < 0 ? "-" + format_duration(-value) : format_duration(value));
    }
    void gap(std::string_view key, const std::optional<Distribution>& value) {
        text(key, value ? value->text() : "never");
    }
    std::string str() const { return out_.str(); }

  private:
    std::ostringstream out_;
};

/// A file that lies in the folder as seen from there: the folder may be moved.
std::string file_text(const std::filesystem::path& file, const std::filesystem::path& folder) {
    const auto whole = std::filesystem::absolute(file).lexically_normal();
    if (!folder.empty() &&
        whole.parent_path() == std::filesystem::absolute(folder / "x").lexically_normal().parent_path())
        return whole.filename().string();
    return whole.string();
}

std::string latency_text(const Latency& latency, const std::filesystem::path& folder) {
    if (latency.kind != Latency::Kind::matrix) return latency.text;
    return "matrix:" + file_text(latency.matrix, folder);
}

void write_top(Writer& out, const Scenario& s) {
    out.text("name", s.name);
    out.text("mode", s.mode == Mode::engine ? "engine" : "presmesh");
    out.text("crypto", s.crypto == Crypto::real ? "real" : "stand_in");
    out.whole("nodes", s.nodes);
    out.whole("nodes_per_provider", s.nodes_per_provider);
    out.whole("shards", s.shards);
    out.time("duration", s.duration);
    out.time("warmup", s.warmup);
    out.time("settle", s.settle);
    out.time("crash_bound", s.crash_bound);
    out.time("clock_skew", s.clock_skew);
    out.real("clock_drift_ppm", s.clock_drift_ppm);
}

void write_network(Writer& out, const NetworkOptions& network, const std::filesystem::path& folder) {
    out.section("network");
    out.text("latency", latency_text(network.latency, folder));
    out.time("jitter", network.jitter);
    out.real("loss", network.loss);
    out.real("duplication", network.duplication);
    out.real("reordering", network.reordering);
    out.time("reorder_delay", network.reorder_delay);
    out.real("unreachable", network.unreachable);
    out.time("binding", network.binding);
}

void write_habits(Writer& out, const ChurnClass& c) {
    if (c.offline.for_good || !c.offline.length)
        out.text("offline", c.offline.for_good ? "never" : "as-session");
    else
        out.gap("offline", c.offline.length);
    out.real("crash", c.crash);
    out.real("keeps_disk", c.keeps_disk);
}

void write_churn(Writer& out, const ChurnOptions& churn, const std::filesystem::path& folder) {
    out.section("churn");
    out.text("model", churn.trace.empty() ? churn.text : "trace:" + file_text(churn.trace, folder));
    if (!churn.source.empty()) out.text("source", churn.source);
    if (churn.trace.empty())
        write_habits(out, churn.habits);
    else
        out.real("keeps_disk", churn.habits.keeps_disk);
    out.real("diurnal_amplitude", churn.diurnal_amplitude);
    out.time("diurnal_period", churn.diurnal_period);
    out.time("starts", churn.starts);
    if (churn.text != "classes") return;
    for (const auto& c : churn.classes) {
        out.element("churn.class");
        out.text("name", c.name);
        out.real("share", c.share);
        out.gap("session", c.session);
        write_habits(out, c);
    }
}

void write_event(Writer& out, const Event& event) {
    static constexpr std::string_view names[] = {"partition",   "kill", "restart",    "provider_failure",
                                                 "flash_crowd", "clog", "clock_skew", "loss"};
    static constexpr std::string_view shapes[] = {"symmetric", "asymmetric", "partial"};
    const auto name = names[static_cast<std::size_t>(event.kind)];
    out.element("event");
    out.time("at", event.at);
    out.time("lasts", event.lasts);
    if (event.kind == Event::Kind::flash_crowd) {
        out.whole(name, event.count);
        out.time("within", event.within);
    } else if (event.kind == Event::Kind::clock_skew) {
        out.time(name, event.skew);
        out.real("share", event.share);
    } else {
        out.real(name, event.share);
    }
    if (event.kind == Event::Kind::partition) out.text("shape", shapes[static_cast<std::size_t>(event.shape)]);
    out.flag("keeps_disk", event.keeps_disk);
}

}  // namespace

std::string to_toml(const Scenario& s, const std::filesystem::path& folder) {
    static constexpr std::string_view models[] = {"none",     "sybil", "drop",      "replay",
                                                  "rollback", "flood", "strangers", "forge"};
    Writer out;
    write_top(out, s);
    write_network(out, s.network, folder);
    write_churn(out, s.churn, folder);
    out.section("workload");
    out.whole("presentities", s.workload.presentities);
    out.text("watches_per_presentity", s.workload.watches_per_presentity.text());
    out.gap("change_every", s.workload.change_every);
    out.gap("lookup_every", s.workload.lookup_every);
    out.whole("note_bytes", s.workload.note_bytes);
    for (const auto& event : s.events) write_event(out, event);
    out.section("attack");
    out.text("model", models[static_cast<std::size_t>(s.attack.model)]);
    out.real("share", s.attack.share);
    out.time("at", s.attack.at);
    out.real("rate", s.attack.rate);
    return out.str();
}

}  // namespace presmesh::sim
