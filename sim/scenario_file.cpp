#include "sim/scenario_file.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "sim/scenario_sections.hpp"

namespace presmesh::sim {

namespace {

constexpr int deepest_base = 8;
constexpr std::size_t largest_file = 1 << 20;

using Outcome = tl::expected<void, ScenarioFaults>;

const Preset* preset_named(std::string_view name) {
    for (const auto& preset : presets()) {
        if (preset.name == name) return &preset;
    }
    return nullptr;
}

std::string nearest_preset(const std::string& name) {
    std::set<std::string, std::less<>> names;
    std::string all;
    for (const auto& preset : presets()) {
        names.emplace(preset.name);
        all += (all.empty() ? "" : ", ") + std::string(preset.name);
    }
    const auto nearest = proto::nearest_name(name, names);
    return nearest.empty() ? "; the presets are " + all : "; is the preset " + nearest + " meant?";
}

/// A file when there is one, else a preset.
tl::expected<Source, std::string> find_source(const std::string& name, const std::filesystem::path& folder) {
    const auto path = folder / name;
    std::error_code failed;
    if (std::filesystem::is_regular_file(path, failed)) {
        if (std::filesystem::file_size(path, failed) > largest_file)
            return tl::make_unexpected(path.string() + ": is larger than a scenario can be (1 MiB)");
        std::ifstream in(path, std::ios::binary);
        std::ostringstream text;
        text << in.rdbuf();
        return Source{path.string(), text.str(), path.parent_path()};
    }
    if (const auto* preset = preset_named(name)) return Source{name, std::string(preset->text), {}};
    return tl::make_unexpected(path.string() + ": there is no such file" + nearest_preset(name));
}

void render(const proto::TomlSection::Faults& faults, const Source& source, ScenarioFaults& out) {
    for (const auto& fault : faults) {
        const auto text = fault.text.substr(std::min(fault.text.find_first_not_of(' '), fault.text.size()));
        out.push_back(source.at(fault.line) + text);
    }
}

/// What has been read so far.
struct Reading {
    Scenario scenario;
    Places places;
    ScenarioFaults faults;
};

/// Puts what `source` says on top of what was read; with `churn_only`, nothing but its [churn].
void apply(const Source& source, Reading& reading, int depth, bool churn_only = false);

void apply_base(const std::string& base, const Source& from, int line, Reading& reading, int depth, bool churn_only) {
    const auto where = from.at(line);
    auto& faults = reading.faults;
    if (depth >= deepest_base) {
        faults.push_back(where + "base: scenarios build on each other more than " + std::to_string(deepest_base) +
                         " deep, or in a circle");
        return;
    }
    auto source = find_source(base, from.folder);
    if (!source) {
        faults.push_back(where + "base: " + source.error());
        return;
    }
    apply(*source, reading, depth + 1, churn_only);
}

void apply(const Source& source, Reading& reading, int depth, bool churn_only) {
    auto& scenario = reading.scenario;
    toml::table root;
    try {
        root = toml::parse(source.text);
    } catch (const toml::parse_error& error) {
        reading.faults.push_back(source.at(static_cast<int>(error.source().begin.line)) +
                                 std::string(error.description()));
        return;
    }
    proto::TomlSection::Faults found;
    proto::TomlSection section(&root, "", 0, found);
    if (const auto base = section.text("base"))
        apply_base(*base, source, section.line_of("base"), reading, depth, churn_only);
    auto churn = section.section("churn");
    if (const auto preset = churn.text("preset")) {
        if (churn.has("model"))
            churn.fault("preset",
                        "preset would do nothing beside model: say one of them; \"base\" takes a whole scenario");
        if (preset_named(*preset) != nullptr) {
            apply_base(*preset, {source.name, {}, {}, source.has_lines}, churn.line_of("preset"), reading, depth, true);
            scenario.churn.preset = *preset;
        } else {
            churn.fault("preset", "preset \"" + *preset + "\" is not known" + nearest_preset(*preset));
        }
    }
    read_churn(churn, source, scenario.churn, reading.places);
    if (!churn_only) read_sections(section, source, scenario, reading.places);
    render(found, source, reading.faults);
}

/// "a.b=value" as TOML; a value that TOML does not know becomes a text.
tl::expected<std::string, std::string> override_text(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) return tl::make_unexpected("must be written key=value");
    const auto key = text.substr(0, equals);
    const auto value = text.substr(equals + 1);
    try {
        (void)toml::parse(key + " = " + value);
        return key + " = " + value;
    } catch (const toml::parse_error&) {
    }
    std::ostringstream quoted;
    quoted << toml::value<std::string>(value);
    return key + " = " + quoted.str();
}

void apply_override(const std::string& text, Reading& reading) {
    const auto name = "--set " + text;
    const auto toml = override_text(text);
    if (!toml) {
        reading.faults.push_back(name + ": " + toml.error());
        return;
    }
    apply({name, *toml, {}, false}, reading, 0);
}

ReadScenario read(const Source& source, const std::vector<std::string>& overrides) {
    Reading reading;
    reading.scenario.name = std::filesystem::path(source.name).stem().string();
    reading.scenario.text = source.text;
    apply(source, reading, 0);
    for (const auto& text : overrides) apply_override(text, reading);
    if (reading.faults.empty()) check_whole(reading.scenario, reading.places, reading.faults);
    if (!reading.faults.empty()) return tl::make_unexpected(std::move(reading.faults));
    return std::move(reading.scenario);
}

}  // namespace

ReadScenario read_scenario(const std::string& name, const std::vector<std::string>& overrides) {
    auto source = find_source(name, {});
    if (!source) return tl::make_unexpected(ScenarioFaults{source.error()});
    return read(*source, overrides);
}

ReadScenario parse_scenario(std::string_view text, const std::string& name, const std::filesystem::path& folder,
                            const std::vector<std::string>& overrides) {
    return read({name, std::string(text), folder}, overrides);
}

}  // namespace presmesh::sim
