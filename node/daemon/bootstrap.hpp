// The federation file's "host:port" entries become addresses, again and again: a name may move, a resolver may be away.
#pragma once

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/federation.hpp"

namespace presmesh::daemon {

/// Splits "host:port", "192.0.2.1:4000", "[2001:db8::1]:4000".
proto::Result<std::pair<std::string, std::uint16_t>> split_host_port(std::string_view text);

class Bootstrap {
  public:
    /// `found` is told the whole list whenever it differs from the last one.
    using Found = std::function<void(std::vector<proto::Endpoint>)>;
    using Failed = std::function<void(const std::string& host_port, const std::string& why)>;
    Bootstrap(boost::asio::io_context& io, Found found, Failed failed);

    /// Every member's entries, but for `own`. Starts at once, and goes on until stop().
    void set(const proto::Federation& federation, std::vector<proto::Endpoint> own);
    void stop();

  private:
    using Resolved = boost::asio::ip::udp::resolver::results_type;
    void round();
    void resolve(const std::string& entry);
    void resolved(const std::string& entry, const boost::system::error_code& error, const Resolved& results);
    void tell();

    boost::asio::ip::udp::resolver resolver_;
    boost::asio::steady_timer timer_;
    Found found_;
    Failed failed_;
    std::map<std::string, std::vector<proto::Endpoint>> entries_;
    std::vector<proto::Endpoint> own_;
    std::vector<proto::Endpoint> told_;
    bool missing_ = false;
    bool stopped_ = false;
};

}  // namespace presmesh::daemon
