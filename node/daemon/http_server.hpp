// The sockets of the HTTP interface: reads requests within bounds, hands them over, writes what comes back.
#pragma once

#include <utility>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "node/daemon/http_message.hpp"
#include "proto/endpoint.hpp"
#include "proto/limits.hpp"
#include "proto/time.hpp"

namespace presmesh::daemon {

struct HttpServerSettings {
    std::uint32_t connections = 1000;
    std::uint32_t requests_per_second = 1000;  ///< of one connection, and twice that at once; then 429
    proto::Duration idle = proto::limits::http_idle;
    proto::Duration request_time = proto::limits::http_request_time;  ///< to read a request; to have a response taken
    proto::Duration linger = proto::limits::http_linger;
};

class HttpServer {
  public:
    using OnRequest = std::function<void(ExchangeId, HttpRequest)>;
    using OnClosed = std::function<void(ExchangeId)>;  ///< for exchanges that were still open
    /// What was answered here, and OnRequest told nothing of.
    using OnRefused = std::function<void(unsigned status, std::string_view reason)>;

    HttpServer(boost::asio::io_context& io, HttpServerSettings settings, OnRequest on_request, OnClosed on_closed,
               OnRefused on_refused);
    ~HttpServer();

    /// conflict, forbidden, unavailable.
    proto::Result<void> listen(const proto::Endpoint& at);
    std::vector<proto::Endpoint> local() const;
    std::size_t connections() const;
    /// What HttpApi says; for an exchange that has ended meanwhile it is dropped.
    void output(HttpOutput output);
    /// The node ends without another turn: who waits for an answer gets 503, as far as it can be said without waiting.
    void give_up();
    /// Takes no more connections, and closes those that are idle or stream; the rest end with their response.
    void stop();

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace presmesh::daemon
