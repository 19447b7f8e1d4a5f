// The sections of a scenario file, each put on top of what is there already. Inside of scenario_file.cpp's reading
// only.
#pragma once

#include <filesystem>

#include "proto/toml_section.hpp"
#include "sim/scenario_file.hpp"

namespace presmesh::sim {

/// A file, a preset, or one --set.
struct Source {
    std::string name;
    std::string text;
    std::filesystem::path folder;
    bool has_lines = true;  ///< of a --set the line, always 1, says nothing
    /// What faults begin with: "FILE:LINE: ".
    std::string at(int line) const;
};

/// Where that was said last of which only the whole scenario shows whether it can be: as Source::at.
struct Places {
    std::string nodes_per_provider;
    std::string churn_classes;
    std::string diurnal;
    std::vector<std::string> events;  ///< of Scenario::events, each one's `at`
};

/// Everything but base and [churn]; finishes `root`.
void read_sections(proto::TomlSection& root, const Source& source, Scenario& scenario, Places& places);
/// Its key `preset` was read already. Finishes `churn`.
void read_churn(proto::TomlSection& churn, const Source& source, ChurnOptions& options, Places& places);
/// What no single section can know, once all is read: shares that must make 1, events that outlast the run.
void check_whole(const Scenario& scenario, const Places& places, ScenarioFaults& faults);

/// A time of at most a century; a fault says what is allowed.
proto::Duration read_time(proto::TomlSection& section, std::string_view key, proto::Duration fallback,
                          proto::Duration least = proto::Duration{0});
/// A distribution with a mean above zero.
proto::Result<Distribution> parse_length(std::string_view text);
/// As parse_length; "never" is none.
std::optional<Distribution> read_gap(proto::TomlSection& section, std::string_view key,
                                     std::optional<Distribution> fallback);

}  // namespace presmesh::sim
