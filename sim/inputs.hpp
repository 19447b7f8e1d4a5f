// The files that a scenario names: a trace of churn, a matrix of delays. A report's folder keeps copies, each named
// after what is in it, so that the folder can be run again anywhere, and other contents make another scenario.toml.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "proto/result.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

struct Input {
    std::string copy;  ///< its name in a report's folder: "trace-9f86d081884c7d65.txt"
    std::string hash;  ///< of the contents: BLAKE2b, hex
    std::shared_ptr<const std::string> text;
};

/// A whole file; not_found with the system's reason: a folder is no file.
proto::Result<std::string> read_input(const std::filesystem::path& path);
std::string hash_of_input(std::string_view text);

/// What is wrong with the files that the scenario names, with the key that names each and the line in it.
std::vector<std::string> input_faults(const Scenario& scenario);

/// What the scenario names, as it is now.
proto::Result<std::vector<Input>> read_inputs(const Scenario& scenario);
/// The same scenario, with the copies that lie in `folder`.
Scenario with_copies(Scenario scenario, const std::vector<Input>& inputs, const std::filesystem::path& folder);

}  // namespace presmesh::sim
