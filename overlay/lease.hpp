// The promise "this node is alive", as seen by the one it was given to. Any authentic packet renews it. Leases are not
// acknowledged: where one stays away the peer is asked, and its answer is; silence for two thirds of the bound puts the
// promise in doubt, silence for the whole bound ends it.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "overlay/overlay.hpp"
#include "proto/limits.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

class Lease {
  public:
    explicit Lease(proto::Duration bound) : bound_(bound) {}

    /// How often whoever is followed says that it is there, give or take the jitter; asked a little later.
    static proto::Duration interval(proto::Duration bound) { return bound / 2; }
    static constexpr double jitter = 0.05;
    /// So long before its time it may go along with another node's: one turn for many that follow.
    static proto::Duration early(proto::Duration bound) { return interval(bound) / 20; }

    void heard(proto::Now now) {
        if (left_) return;
        heard_at_ = since_ = now.steady;
        asked_ = granted_ = false;
    }
    /// The node said goodbye: late packets of the same run do not bring it back.
    void left() { left_ = true; }
    /// The node started anew.
    void begin_anew() { left_ = false; }
    /// Does it owe us leases? Only whom we follow does; others are quiet for limits::peer_quiet longer.
    void set_owed(proto::Now now, bool owed) {
        if (owed == owed_) return;
        const bool was_live = liveness(now) == Liveness::live;
        owed_ = owed;
        // So far its silence was nothing unusual. But once: who follows it now and then must not keep a dead node
        // alive.
        if (owed && was_live && !std::exchange(granted_, true)) since_ = now.steady;
    }
    /// How long an answer is waited for at most, before the question goes again: there is an eighth of the bound until
    /// doubt, and three seconds of a dead network must not use it up.
    static proto::Duration ask_again(proto::Duration bound) { return bound / 30; }
    /// The question of this silence is on its way.
    bool asks() const { return asked_; }
    /// Whether it is to be asked if it is there: once in a silence.
    bool take_question(proto::Now now) {
        if (now.steady < question_at()) return false;
        asked_ = true;
        return true;
    }

    Liveness liveness(proto::Now now) const {
        if (left_ || !heard_at_) return Liveness::unknown;
        if (now.steady >= ends_at()) return Liveness::unknown;
        return now.steady >= doubt_at() ? Liveness::stale : Liveness::live;
    }
    /// When the liveness changes next, or a question is due, if nothing is heard.
    proto::SteadyTime next_change(proto::Now now) const {
        switch (liveness(now)) {
            case Liveness::live:
                return std::min(question_at(), doubt_at());
            case Liveness::stale:
                return std::min(question_at(), ends_at());
            case Liveness::unknown:
                break;
        }
        return proto::never;
    }
    std::optional<proto::SteadyTime> heard_at() const { return heard_at_; }

  private:
    proto::SteadyTime quiet_until() const {
        return since_ + (owed_ ? proto::Duration{} : proto::Duration{proto::limits::peer_quiet});
    }
    proto::SteadyTime question_at() const {
        return asked_ || left_ || !heard_at_ ? proto::never : quiet_until() + bound_ * 11 / 20;
    }
    proto::SteadyTime doubt_at() const { return quiet_until() + bound_ * 2 / 3; }
    proto::SteadyTime ends_at() const { return quiet_until() + bound_; }

    proto::Duration bound_;
    std::optional<proto::SteadyTime> heard_at_;
    proto::SteadyTime since_{};  ///< what the bound counts from
    bool granted_ = false;       ///< that it is later than when it was heard
    bool left_ = false;
    bool owed_ = false;
    bool asked_ = false;
};

}  // namespace presmesh::overlay
