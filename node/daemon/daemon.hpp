// A whole presmeshd: the node, its sockets, its translators' shells, HTTP, and what the operator's signals ask for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "node/daemon/log.hpp"
#include "node/daemon/material.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

inline constexpr const char* version = "0.1.0";

class Daemon {
  public:
    /// `config_path` is read again by reload(). `loaded` must be without faults.
    Daemon(std::string config_path, Loaded loaded, Log& log);
    ~Daemon();

    /// Opens the state, the sockets and the shells; then the node takes part. What can go wrong here is the operator's
    /// to mend: the detail says what.
    proto::Result<void> start();
    /// Until stop(), SIGTERM or SIGINT; a clean stop takes at most some seconds. Throws what a turn throws (the state
    /// cannot be saved).
    void run();

    /// As SIGHUP: federation (with what it delegates to us), tokens, [presence] and [log] are read again, each by
    /// itself: a faulty one stays as it was. The log says every fault, and which settings wait for a restart.
    void reload();
    void stop();

    // For tests: where a port of 0 ended up.
    std::vector<proto::Endpoint> http_endpoints() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::daemon
