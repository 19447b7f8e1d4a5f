// A rate that something is held to.
#pragma once

#include "proto/time.hpp"

namespace presmesh::overlay {

/// So many a second, twice as many in a burst where nothing else is said.
class TokenBucket {
  public:
    explicit TokenBucket(int per_second) : TokenBucket(per_second, 2 * per_second) {}
    TokenBucket(int per_second, int burst) : per_second_(per_second), burst_(burst), level_(burst) {}
    bool take(proto::SteadyTime now);
    bool below_half(proto::SteadyTime now);
    bool full(proto::SteadyTime now);

  private:
    void fill(proto::SteadyTime now);
    int per_second_;
    int burst_;
    double level_;
    proto::SteadyTime filled_ = proto::SteadyTime::min();
};

}  // namespace presmesh::overlay
