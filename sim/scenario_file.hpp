// Scenarios as TOML: read whole, with every fault and its line at once, and written back with every value spelled out.
//
// A scenario may build on another: `base = "other.toml"` (from its own folder) or `base = "NAME"` of a preset. What it
// says replaces what the base says, key by key; its [[event]] and [[churn.class]] tables replace the base's all
// together.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scenario.hpp"

namespace presmesh::sim {

/// "FILE:LINE: [section] what is wrong, and what is allowed", one for each fault. Without a line where something is
/// missing.
using ScenarioFaults = std::vector<std::string>;
using ReadScenario = tl::expected<Scenario, ScenarioFaults>;

/// `name` is a file or a preset. `overrides` are "key=value" with dots ("network.loss=0.05", "duration=5m",
/// "event=[]"); they come last. Values that TOML would not read are taken as texts.
ReadScenario read_scenario(const std::string& name, const std::vector<std::string>& overrides = {});
/// As above from a text; relative files are looked for in `folder`, faults are said of `name`.
ReadScenario parse_scenario(std::string_view text, const std::string& name, const std::filesystem::path& folder = {},
                            const std::vector<std::string>& overrides = {});

/// The whole effective scenario: read again, it is equal. To be kept in `folder`: the files that lie there are named as
/// seen from it.
std::string to_toml(const Scenario& scenario, const std::filesystem::path& folder = {});

/// A scenario that comes with the program, from sim/scenarios/.
struct Preset {
    std::string_view name;
    std::string_view text;
};
const std::vector<Preset>& presets();

}  // namespace presmesh::sim
