// How the overlay's steps of the path (ARCHITECTURE.md) are told to whoever keeps a log: overlay.record, channel.sent,
// channel.received. Never presence content, never keys.
#pragma once

#include <string>
#include <string_view>

#include "overlay/channel_counters.hpp"
#include "proto/presence.hpp"
#include "proto/record.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"

namespace presmesh::overlay {

class Trace {
  public:
    virtual ~Trace() = default;
    /// False spares us the making of `detail` texts.
    virtual bool wants_steps() const = 0;
    virtual void step(proto::Now now, std::string_view step, const proto::PresentityUri& presentity,
                      std::string_view detail) = 0;
};

/// "node=8 hex digits sequence=EPOCH.COUNTER digest=8 hex digits"; a null document is digest=none.
std::string trace_detail(const proto::NodeId& node, const proto::Sequence& sequence,
                         const proto::DocumentPtr& document);

/// The steps of one channel, and what it counts; does nothing where nobody wants them.
class ChannelTrace {
  public:
    ChannelTrace() = default;
    ChannelTrace(Trace* trace, const proto::NodeId& peer, ChannelCounters* counters)
        : trace_(trace), peer_(peer), counters_(counters) {}

    void count(std::uint64_t ChannelCounters::*what) const {
        if (counters_ != nullptr) ++(counters_->*what);
    }

    /// The time of what is told next.
    void at(proto::Now now) { now_ = now; }
    const proto::Now& now() const { return now_; }
    void sent(const proto::PresentityUri& presentity, const proto::Sequence& sequence,
              const proto::DocumentPtr& document) const {
        tell("channel.sent", presentity, sequence, document);
    }
    void received(const proto::PresentityUri& presentity, const proto::Sequence& sequence,
                  const proto::DocumentPtr& document) const {
        tell("channel.received", presentity, sequence, document);
    }

  private:
    void tell(std::string_view step, const proto::PresentityUri& presentity, const proto::Sequence& sequence,
              const proto::DocumentPtr& document) const {
        if (trace_ != nullptr && trace_->wants_steps())
            trace_->step(now_, step, presentity, trace_detail(peer_, sequence, document));
    }

    Trace* trace_ = nullptr;
    proto::NodeId peer_{};
    ChannelCounters* counters_ = nullptr;
    proto::Now now_{};
};

}  // namespace presmesh::overlay
