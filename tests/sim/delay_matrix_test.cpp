#include "sim/delay_matrix.hpp"

#include <doctest/doctest.h>

using namespace presmesh;
using namespace presmesh::sim;
using namespace std::chrono_literals;

namespace {

DelayMatrix read(std::string_view text) {
    auto matrix = DelayMatrix::parse(text);
    if (!matrix) FAIL(matrix.error().detail);
    return std::move(*matrix);
}

}  // namespace

TEST_CASE("a square matrix in microseconds, as King's: half the round trip, one way") {
    const auto matrix = read("# King, 3 sites\n0 80000 120000\n80000,0,60000\n\n120000;60000;0\r\n");
    CHECK(matrix.sites() == 3);
    CHECK(matrix.one_way(0, 1) == 40ms);
    CHECK(matrix.one_way(2, 0) == 60ms);
    CHECK(matrix.one_way(1, 1) == 30ms);  // within a site: the least of all
    CHECK(matrix.median_round_trip() == 80ms);
}

TEST_CASE("triples, numbered from 0 or from 1, in milliseconds where the file says so") {
    const auto from_zero = read("0 1 80000\n1 2 60000\n");
    CHECK(from_zero.sites() == 3);
    CHECK(from_zero.one_way(1, 0) == 40ms);
    const auto from_one = read("# unit: ms\n1\t2\t80\n2\t3\t60.5\n");
    CHECK(from_one.sites() == 3);
    CHECK(from_one.one_way(0, 1) == 40ms);
    CHECK(from_one.one_way(2, 1) == 30250us);
}

TEST_CASE("comments may begin anywhere in a line, as in a trace") {
    const auto matrix = read("  # unit: ms\n\t# ours\n0 80 # to b\n80 0\n # end\n");
    CHECK(matrix.sites() == 2);
    CHECK(matrix.one_way(0, 1) == 40ms);
}

TEST_CASE("another form of King's is refused with the forms there are") {
    const auto topology = DelayMatrix::parse("topology E2EGraph\nnode 1\n");
    REQUIRE_FALSE(topology);
    CHECK(topology.error().detail.starts_with("line 1: 'topology' is no round-trip time; a file is a square of round"));
    CHECK(topology.error().detail.find("or triples \"site site round-trip\"; in milliseconds after") !=
          std::string::npos);
}

TEST_CASE("what is not known comes from the other direction, then from the median") {
    const auto matrix = read("0 80000 -1\n-1 0 60000\n-1 40000 0\n");
    CHECK(matrix.one_way(1, 0) == 40ms);
    CHECK(matrix.one_way(1, 2) == 30ms);
    CHECK(matrix.one_way(2, 1) == 20ms);
    CHECK(matrix.one_way(0, 2) == 30ms);  // the median of 40, 60, 80
    CHECK(matrix.one_way(2, 0) == 30ms);
}

TEST_CASE("a file with a fault is refused with its line") {
    const std::pair<const char*, const char*> cases[] = {
        {"", "line 1: no numbers in the file"},
        {"# only words\n\n", "line 1: no numbers in the file"},
        {"0 1\n1 zero\n", "line 2: 'zero' is no round-trip time"},
        {"0 1\n1 nan\n", "line 2: 'nan' is no round-trip time"},
        {"0 1\n1 inf\n", "line 2: 'inf' is no round-trip time"},
        {"0 1\n1 1e12\n", "line 2: '1e12' is no round-trip time"},
        {"0 1\n1 0x10\n", "line 2: '0x10' is no round-trip time"},
        {"0 1 2 3\n# c\n1 0 2\n", "line 1: 4 numbers, 2 lines: the matrix is not square"},
        {"0 1\n# c\n1 0 2\n", "line 3: 3 numbers, 2 lines: the matrix is not square"},
        {"5\n", "line 1: a matrix has 2 to 16384 lines"},
        {"0 1 80\n0 2\n", "line 2: a triple is two sites and a round-trip time"},
        {"0 1 80\n0 1.5 80\n", "line 2: a site is a number from 0 to 16384"},
        {"0 1 80\n\n-1 1 80\n", "line 3: a site is a number from 0 to 16384"},
        {"0 1 80\n0 20000 80\n", "line 2: a site is a number from 0 to 16384"},
        {"0 0 80\n", "line 1: there are at least two sites"},
        {"0 0\n0 0\n", "line 1: no round-trip time above 0"},
    };
    for (const auto& [given, fault] : cases) {
        const auto& text = given;  // clang 14 captures no structured bindings
        CAPTURE(std::string(text));
        const auto matrix = DelayMatrix::parse(text);
        REQUIRE_FALSE(matrix);
        CHECK(matrix.error().reason == proto::Reason::malformed);
        CHECK(matrix.error().detail.find(fault) != std::string::npos);
    }
}
