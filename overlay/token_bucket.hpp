// A rate that something is held to.
#pragma once

#include "proto/time.hpp"

namespace presmesh::overlay {

/// So many a second, twice as many in a burst.
class TokenBucket {
  public:
    explicit TokenBucket(int per_second) : per_second_(per_second), level_(2.0 * per_second) {}
    bool take(proto::SteadyTime now);
    bool below_half(proto::SteadyTime now);
    bool full(proto::SteadyTime now);

  private:
    void fill(proto::SteadyTime now);
    double per_second_;
    double level_;
    proto::SteadyTime filled_ = proto::SteadyTime::min();
};

}  // namespace presmesh::overlay
