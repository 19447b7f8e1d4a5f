#include "sim/table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace presmesh::sim {

namespace {

std::string digits(double value) {
    char text[40];
    const bool whole = std::floor(value) == value && std::abs(value) < 1e12;
    std::snprintf(text, sizeof(text), whole ? "%.0f" : "%.4g", value);
    return text;
}

std::string head_of(const Json& point) {
    std::string text;
    if (const auto set = point.find("set"); set != point.end()) {
        for (const auto& [key, value] : set->items())
            text += (text.empty() ? "" : ",") +
                    (key == "mode" ? value.get<std::string>() : key + "=" + value.get<std::string>());
    }
    return text.empty() ? point.value("mode", "") : text;
}

std::string cell_of(const Json& point, std::string_view name) {
    const Json* value = find_number(point, name);
    if (!value) return "";
    const Json* half = find_number(point, "ci95." + std::string(name));
    const auto in = measured_in(point, name), of = point.value("replications", std::size_t{1});
    return digits(value->get<double>()) + (half ? " +- " + digits(half->get<double>()) : "") +
           (in < of ? " (" + std::to_string(in) + " of " + std::to_string(of) + ")" : "");
}

}  // namespace

std::string table_of(const Json& points) {
    std::vector<std::vector<std::string>> lines{{"", ""}};
    for (const auto& point : points) lines[0].push_back(head_of(point));
    for (const auto& row : merged_rows()) {
        const std::string& name = row.first;
        const bool says = std::any_of(points.begin(), points.end(), [&](const Json& point) {
            const Json* value = find_number(point, name);
            return value && value->get<double>() != 0;
        });
        if (!says) continue;
        lines.push_back({name, row.second});
        for (const auto& point : points) lines.back().push_back(cell_of(point, name));
    }
    std::vector<std::size_t> widths(lines[0].size());
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
    std::string out;
    for (const auto& line : lines) {
        for (std::size_t i = 0; i < line.size(); ++i) {
            const std::string gap(widths[i] - line[i].size(), ' ');
            out += (i < 2 ? line[i] + gap : gap + line[i]) + (i + 1 < line.size() ? "  " : "");
        }
        out += "\n";
    }
    return out;
}

}  // namespace presmesh::sim
