// Delegations end by themselves: whoever acts on them is told when the next one does.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "proto/federation.hpp"
#include "proto/time.hpp"

namespace presmesh::daemon {

class DelegationTimer {
  public:
    using Clock = std::function<proto::WallTime()>;
    using Ended = std::function<void()>;
    /// `ended` is told from the moment on that a delegation counts no longer, once for all that end together; and
    /// twice a day without any, so that it must do no harm.
    DelegationTimer(boost::asio::io_context& io, Clock clock, Ended ended)
        : timer_(io), clock_(std::move(clock)), ended_(std::move(ended)) {}

    /// From now on the delegations of this one are looked at, in place of those before, until stop().
    void watch(std::shared_ptr<const proto::Federation> federation);
    void stop() { timer_.cancel(); }

  private:
    void wait();

    boost::asio::steady_timer timer_;
    Clock clock_;
    Ended ended_;
    std::shared_ptr<const proto::Federation> federation_;
};

}  // namespace presmesh::daemon
