// [churn] of a scenario file.
#include "sim/scenario_sections.hpp"

namespace presmesh::sim {

using proto::TomlSection;

namespace {

constexpr std::string_view models =
    "there are \"none\", a distribution of session lengths (exponential:60m, weibull:scale=169.5m,shape=0.615, "
    "pareto:scale=10m,shape=2.5, lognormal:median=30m,sigma=1.2), \"trace:FILE\" and \"classes\" (with "
    "[[churn.class]])";

/// What a model says of sessions; the rest of the class stays.
void read_model(TomlSection& churn, const std::filesystem::path& folder, ChurnOptions& options) {
    const auto text = churn.text("model", "\"exponential:60m\"");
    if (!text) return;
    options.text = *text;
    options.trace.clear();
    options.classes.clear();
    options.preset.reset();
    options.source.clear();
    if (*text == "none") options.diurnal_amplitude = 0;  // of a base: nobody returns any more
    if (*text == "none" || *text == "classes") return;
    if (text->starts_with("trace:") && text->size() > 6) {
        options.diurnal_amplitude = 0;
        options.trace = folder / text->substr(6);
        return;
    }
    auto session = parse_length(*text);
    if (!session) {
        churn.fault("model", "model: " + session.error().detail + "; " + std::string(models));
        return;
    }
    ChurnClass all = options.habits;
    all.session = std::move(*session);
    options.classes.push_back(std::move(all));
}

Absence read_absence(TomlSection& section, std::string_view key, const Absence& fallback) {
    const auto text = section.text(key, "\"exponential:30m\"");
    if (!text) return fallback;
    if (*text == "never") return {true, std::nullopt};
    if (*text == "as-session") return {};
    auto length = parse_length(*text);
    if (length) return {false, std::move(*length)};
    section.fault(key, std::string(key) + ": " + length.error().detail +
                           "; or \"as-session\", or \"never\" for nodes that leave for good");
    return fallback;
}

void read_habits(TomlSection& section, ChurnClass& c) {
    c.offline = read_absence(section, "offline", c.offline);
    c.crash = section.real("crash", 0, 1, c.crash);
    c.keeps_disk = section.real("keeps_disk", 0, 1, c.keeps_disk);
}

/// What is said on top of classes that are there already reaches those that have no words of their own for it.
template <class Habit>
void inherit(TomlSection& churn, ChurnOptions& options, std::string_view key, Habit ChurnClass::*habit,
             bool ChurnClass::*own) {
    if (!churn.has(key) || options.classes.empty()) return;
    bool reached = false;
    for (auto& c : options.classes) {
        if (c.*own) continue;
        c.*habit = options.habits.*habit;
        reached = true;
    }
    if (!reached) churn.fault(key, std::string(key) + " would reach nobody: each [[churn.class]] says its own");
}

void read_classes(TomlSection& churn, ChurnOptions& options) {
    if (!churn.has("class")) return;
    if (options.text != "classes") churn.fault("class", "takes class tables only with model = \"classes\"");
    options.classes.clear();
    for (auto& section : churn.tables("class")) {
        ChurnClass c = options.habits;
        c.name = section.required_text("name");
        if (!section.has("share")) section.fault("share", "needs share, of all nodes");
        c.share = section.real("share", 0, 1, c.share);
        if (!section.has("session"))
            section.fault("session", "needs session: a distribution, or \"never\" for nodes that stay");
        c.session = read_gap(section, "session", c.session);
        read_habits(section, c);
        c.own_offline = section.has("offline");
        c.own_crash = section.has("crash");
        c.own_keeps_disk = section.has("keeps_disk");
        section.finish();
        options.classes.push_back(std::move(c));
    }
}

}  // namespace

void read_churn(TomlSection& churn, const Source& from, ChurnOptions& options, Places& places) {
    const auto preset = options.preset;  // a preset's own [churn] names none
    const auto source = options.source;
    read_model(churn, from.folder, options);
    if (churn.has("model")) options.said = from.at(churn.line_of("model")) + "[churn] model: ";
    if (!churn.has("model")) options.preset = preset, options.source = source;
    options.source = churn.text_or("source", options.source);
    read_habits(churn, options.habits);
    if (!options.trace.empty())
        for (const auto key : {"offline", "crash"})
            if (churn.has(key))
                churn.fault(key, std::string(key) +
                                     " would do nothing: the trace says when each node leaves, crashes and joins");
    if (!churn.has("class")) {
        inherit(churn, options, "offline", &ChurnClass::offline, &ChurnClass::own_offline);
        inherit(churn, options, "crash", &ChurnClass::crash, &ChurnClass::own_crash);
        inherit(churn, options, "keeps_disk", &ChurnClass::keeps_disk, &ChurnClass::own_keeps_disk);
    }
    if (churn.has("class")) places.churn_classes = from.at(churn.line_of("class"));
    read_classes(churn, options);
    if (options.text == "classes" && options.classes.empty())
        churn.fault("class", "needs at least one [[churn.class]]");
    options.starts = read_time(churn, "starts", options.starts);
    options.diurnal_amplitude = churn.real("diurnal_amplitude", 0, 0.99, options.diurnal_amplitude);
    if (churn.has("diurnal_amplitude")) places.diurnal = from.at(churn.line_of("diurnal_amplitude"));
    options.diurnal_period = read_time(churn, "diurnal_period", options.diurnal_period, std::chrono::minutes{1});
    churn.finish();
}

}  // namespace presmesh::sim
