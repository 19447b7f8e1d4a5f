#include "sim/delay_matrix.hpp"

#include <algorithm>
#include <charconv>

#include "sim/inputs.hpp"

namespace presmesh::sim {

namespace {

using proto::Reason;
using Row = std::vector<double>;

constexpr std::size_t sites_most = 16'384;
constexpr std::string_view allowed =
    "a file is a square of round trips in microseconds, as many numbers a line as there are lines, or triples \"site "
    "site round-trip\"; in milliseconds after a line \"# unit: ms\"";
constexpr double round_trip_most_us = 600e6;  ///< ten minutes: more is a file of something else

tl::unexpected<proto::Error> fault(std::size_t line, const std::string& what) {
    return proto::refuse(Reason::malformed, "line " + std::to_string(line) + ": " + what);
}

proto::Result<Row> read_row(std::string_view text, std::size_t line) {
    Row row;
    constexpr std::string_view between = " \t,;\r";
    while (true) {
        const auto start = text.find_first_not_of(between);
        if (start == std::string_view::npos) return row;
        text.remove_prefix(start);
        const auto word = text.substr(0, text.find_first_of(between));
        double value = 0;
        const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (failed != std::errc() || end != word.data() + word.size() || !(value <= round_trip_most_us))
            return fault(line,
                         "'" + std::string(word.substr(0, 40)) + "' is no round-trip time; " + std::string(allowed));
        row.push_back(value);
        text.remove_prefix(word.size());
    }
}

struct Lines {
    std::vector<Row> rows;
    std::vector<std::size_t> numbers;
    double unit_us = 1;
};

proto::Result<Lines> read_lines(std::string_view text) {
    Lines out;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        const auto comment = std::min(line.find('#'), line.size());
        if (line.find("unit: ms", comment) != std::string_view::npos) out.unit_us = 1000;
        auto row = read_row(line.substr(0, comment), number);
        if (!row) return tl::make_unexpected(row.error());
        if (row->empty()) continue;
        out.rows.push_back(std::move(*row));
        out.numbers.push_back(number);
        if (out.rows.size() > sites_most * sites_most / 2) return fault(number, "too many lines");
    }
    if (out.rows.empty()) return fault(1, "no numbers in the file; " + std::string(allowed));
    return out;
}

bool is_square(const Lines& lines) {
    return lines.rows[0].size() != 3 || (lines.rows.size() == 3 && lines.rows[1].size() == 3 && lines.rows[0][0] <= 0);
}

struct Known {
    std::size_t sites = 0;
    std::vector<float> us;  ///< 0: not known
    void set(std::size_t from, std::size_t to, double value) {
        us[from * sites + to] = value > 0 ? static_cast<float>(value) : 0.0f;
    }
};

proto::Result<Known> from_square(const Lines& lines) {
    Known out{lines.rows.size(), {}};
    if (out.sites < 2 || out.sites > sites_most) return fault(lines.numbers[0], "a matrix has 2 to 16384 lines");
    out.us.resize(out.sites * out.sites);
    for (std::size_t i = 0; i < out.sites; ++i) {
        const Row& row = lines.rows[i];
        if (row.size() != out.sites)
            return fault(lines.numbers[i], std::to_string(row.size()) + " numbers, " + std::to_string(out.sites) +
                                               " lines: the matrix is not square");
        for (std::size_t j = 0; j < out.sites; ++j) out.set(i, j, row[j] * lines.unit_us);
    }
    return out;
}

proto::Result<Known> from_triples(const Lines& lines) {
    double least = 1;
    double most = 0;
    for (std::size_t i = 0; i < lines.rows.size(); ++i) {
        const Row& row = lines.rows[i];
        if (row.size() != 3) return fault(lines.numbers[i], "a triple is two sites and a round-trip time");
        for (const double site : {row[0], row[1]}) {
            if (site < 0 || site > static_cast<double>(sites_most) ||
                site != static_cast<double>(static_cast<std::size_t>(site)))
                return fault(lines.numbers[i], "a site is a number from 0 to 16384");
            least = std::min(least, site);
            most = std::max(most, site);
        }
    }
    const auto first = static_cast<std::size_t>(least);
    Known out{static_cast<std::size_t>(most) - first + 1, {}};
    if (out.sites < 2) return fault(lines.numbers[0], "there are at least two sites");
    out.us.resize(out.sites * out.sites);
    for (const Row& row : lines.rows)
        out.set(static_cast<std::size_t>(row[0]) - first, static_cast<std::size_t>(row[1]) - first,
                row[2] * lines.unit_us);
    return out;
}

float median_of(std::vector<float> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

}  // namespace

proto::Result<DelayMatrix> DelayMatrix::parse(std::string_view text) {
    auto lines = read_lines(text);
    if (!lines) return tl::make_unexpected(lines.error());
    auto known = is_square(*lines) ? from_square(*lines) : from_triples(*lines);
    if (!known) return tl::make_unexpected(known.error());
    const std::size_t n = known->sites;
    std::vector<float> there;
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
            if (i != j && known->us[i * n + j] > 0) there.push_back(known->us[i * n + j]);
    if (there.empty()) return fault(lines->numbers[0], "no round-trip time above 0");
    const float median = median_of(there);
    const float least = *std::min_element(there.begin(), there.end());
    DelayMatrix out;
    out.sites_ = n;
    out.median_us_ = median;
    out.round_trip_us_ = known->us;
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            float& value = out.round_trip_us_[i * n + j];
            if (i == j) value = least;
            if (value <= 0) value = known->us[j * n + i] > 0 ? known->us[j * n + i] : median;
        }
    }
    return out;
}

proto::Result<DelayMatrix> DelayMatrix::load(const std::filesystem::path& path) {
    auto text = read_input(path);
    if (!text) return tl::make_unexpected(text.error());
    auto made = parse(*text);
    if (!made) return proto::refuse(made.error().reason, path.string() + ": " + made.error().detail);
    return made;
}

proto::Duration DelayMatrix::one_way(std::size_t from, std::size_t to) const {
    return proto::Duration{static_cast<std::int64_t>(round_trip_us_[from * sites_ + to] / 2)};
}

}  // namespace presmesh::sim
