// The sections of a scenario file, each put on top of what is there already. Inside of scenario_file.cpp's reading
// only.
#pragma once

#include <filesystem>

#include "proto/toml_section.hpp"
#include "sim/scenario_file.hpp"

namespace presmesh::sim {

/// Everything but base and [churn]; finishes `root`.
void read_sections(proto::TomlSection& root, const std::filesystem::path& folder, Scenario& scenario);
/// Its key `preset` was read already. Finishes `churn`.
void read_churn(proto::TomlSection& churn, const std::filesystem::path& folder, ChurnOptions& options);
/// What no single section can know, once all is read: shares that must make 1, events that outlast the run.
void check_whole(const Scenario& scenario, const std::string& name, ScenarioFaults& faults);

/// A time of at most a century; a fault says what is allowed.
proto::Duration read_time(proto::TomlSection& section, std::string_view key, proto::Duration fallback,
                          proto::Duration least = proto::Duration{0});
/// "never" is none.
std::optional<Distribution> read_gap(proto::TomlSection& section, std::string_view key,
                                     std::optional<Distribution> fallback);

}  // namespace presmesh::sim
