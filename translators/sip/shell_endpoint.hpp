// The shell: sofia-sip's sockets, parser and client transactions, run by the owner's Asio loop. Everything is decided
// elsewhere.
//
// Requests and answers come to the owner in batches; what the owner sends leaves at once. Malformed requests are
// answered 400, over-large ones 413, those of an address that brings too many are dropped (UDP) or answered 503 (TCP);
// all are counted. Retransmitted requests never reach the owner.
//
// One thread, on purpose: a PUBLISH is read, decided, saved and its NOTIFY sent without another thread being woken,
// which took longer than the work.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/settings.hpp"

namespace presmesh::translators::sip {

/// Requests the owner has not answered yet; more are turned away. Lower ones are for tests.
struct ShellBounds {
    std::size_t unanswered = proto::limits::sip_unanswered;
    std::size_t unanswered_bytes = proto::limits::sip_unanswered_bytes;
};

class ShellEndpoint {
  public:
    /// Called from the loop, with what came since the last time; never from within send().
    using Receive = std::function<void(std::vector<Incoming>)>;

    /// `io` is run by one thread, which calls everything here, and outlives this.
    ShellEndpoint(boost::asio::io_context& io, const SipSettings& settings, Receive receive, ShellBounds bounds = {});
    /// Stops.
    ~ShellEndpoint();
    ShellEndpoint(const ShellEndpoint&) = delete;
    ShellEndpoint& operator=(const ShellEndpoint&) = delete;

    /// Binds every address of SipSettings::listen. unavailable with the address that could not be bound; malformed with
    /// one that cannot be read. Nothing is received before it has returned.
    proto::Result<void> start();
    /// Each item once.
    void send(std::vector<Outgoing> messages);
    /// What was sent before is still sent; requests without an answer are forgotten. Idempotent.
    void stop();

    /// Where it listens, as SIP URIs: "sip:127.0.0.1:5060;transport=udp". Empty before start().
    std::vector<std::string> addresses() const;
    /// Of the first address; 0 before start().
    std::uint16_t port() const;

    /// Since start, for metrics.
    struct Counters {
        std::uint64_t requests = 0;
        std::uint64_t malformed = 0;  ///< answered 400 or 413, or dropped for want of a Via
        std::uint64_t rate_limited = 0;
        std::uint64_t retransmitted = 0;
        std::uint64_t unanswered = 0;  ///< requests that wait for the owner now
        std::uint64_t unanswered_bytes = 0;
        std::uint64_t remembered = 0;  ///< requests remembered against retransmission now
        std::uint64_t remembered_bytes = 0;
        std::uint64_t sources = 0;  ///< addresses whose rate is counted now; 0 when none is
    };
    Counters counters() const;

  private:
    struct Engine;
    std::unique_ptr<Engine> engine_;
};

}  // namespace presmesh::translators::sip
