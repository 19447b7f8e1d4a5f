#include "sim/distribution.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;
using proto::Duration;

namespace {

const char* const examples[] = {"constant:50ms",
                                "uniform:10ms-70ms",
                                "exponential:mean=60m",
                                "exponential:2m",
                                "weibull:scale=169.5385m,shape=0.61511",
                                "weibull:scale=10s,shape=3",
                                "lognormal:median=40ms,sigma=0.6",
                                "pareto:scale=10m,shape=2.5"};

constexpr int draws = 20'000;
// Kolmogorov and Smirnov: a true sample passes this with 99.9%, and the seed is fixed.
const double ks_bound = 1.95 / std::sqrt(double(draws));

std::vector<double> sorted(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values;
}

template <typename Cumulative>
double distance(const std::vector<double>& sample, Cumulative cumulative) {
    double worst = 0;
    for (std::size_t i = 0; i < sample.size(); ++i) {
        double f = cumulative(sample[i]);
        worst = std::max({worst, std::abs(f - double(i) / double(sample.size())),
                          std::abs(f - double(i + 1) / double(sample.size()))});
    }
    return worst;
}

}  // namespace

TEST_CASE("draws follow the distribution they are named after") {
    for (const char* text : examples) {
        CAPTURE(text);
        auto d = Distribution::parse(text);
        REQUIRE(d);
        if (d->kind() == Distribution::Kind::constant) continue;
        proto::SeededRandom random(1);
        std::vector<double> sample;
        for (int i = 0; i < draws; ++i) sample.push_back(double(d->sample(random).count()));
        CHECK(distance(sorted(sample), [&](double x) { return d->cumulative(Duration(std::int64_t(x))); }) < ks_bound);
    }
}

TEST_CASE("the residual life is the integrated tail over the mean") {
    for (const char* text : examples) {
        CAPTURE(text);
        auto d = Distribution::parse(text);
        REQUIRE(d);
        proto::SeededRandom random(2);
        std::vector<double> sample;
        for (int i = 0; i < draws; ++i) sample.push_back(double(d->sample_residual(random).count()));
        sample = sorted(sample);
        // Integrate 1 - F numerically along the sorted sample.
        double at = 0, area = 0, mean = double(d->mean().count()), worst = 0;
        for (std::size_t i = 0; i < sample.size(); ++i) {
            const int steps = 20;
            double step = (sample[i] - at) / steps;
            for (int s = 0; s < steps; ++s)
                area += step * (1 - d->cumulative(Duration(std::int64_t(at + (s + 0.5) * step))));
            at = sample[i];
            worst = std::max(worst, std::abs(area / mean - double(i + 1) / double(sample.size())));
        }
        CHECK(worst < ks_bound + 0.002);
    }
}

TEST_CASE("a scenario's spelling is refused with what is allowed") {
    for (const char* text : {"", "fast", "constant:", "constant:5", "constant:-5ms", "uniform:70ms-10ms",
                             "uniform:10ms", "exponential:mean=0s", "weibull:scale=1m", "weibull:scale=1m,shape=0",
                             "weibull:scale=1m,shape=1,shape=2", "weibull:scale=1m,shape=1,color=2",
                             "pareto:scale=1m,shape=1", "lognormal:median=1s,sigma=x", "constant:99999999999999d"}) {
        CAPTURE(text);
        auto d = Distribution::parse(text);
        REQUIRE_FALSE(d);
        CHECK(d.error().reason == proto::Reason::malformed);
        CHECK_FALSE(d.error().detail.empty());
    }
    for (const char* text :
         {"", "zipf:", "zipf:1.2", "zipf:1.2,max=0", "zipf:1.2,max=1.5", "zipf:-1,max=5", "zipf:1,2,max=5"}) {
        CAPTURE(text);
        CHECK_FALSE(Zipf::parse(text));
    }
}

TEST_CASE("durations read back as they are written") {
    for (auto d : {Duration(0), Duration(1), Duration(50ms), Duration(1500ms), Duration(10min), Duration(90min),
                   Duration(48h)}) {
        CHECK(parse_duration(format_duration(d)) == d);
    }
    CHECK(parse_duration("1.5s") == Duration(1500ms));
    CHECK(format_duration(90min) == "90m");
}

TEST_CASE("nobody watches where none is written") {
    auto nobody = Zipf::parse("none");
    REQUIRE(nobody);
    proto::SeededRandom random{3};
    CHECK(nobody->sample(random) == 0);
    CHECK(nobody->text() == "none");
}

TEST_CASE("zipf ranks fall as they should, and stay in bounds") {
    auto zipf = Zipf::parse("zipf:1.2,max=200");
    REQUIRE(zipf);
    proto::SeededRandom random(3);
    std::vector<int> count(201);
    for (int i = 0; i < draws; ++i) {
        auto rank = zipf->sample(random);
        REQUIRE(rank >= 1);
        REQUIRE(rank <= 200);
        ++count[rank];
    }
    double expected = std::pow(2.0, 1.2);
    CHECK(double(count[1]) / count[2] == doctest::Approx(expected).epsilon(0.1));
}
