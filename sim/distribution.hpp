// Lengths of time drawn at random: latencies, sessions, gaps between changes. Written in scenarios as
// "name:parameters".
//
//   constant:50ms                        uniform:10ms-70ms
//   exponential:60m                      exponential:mean=60m
//   weibull:scale=169.5m,shape=0.615     lognormal:median=40ms,sigma=0.6
//   pareto:scale=10m,shape=2.5           shifted (Lomax): P(X > x) = (1 + x/scale)^-shape
//
// Every draw takes from the engine it is handed and from nothing else.
#pragma once

#include <string>
#include <string_view>

#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::sim {

constexpr double seconds(proto::Duration d) {
    return std::chrono::duration<double>(d).count();
}

/// "250us", "50ms", "1.5s", "10m", "2h", "7d"; malformed otherwise. Not negative.
proto::Result<proto::Duration> parse_duration(std::string_view text);
/// The shortest of the above spellings that says it exactly.
std::string format_duration(proto::Duration duration);

/// Uniform in (0, 1]: never 0, so that a logarithm of it exists.
double unit(proto::Random& random);
/// Gamma with scale 1; shape above 0 (Marsaglia and Tsang 2000).
double gamma(proto::Random& random, double shape);
/// Standard normal (Box and Muller 1958, one of the two).
double normal(proto::Random& random);

class Distribution {
  public:
    enum class Kind : std::uint8_t { constant, uniform, exponential, weibull, lognormal, pareto };

    static proto::Result<Distribution> parse(std::string_view text);
    static Distribution constant(proto::Duration value);

    proto::Duration sample(proto::Random& random) const;
    /// What is left of a length that is running at a random moment (the stationary residual life): what a population
    /// that has been there for ever still has to live. Needs a finite mean, which parse() makes sure of.
    proto::Duration sample_residual(proto::Random& random) const;
    proto::Duration mean() const;
    /// P(X <= x), for the tests and for the analytical curves of reports.
    double cumulative(proto::Duration x) const;

    Kind kind() const { return kind_; }
    const std::string& text() const { return text_; }  ///< as it was written

  private:
    double sample_seconds(proto::Random& random) const;
    double length_biased_seconds(proto::Random& random) const;
    double mean_seconds() const;

    Kind kind_ = Kind::constant;
    double a_ = 0;  ///< seconds: value, low, mean, scale, median, scale
    double b_ = 0;  ///< -, high (s), -, shape, sigma, shape
    std::string text_;
};

/// Ranks 1..max with P(k) proportional to k^-exponent ("zipf:1.2,max=200"); how many watch a presentity. "none": 0.
class Zipf {
  public:
    static proto::Result<Zipf> parse(std::string_view text);
    std::uint32_t sample(proto::Random& random) const;
    const std::string& text() const { return text_; }

  private:
    std::vector<double> cumulative_;
    std::string text_;
};

}  // namespace presmesh::sim
