// Runs one node on one thread: its sockets, its one timer, and the turns in which everything happens.
//
//   run_turn(f)   now = the clocks; f(now); node.settle(now); what only tells of presence leaves, where the turn
//   allows;
//                 node.end_turn(now), which commits; then all other output leaves
#pragma once

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "node/daemon/system.hpp"
#include "node/daemon/udp_socket.hpp"
#include "node/node.hpp"

namespace presmesh::daemon {

class AsioRuntime {
  public:
    using Turn = std::function<void(proto::Now)>;
    explicit AsioRuntime(boost::asio::io_context& io);
    ~AsioRuntime();

    /// conflict, forbidden, unavailable. Before start().
    proto::Result<void> listen(const proto::Endpoint& at);
    std::vector<proto::Endpoint> local() const;

    /// `node` must outlive the runtime's last turn. Starts it and reads the sockets from now on.
    void start(node::Node& node);
    /// The clean stop of the node, its last output included. Afterwards no datagram and no wake-up comes in; shells
    /// that still say goodbye have their turns.
    void stop();

    /// Runs now, or, when called from within a turn, right after it.
    void run_turn(const Turn& turn);
    /// Called in a turn that allows it, before what it saved is committed: shells send what needs no commit. They may
    /// not call back at once.
    void in_turn(std::function<void()> tell) { tells_.push_back(std::move(tell)); }
    /// Called after each turn, when what it saved is committed: shells send what they hold. They may not call back at
    /// once.
    void after_turn(std::function<void()> flush) { flushes_.push_back(std::move(flush)); }

    std::uint64_t lost_datagrams() const { return lost_; }

  private:
    struct Port;
    void one_turn(const Turn& turn);
    void wait_readable(Port& port);
    void drain(Port& port);
    void send_datagrams();
    void arm_timer();

    boost::asio::io_context& io_;
    boost::asio::steady_timer timer_;
    proto::SteadyTime armed_ = proto::never;
    node::Node* node_ = nullptr;
    std::list<Port> ports_;
    std::vector<std::function<void()>> tells_;
    std::vector<std::function<void()>> flushes_;
    std::vector<proto::Datagram> outgoing_v4_;
    std::vector<proto::Datagram> outgoing_v6_;
    std::uint64_t lost_ = 0;
    bool in_turn_ = false;
    bool stopped_ = false;
};

}  // namespace presmesh::daemon
