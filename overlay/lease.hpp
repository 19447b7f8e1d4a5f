// The promise "this node is alive", as seen by the one it was given to. Any authentic packet renews it; silence for
// half the bound puts it in doubt, silence for the whole bound ends it.
#pragma once

#include <optional>

#include "overlay/overlay.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

class Lease {
  public:
    explicit Lease(proto::Duration bound) : bound_(bound) {}

    void heard(proto::Now now) {
        if (!left_) heard_at_ = now.steady;
    }
    /// The node said goodbye: late packets of the same run do not bring it back.
    void left() { left_ = true; }
    /// The node started anew.
    void begin_anew() { left_ = false; }

    Liveness liveness(proto::Now now) const {
        if (left_ || !heard_at_) return Liveness::unknown;
        const auto silence = now.steady - *heard_at_;
        if (silence >= bound_) return Liveness::unknown;
        return silence >= bound_ / 2 ? Liveness::stale : Liveness::live;
    }
    /// When the liveness changes next if nothing is heard.
    proto::SteadyTime next_change(proto::Now now) const {
        switch (liveness(now)) {
            case Liveness::live:
                return *heard_at_ + bound_ / 2;
            case Liveness::stale:
                return *heard_at_ + bound_;
            case Liveness::unknown:
                break;
        }
        return proto::never;
    }
    std::optional<proto::SteadyTime> heard_at() const { return heard_at_; }

  private:
    proto::Duration bound_;
    std::optional<proto::SteadyTime> heard_at_;
    bool left_ = false;
};

}  // namespace presmesh::overlay
