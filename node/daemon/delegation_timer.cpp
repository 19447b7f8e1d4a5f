#include "node/daemon/delegation_timer.hpp"

namespace presmesh::daemon {

namespace {

constexpr auto look_again = std::chrono::hours{12};  // the wall clock may have been set meanwhile

}  // namespace

void DelegationTimer::watch(std::shared_ptr<const proto::Federation> federation) {
    federation_ = std::move(federation);
    wait();
}

void DelegationTimer::wait() {
    const auto now = clock_();
    timer_.expires_after(std::min<proto::Duration>(federation_->next_delegation_end(now) - now, look_again));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        ended_();
        wait();
    });
}

}  // namespace presmesh::daemon
