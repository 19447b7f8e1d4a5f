// What presmesh doctor calls a fault.
#include "node/cli/checks.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"

using namespace presmesh;

TEST_CASE("too little room for the state is a fault") {
    CHECK(cli::space_fault("/var/lib", proto::limits::state_free_bytes).empty());
    CHECK(cli::space_fault("/var/lib", proto::limits::state_free_bytes - 1)
              .starts_with("only 255 MB are free in /var/lib"));
    CHECK(cli::space_fault("/var/lib", 0).starts_with("only 0 MB"));
}
