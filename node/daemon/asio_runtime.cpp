#include "node/daemon/asio_runtime.hpp"

#include <boost/asio/post.hpp>

#include "proto/limits.hpp"

namespace presmesh::daemon {

namespace asio = boost::asio;

struct AsioRuntime::Port {
    Port(asio::io_context& io, UdpSocket opened) : socket(std::move(opened)), descriptor(io, socket.descriptor()) {}
    // The descriptor only waits; the socket owns it.
    ~Port() { descriptor.release(); }
    UdpSocket socket;
    asio::posix::stream_descriptor descriptor;
};

AsioRuntime::AsioRuntime(asio::io_context& io) : io_(io), timer_(io) {}
AsioRuntime::~AsioRuntime() = default;

proto::Result<void> AsioRuntime::listen(const proto::Endpoint& at) {
    auto socket = UdpSocket::open(at);
    if (!socket) return tl::make_unexpected(socket.error());
    ports_.emplace_back(io_, std::move(*socket));
    return {};
}

std::vector<proto::Endpoint> AsioRuntime::local() const {
    std::vector<proto::Endpoint> all;
    for (const auto& port : ports_) all.push_back(port.socket.local());
    return all;
}

void AsioRuntime::start(node::Node& node) {
    node_ = &node;
    one_turn([&](proto::Now now) { node.start(now); });
    for (auto& port : ports_) wait_readable(port);
}

void AsioRuntime::stop() {
    if (node_ == nullptr || stopped_) return;
    stopped_ = true;
    one_turn([&](proto::Now now) { node_->stop(now); });
    timer_.cancel();
    for (auto& port : ports_) port.descriptor.cancel();
}

void AsioRuntime::run_turn(const Turn& turn) {
    if (in_turn_) {
        asio::post(io_, [this, turn] { run_turn(turn); });
        return;
    }
    if (node_ != nullptr) one_turn(turn);
}

void AsioRuntime::one_turn(const Turn& turn) {
    in_turn_ = true;
    const auto now = system_now();
    turn(now);
    // Watchers do not wait for the disk.
    if (node_->settle(now)) {
        send_datagrams();
        for (const auto& tell : tells_) tell();
    }
    node_->end_turn(now);
    send_datagrams();
    for (const auto& flush : flushes_) flush();
    in_turn_ = false;
    arm_timer();
}

void AsioRuntime::wait_readable(Port& port) {
    port.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                               [this, &port](boost::system::error_code error) {
                                   if (error || stopped_) return;
                                   drain(port);
                                   wait_readable(port);
                               });
}

void AsioRuntime::drain(Port& port) {
    bool more = true;
    for (int i = 0; more && i < proto::limits::udp_batches_per_wake; ++i) {
        run_turn([&](proto::Now now) {
            more = port.socket.receive(
                [&](const proto::Endpoint& from, proto::BytesView bytes) { node_->handle_input(now, from, bytes); });
        });
    }
}

void AsioRuntime::send_datagrams() {
    outgoing_v4_.clear();
    outgoing_v6_.clear();
    while (auto datagram = node_->poll_output()) {
        auto& outgoing = datagram->to.is_v4() ? outgoing_v4_ : outgoing_v6_;
        outgoing.push_back(std::move(*datagram));
    }
    for (const bool v4 : {true, false}) {
        auto& outgoing = v4 ? outgoing_v4_ : outgoing_v6_;
        if (outgoing.empty()) continue;
        const auto port =
            std::find_if(ports_.begin(), ports_.end(), [&](const Port& p) { return p.socket.is_v4() == v4; });
        lost_ += port == ports_.end() ? outgoing.size() : port->socket.send(outgoing);
    }
}

void AsioRuntime::arm_timer() {
    if (stopped_) return;
    const auto next = node_->next_timeout();
    if (next == armed_) return;
    armed_ = next;
    if (next == proto::never) {
        timer_.cancel();
        return;
    }
    timer_.expires_at(std::chrono::steady_clock::time_point(next.time_since_epoch()));
    timer_.async_wait([this, next](boost::system::error_code error) {
        if (error || armed_ != next) return;
        armed_ = proto::never;
        run_turn([this](proto::Now now) { node_->handle_timeout(now); });
    });
}

}  // namespace presmesh::daemon
