// Cryptographic primitives that cost nothing and protect nothing: keyed hashes of the lengths of the real ones. In a
// world without secrets they refuse what the real ones refuse (changed bytes, the wrong key), so a run takes the same
// course. Public keys are the real ones, for ids hang on them.
#pragma once

#include "proto/primitives.hpp"

namespace presmesh::sim {

extern const proto::Primitives stand_in_primitives;

/// Puts them in place while it lives.
class StandIn {
  public:
    StandIn() { proto::use_primitives(stand_in_primitives); }
    ~StandIn() { proto::use_primitives(proto::real_primitives); }
    StandIn(const StandIn&) = delete;
    StandIn& operator=(const StandIn&) = delete;
};

}  // namespace presmesh::sim
