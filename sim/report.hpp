// What a run leaves behind: report.json (DESIGN section 9), series.csv, scenario.toml and manifest.json (what it takes
// to run it again), and report.html, one file that opens offline.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "proto/result.hpp"
#include "sim/measures.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

/// A number of report.json. Dots in names are nesting.
struct MeasureRow {
    std::string_view name;
    std::string_view unit;
    std::string_view what;  ///< for people
    /// None where the run had nothing to measure it on; that is not 0.
    std::optional<double> (*value)(const Measures&);
};
/// In the order of the report. Real time and memory come first; everything after is the same for the same seed.
std::span<const MeasureRow> measure_rows();

/// The source's commit this program was built from; "unknown" outside of a repository.
std::string_view commit();

/// Before the run: makes the folder, tries whether it can be written, and keeps copies there of the files that the
/// scenario names. The scenario with these copies is the one to run. not_found, with the system's reason.
proto::Result<Scenario> begin_report(const std::filesystem::path& folder, const Scenario& scenario);

/// Begins where that was not done. Writes all files; report.json comes last but for the page, so that its presence says
/// that all numbers are there. not_found when the folder cannot be made or written.
proto::Result<void> write_report(const std::filesystem::path& folder, const Scenario& scenario,
                                 const Measures& measures);

/// As a shell has to be told it, in quotes where it needs them.
std::string shell_word(const std::string& text);
/// What to type to see this run again, up to just before its first failed check where there is one.
std::string replay_command(const std::string& report_folder, const Measures& measures);

std::string series_csv(const Measures& measures);
/// A whole file or none: written beside `path` and renamed. not_found, with the system's reason.
proto::Result<void> write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace presmesh::sim
