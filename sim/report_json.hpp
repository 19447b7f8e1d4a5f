// report.json as a value: of one run, and merged over the seeds of a sweep's point.
#pragma once

#include <nlohmann/json.hpp>

#include "sim/report.hpp"

namespace presmesh::sim {

using Json = nlohmann::ordered_json;

Json report_json(const Scenario& scenario, const Measures& measures);
/// Means of all numbers over the runs that have them (null: none has); of "x.max" the worst of all runs, and beside it
/// the mean as "x.max_mean", and under "ci95", nested alike, half the width
/// of each one's 95% confidence interval, where two runs or more have it. Under "measured_in" stands how many have it
/// where that is not all of the "replications". The runs must be of one scenario.
Json merge_reports(const std::vector<Json>& runs);
/// Names and units of a merged report's numbers.
std::vector<std::pair<std::string, std::string>> merged_rows();
/// In how many of its runs the point has this measure.
std::size_t measured_in(const Json& point, std::string_view dotted);
/// "a.b" in nested objects; null when there is none.
const Json* find_number(const Json& report, std::string_view dotted);

/// report.html. `points`: a single run's report, or the merged ones of a sweep, each with "set" (what was varied) and
/// "series" (columns by name).
/// `missing`: runs that are not in them, each with "set" and "seed".
std::string report_page(const std::string& title, const Json& points, const Json& missing = Json::array());
Json series_json(const Measures& measures);

}  // namespace presmesh::sim
