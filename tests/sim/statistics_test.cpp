#include "sim/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "proto/random.hpp"
#include "sim/distribution.hpp"

using namespace presmesh;
using namespace presmesh::sim;

TEST_CASE("Student's t, against printed tables") {
    CHECK(student_t_95(1) == doctest::Approx(12.706).epsilon(1e-4));
    CHECK(student_t_95(4) == doctest::Approx(2.776).epsilon(1e-3));
    CHECK(student_t_95(40) == doctest::Approx(2.0211).epsilon(1e-4));
    CHECK(student_t_95(100) == doctest::Approx(1.9840).epsilon(1e-4));
    CHECK(student_t_95(100000) == doctest::Approx(1.96).epsilon(1e-4));
}

TEST_CASE("an interval is claimed from two replications on") {
    CHECK(estimate({}).replications == 0);
    CHECK(estimate({5}).half_width == 0);
    auto e = estimate({1, 2, 3, 4, 5});
    CHECK(e.mean == doctest::Approx(3));
    CHECK(e.half_width == doctest::Approx(2.7764 * std::sqrt(2.5 / 5)));
}

TEST_CASE("intervals cover the truth as often as they say") {
    proto::SeededRandom random(5);
    int covered = 0;
    const int experiments = 2000;
    for (int i = 0; i < experiments; ++i) {
        std::vector<double> sample;
        for (int j = 0; j < 8; ++j) sample.push_back(10 + 3 * normal(random));
        auto e = estimate(sample);
        covered += std::abs(e.mean - 10) <= e.half_width;
    }
    CHECK(covered > 0.935 * experiments);
    CHECK(covered < 0.965 * experiments);
}

TEST_CASE("quantiles are exact while few, and within one percent when many") {
    Quantiles few;
    CHECK(few.at(0.5) == 0);
    for (int i = 100; i >= 1; --i) few.add(i);
    CHECK(few.at(0) == 1);
    CHECK(few.at(0.5) == 50);
    CHECK(few.at(0.99) == 99);
    CHECK(few.at(1) == 100);
    Quantiles many, other;
    for (int i = 1; i <= 300'000; ++i) (i % 3 ? many : other).add(i / 1000.0);
    many.merge(other);
    CHECK(many.count() == 300'000);
    CHECK(many.mean() == doctest::Approx(150.0005));
    for (double share : {0.01, 0.5, 0.9, 0.99, 0.999})
        CHECK(many.at(share) == doctest::Approx(300 * share).epsilon(0.01));
    CHECK(many.at(1) <= many.max());
    few.merge(few);
    CHECK(few.count() == 200);
}
