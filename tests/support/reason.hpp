// Why something was refused.
#pragma once

#include <doctest/doctest.h>

#include "proto/result.hpp"

namespace presmesh::testing {

template <typename T>
proto::Reason reason(const proto::Result<T>& result) {
    REQUIRE(!result.has_value());
    return result.error().reason;
}

}  // namespace presmesh::testing
