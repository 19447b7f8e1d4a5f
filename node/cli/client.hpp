// The daemon's HTTP interface, as the commands use it: one request at a time, waiting for the answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/cli/output.hpp"
#include "proto/result.hpp"

namespace presmesh::cli {

struct Reply {
    unsigned status = 0;
    std::string content_type;
    std::string body;
};

/// --config, PRESMESH_CONFIG, or presmesh.toml where we are.
std::string config_path(const Options& options);
inline constexpr const char* not_json = "the daemon's answer is not JSON";
/// What the daemon refused, as its problem document tells it.
proto::Error problem_of(const Reply& reply);

/// Host and port of "http://host:port", or of that without the scheme; malformed.
proto::Result<std::pair<std::string, std::uint16_t>> address_of_url(std::string_view url);

class Client {
  public:
    /// From --url and --token, PRESMESH_URL and PRESMESH_TOKEN, or the config file's [http] (its first usable token).
    /// malformed: the address; not_found: there is none.
    static proto::Result<Client> make(const Options& options);

    /// unavailable: nobody answers there, or not in time.
    proto::Result<Reply> request(const std::string& method, const std::string& target, const std::string& body = {},
                                 const std::string& content_type = "application/json",
                                 const std::string& accept = "application/json") const;
    /// As request; a status of 400 and more becomes the refusal that the problem document tells.
    proto::Result<Reply> ask(const std::string& method, const std::string& target, const std::string& body = {},
                             const std::string& content_type = "application/json",
                             const std::string& accept = "application/json") const;
    /// False ends all.
    using Event = std::function<bool(const std::string& data)>;
    using Over = std::function<void(const proto::Error& why)>;
    using Remark = std::function<void(const std::string& text)>;
    /// Calls `event` with the data of each server-sent event of every target, until it says false or no stream is left.
    /// A daemon that was there once is asked again for streams that broke off, from limits::http_retry on ever more
    /// slowly, and `remark` is told when it is away and when it is back. `over`: for each stream that the daemon
    /// refuses, or that it was never there for.
    void follow(const std::vector<std::string>& targets, const Event& event, const Over& over,
                const Remark& remark) const;
    const std::string& address() const { return address_; }

  private:
    proto::Error refusal_of(const std::string& target) const;

    std::string host_;
    std::string port_;
    std::string address_;
    std::string token_;
};

/// Says why Client::make made none: PRESMESH_URL or PRESMESH_TOKEN may be wrong usage, too.
int no_client(const Options& options, const proto::Error& why);

}  // namespace presmesh::cli
