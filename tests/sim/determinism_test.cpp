// One seed, one trace: whatever the process, its addresses, surroundings and memory.
#include <doctest/doctest.h>

#include <map>

#include "sim/run.hpp"
#include "sim/scenario_file.hpp"
#include "tests/support/hard_world.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;

namespace {

std::vector<std::string> many_variables() {
    std::vector<std::string> out;
    for (int i = 0; i < 300; ++i) out.push_back("PRESMESH_X" + std::to_string(i) + "=" + std::string(i * 7 % 400, 'x'));
    return out;
}

}  // namespace

TEST_CASE("the same seed gives the same trace in every process, another seed another" *
          doctest::skip(no_equal_traces)) {
    const Folder folder;
    const std::vector<std::string> seed_7 = {"run", folder.scenario(), "--quiet", "--seed", "7"};
    const auto expected = hash_of(simulate(seed_7));
    CHECK(hash_of(simulate(seed_7)) == expected);
    CHECK(hash_of(simulate(seed_7, {{}, {}, true})) == expected);
    CHECK(hash_of(simulate(seed_7, {many_variables(), {}, false})) == expected);
    CHECK(hash_of(simulate({"run", "../hard.toml", "--quiet", "--seed", "7"},
                           {{"GLIBC_TUNABLES=glibc.malloc.tcache_count=0", "MALLOC_ARENA_MAX=1", "TZ=Asia/Tokyo"},
                            folder.path / "elsewhere",
                            false})) == expected);
    CHECK(hash_of(simulate({"run", folder.scenario(), "--quiet", "--seed", "8"})) != expected);
}

TEST_CASE("what was allocated before, and ran before, does not show in a trace" * doctest::skip(no_equal_traces)) {
    const Folder folder;
    const auto scenario = read_scenario(folder.scenario());
    REQUIRE(scenario);
    const auto expected = hash_of(simulate({"run", folder.scenario(), "--quiet", "--seed", "7"}));
    std::map<int, std::string> clutter;  // a heap with holes of all sizes
    for (int i = 0; i < 50'000; ++i) clutter[i] = std::string(static_cast<std::size_t>(i) * 37 % 600, 'x');
    for (int i = 0; i < 50'000; i += 3) clutter.erase(i);
    CHECK(run(*scenario, 7)->trace_hash == expected);
    CHECK(run(*scenario, 9)->trace_hash != expected);
    CHECK(run(*scenario, 7)->trace_hash == expected);
}

TEST_CASE("plain OpenDHT replays as well" * doctest::skip(no_equal_traces)) {
    const Folder folder;
    const std::vector<std::string> arguments = {"run", folder.scenario(), "--quiet",    "--seed",
                                                "3",   "--set",           "mode=engine"};
    const auto expected = hash_of(simulate(arguments));
    CHECK(hash_of(simulate(arguments, {many_variables(), folder.path, true})) == expected);
}

TEST_CASE("stand-in cryptography changes what is in the datagrams, and neither when nor how long they are" *
          doctest::skip(no_equal_traces)) {
    const Folder folder;
    // Memory given back in an order of signatures' bytes moved one datagram with the first seed, none with the others.
    for (const std::string seed : {"1", "2", "3"}) {
        const auto with = [&](const std::string& crypto) {
            return simulate({"run", folder.scenario(), "--quiet", "--nodes", "32", "--duration", "30s", "--seed", seed,
                             "--set", "crypto=" + crypto});
        };
        const auto real = with("real"), stand_in = with("stand_in");
        CHECK(real.line("shape-hash").size() == 64);
        CHECK(real.line("shape-hash") == stand_in.line("shape-hash"));
        CHECK(hash_of(real) != hash_of(stand_in));
    }
}
