#include "node/cli/client.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>

#include "node/daemon/bootstrap.hpp"
#include "node/daemon/config.hpp"
#include "node/daemon/files.hpp"
#include "proto/limits.hpp"

namespace presmesh::cli {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

/// The first token of a token file that may do everything, or else the first.
std::string token_of_file(const std::string& path) {
    const auto text = daemon::read_file(path);
    if (!text) return {};
    std::string first;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string token;
        std::string user;
        if (!(words >> token >> user) || token.front() == '#') continue;
        if (user == "*") return token;
        if (first.empty()) first = token;
    }
    return first;
}

using Request = http::request<http::string_body>;

Request request_to(const std::string& host, const std::string& token, const std::string& method,
                   const std::string& target, const std::string& accept) {
    Request message;
    message.method_string(method);
    message.target(target);
    message.version(11);
    message.set(http::field::host, host);
    message.set(http::field::accept, accept);
    message.set(http::field::connection, "close");
    if (!token.empty()) message.set(http::field::authorization, "Bearer " + token);
    return message;
}

// A daemon that is stopped, or another program on its port, takes connections and says nothing.
constexpr auto connect_time = std::chrono::seconds{10};
constexpr auto answer_time = proto::limits::http_fetch_wait + std::chrono::seconds{10};
constexpr auto longest_silence = std::chrono::seconds{45};  // three heartbeats of an event stream

/// One connection to the daemon. Each step waits for its end, which comes in time.
class Connection {
  public:
    explicit Connection(std::string address) : address_(std::move(address)) {}

    Result<void> connect(const std::string& host, const std::string& port) {
        tcp::resolver resolver(io_);
        error_code error;
        const auto found = resolver.resolve(host, port, error);
        if (!error)
            error = wait(connect_time, [&](auto done) {
                stream_.async_connect(found, [done](error_code e, const tcp::endpoint&) { done(e); });
            });
        if (error) return refuse(Reason::unavailable, "no daemon answers at " + address_ + ": " + error.message());
        return {};
    }
    error_code write(Request& message) {
        return wait(answer_time, [&](auto done) {
            http::async_write(stream_, message, [done](error_code e, std::size_t) { done(e); });
        });
    }
    error_code read(http::response_parser<http::string_body>& parser) {
        return wait(answer_time, [&](auto done) {
            http::async_read(stream_, buffer_, parser, [done](error_code e, std::size_t) { done(e); });
        });
    }
    /// Without its end; of `patience` at most from the last one.
    Result<std::string> line(proto::Duration patience) {
        const auto error = wait(patience, [&](auto done) {
            asio::async_read_until(stream_, lines_, '\n', [done](error_code e, std::size_t) { done(e); });
        });
        if (error) return ended(error);
        std::istream in(&lines_);
        std::string text;
        std::getline(in, text);
        if (!text.empty() && text.back() == '\r') text.pop_back();
        return text;
    }
    tl::unexpected<proto::Error> ended(const error_code& error) const {
        if (error == beast::error::timeout)
            return refuse(Reason::unavailable, "the daemon at " + address_ + " does not answer");
        return refuse(Reason::unavailable, "the daemon at " + address_ + " broke off: " + error.message());
    }

  private:
    template <typename Start>
    error_code wait(proto::Duration patience, Start start) {
        error_code result;
        stream_.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(patience));
        start([&result](const error_code& error) { result = error; });
        io_.restart();
        io_.run();
        return result;
    }

    std::string address_;
    asio::io_context io_{1};
    beast::tcp_stream stream_{io_};
    beast::flat_buffer buffer_;
    asio::streambuf lines_;
};

}  // namespace

std::string config_path(const Options& options) {
    const auto path = !options.config.empty() ? options.config : environment("PRESMESH_CONFIG");
    return path.empty() ? "presmesh.toml" : path;
}

proto::Error problem_of(const Reply& reply) {
    const auto json = Json::parse(reply.body, nullptr, false);
    std::string text = "the daemon answered " + std::to_string(reply.status);
    if (json.is_object() && json.contains("reason") && json["reason"].is_string())
        text += " (" + json["reason"].get<std::string>() + ")";
    if (json.is_object() && json.contains("detail") && json["detail"].is_string())
        text += ": " + json["detail"].get<std::string>();
    return {Reason::forbidden, text};
}

Result<Client> Client::make(const Options& options) {
    Client client;
    auto url = !options.url.empty() ? options.url : environment("PRESMESH_URL");
    client.token_ = !options.token.empty() ? options.token : environment("PRESMESH_TOKEN");
    if (url.empty() || client.token_.empty()) {
        auto parsed = daemon::load_config(config_path(options));
        if (!parsed && url.empty()) return refuse(Reason::not_found, parsed.error().detail + "; say --config or --url");
        if (parsed && url.empty() && !parsed->config.http.listen.empty())
            url = "http://" + parsed->config.http.listen.front().to_string();
        if (parsed && client.token_.empty()) client.token_ = token_of_file(parsed->config.http.token_file);
    }
    if (url.starts_with("http://")) url = url.substr(7);
    while (!url.empty() && url.back() == '/') url.pop_back();
    const auto parts = daemon::split_host_port(url);
    if (!parts)
        return refuse(Reason::malformed, "the daemon's address must be http://host:port, and is \"" + url + "\"");
    client.host_ = parts->first;
    client.port_ = std::to_string(parts->second);
    client.address_ = "http://" + url;
    return client;
}

Result<Reply> Client::request(const std::string& method, const std::string& target, const std::string& body,
                              const std::string& content_type, const std::string& accept) const {
    Connection connection(address_);
    if (auto done = connection.connect(host_, port_); !done) return tl::make_unexpected(done.error());
    auto message = request_to(host_, token_, method, target, accept);
    if (!body.empty()) message.set(http::field::content_type, content_type);
    message.body() = body;
    message.prepare_payload();
    http::response_parser<http::string_body> parser;
    parser.body_limit(proto::limits::http_reply_bytes);
    auto error = connection.write(message);
    if (!error) error = connection.read(parser);
    if (error) return connection.ended(error);
    const auto& answer = parser.get();
    return Reply{answer.result_int(), std::string(answer[http::field::content_type]), answer.body()};
}

Result<Reply> Client::ask(const std::string& method, const std::string& target, const std::string& body,
                          const std::string& content_type, const std::string& accept) const {
    auto reply = request(method, target, body, content_type, accept);
    if (reply && reply->status >= 400) return tl::make_unexpected(problem_of(*reply));
    return reply;
}

Result<void> Client::follow(const std::string& target, const std::function<bool(const std::string&)>& event) const {
    Connection connection(address_);
    if (auto done = connection.connect(host_, port_); !done) return done;
    auto request = request_to(host_, token_, "GET", target, "text/event-stream");
    if (const auto error = connection.write(request)) return connection.ended(error);
    const auto status = connection.line(answer_time);
    if (!status) return tl::make_unexpected(status.error());
    if (status->find(" 200 ") == std::string::npos) {
        // What it says about that comes the ordinary way.
        auto reply = ask("GET", target, {}, {}, "text/event-stream");
        return reply ? refuse(Reason::unavailable, *status) : tl::make_unexpected(reply.error());
    }
    for (;;) {
        const auto text = connection.line(longest_silence);
        if (!text) return tl::make_unexpected(text.error());
        if (text->starts_with("data: ") && !event(text->substr(6))) return {};
    }
}

}  // namespace presmesh::cli
