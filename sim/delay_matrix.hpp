// Measured round-trip times between sites, such as the King data set (Gummadi, Saroiu, Gribble 2002), from a text file.
//
// Two forms, told apart by the first line that has more than a comment ('#' to the end of the line):
//   a square matrix: as many numbers a line as there are lines, apart by spaces, tabs, commas or semicolons
//   triples: "i j rtt" a line, sites numbered from 0 or 1
// Numbers are round trips in microseconds, or in milliseconds after a line "# unit: ms". Nothing known of a pair (a
// number that is not above 0, a triple that is not there, one direction only) is taken from the other direction, then
// from the median of all. A file is refused (malformed, with its line) for anything else.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::sim {

class DelayMatrix {
  public:
    static proto::Result<DelayMatrix> load(const std::filesystem::path& path);
    static proto::Result<DelayMatrix> parse(std::string_view text);

    std::size_t sites() const { return sites_; }
    /// Half of the round trip; within a site the least of all.
    proto::Duration one_way(std::size_t from, std::size_t to) const;

    /// Of all round trips that the file has.
    proto::Duration median_round_trip() const { return proto::Duration{static_cast<std::int64_t>(median_us_)}; }

  private:
    std::size_t sites_ = 0;
    float median_us_ = 0;
    std::vector<float> round_trip_us_;
};

}  // namespace presmesh::sim
