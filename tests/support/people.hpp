// The users that tests speak of.
#pragma once

#include "tests/support/presence.hpp"

namespace presmesh::testing {

inline const auto alice = uri("alice@a.example");
inline const auto ann = uri("ann@a.example");
inline const auto bob = uri("bob@b.example");
inline const auto carol = uri("carol@c.example");
inline const auto xena = uri("xena@x.example");

}  // namespace presmesh::testing
