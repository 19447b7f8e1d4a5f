// What the sealed transport counts.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "proto/result.hpp"

namespace presmesh::overlay {

struct TransportCounters {
    std::uint64_t datagrams_in = 0, bytes_in = 0, datagrams_out = 0, bytes_out = 0;
    std::uint64_t handshakes_started = 0, handshakes_answered = 0, handshakes_failed = 0;
    std::uint64_t cookies_sent = 0, unknown_sent = 0, moves = 0;
    std::uint64_t dropped_output = 0, dropped_events = 0, dropped_queue = 0;

    void refused(proto::Reason reason) { ++refused_[static_cast<std::size_t>(reason)]; }
    /// Each by name; refusals as "refused_REASON", those that happened.
    std::vector<std::pair<std::string, std::uint64_t>> named() const;

  private:
    std::array<std::uint64_t, static_cast<std::size_t>(proto::Reason::unsupported) + 1> refused_{};
};

}  // namespace presmesh::overlay
