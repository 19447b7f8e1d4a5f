#include "node/cli/client.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <memory>
#include <optional>

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

std::optional<Reason> reason_named(std::string_view name) {
    for (auto i = 0; i <= static_cast<int>(Reason::unsupported); ++i) {
        if (proto::to_string(static_cast<Reason>(i)) == name) return static_cast<Reason>(i);
    }
    return std::nullopt;
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

proto::Error no_daemon(const std::string& address, const error_code& error) {
    return {Reason::unavailable, "no daemon answers at " + address + ": " + error.message()};
}

proto::Error broken_off(const std::string& address, const error_code& error) {
    if (error == beast::error::timeout) return {Reason::unavailable, "the daemon at " + address + " does not answer"};
    return {Reason::unavailable, "the daemon at " + address + " broke off: " + error.message()};
}

Result<tcp::resolver::results_type> resolve(asio::io_context& io, const std::string& host, const std::string& port,
                                            const std::string& address) {
    error_code error;
    auto found = tcp::resolver(io).resolve(host, port, error);
    if (error) return tl::make_unexpected(no_daemon(address, error));
    return found;
}

/// One connection to the daemon. Each step waits for its end, which comes in time.
class Connection {
  public:
    explicit Connection(std::string address) : address_(std::move(address)) {}

    Result<void> connect(const std::string& host, const std::string& port) {
        const auto found = resolve(io_, host, port, address_);
        if (!found) return tl::make_unexpected(found.error());
        const auto error = wait(connect_time, [&](auto done) {
            stream_.async_connect(*found, [done](error_code e, const tcp::endpoint&) { done(e); });
        });
        if (error) return tl::make_unexpected(no_daemon(address_, error));
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
};

/// One event stream, beside others. Tells each event's data, and at last why it ended.
class Stream : public std::enable_shared_from_this<Stream> {
  public:
    using Told = std::function<void(const std::string& data)>;
    /// none: the daemon did not begin it, and says why in the ordinary way.
    using Over = std::function<void(std::optional<proto::Error> why)>;
    Stream(asio::io_context& io, std::string address, Request request, Told told, Over over)
        : stream_(io),
          address_(std::move(address)),
          request_(std::move(request)),
          told_(std::move(told)),
          over_(std::move(over)) {}

    void start(const tcp::resolver::results_type& at) {
        stream_.expires_after(connect_time);
        stream_.async_connect(at, [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
            if (error) return self->over_(no_daemon(self->address_, error));
            self->write();
        });
    }

  private:
    /// Goes on with `next`, unless this was the end.
    template <typename Next>
    auto step(Next next) {
        return [self = shared_from_this(), next](const error_code& error, auto&&...) {
            if (error) return self->over_(broken_off(self->address_, error));
            next(*self);
        };
    }
    void write() {
        stream_.expires_after(answer_time);
        http::async_write(stream_, request_, step([](Stream& self) { self.read(); }));
    }
    void read() {
        if (begun_) stream_.expires_after(longest_silence);
        asio::async_read_until(stream_, buffer_, '\n', step([](Stream& self) { self.line(); }));
    }
    void line() {
        std::istream in(&buffer_);
        std::string text;
        std::getline(in, text);
        if (!text.empty() && text.back() == '\r') text.pop_back();
        if (!begun_ && text.find(" 200 ") == std::string::npos) return over_(std::nullopt);
        begun_ = true;
        if (text.starts_with("data: ")) told_(text.substr(6));
        read();
    }

    beast::tcp_stream stream_;
    std::string address_;
    Request request_;
    asio::streambuf buffer_;
    bool begun_ = false;
    Told told_;
    Over over_;
};

}  // namespace

std::string config_path(const Options& options) {
    const auto path = !options.config.empty() ? options.config : environment("PRESMESH_CONFIG");
    return path.empty() ? "presmesh.toml" : path;
}

proto::Error problem_of(const Reply& reply) {
    const auto json = Json::parse(reply.body, nullptr, false);
    const auto member = [&](const char* name) {
        return json.is_object() && json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
    };
    std::string text = "the daemon answered " + std::to_string(reply.status);
    if (!member("reason").empty()) text += " (" + member("reason") + ")";
    if (!member("detail").empty()) text += ": " + member("detail");
    return {reason_named(member("reason")).value_or(reply.status >= 500 ? Reason::unavailable : Reason::forbidden),
            text};
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
    if (error) return tl::make_unexpected(broken_off(address_, error));
    const auto& answer = parser.get();
    return Reply{answer.result_int(), std::string(answer[http::field::content_type]), answer.body()};
}

Result<Reply> Client::ask(const std::string& method, const std::string& target, const std::string& body,
                          const std::string& content_type, const std::string& accept) const {
    auto reply = request(method, target, body, content_type, accept);
    if (reply && reply->status >= 400) return tl::make_unexpected(problem_of(*reply));
    return reply;
}

void Client::follow(const std::vector<std::string>& targets, const Event& event, const Over& over) const {
    asio::io_context io{1};
    const auto at = resolve(io, host_, port_, address_);
    if (!at) return over(at.error());
    for (const auto& target : targets) {
        std::make_shared<Stream>(
            io, address_, request_to(host_, token_, "GET", target, "text/event-stream"),
            [&](const std::string& data) {
                if (!event(data)) io.stop();
            },
            [&, target](std::optional<proto::Error> why) {
                if (!why) why = refusal_of(target);
                over(*why);
            })
            ->start(*at);
    }
    io.run();
}

proto::Error Client::refusal_of(const std::string& target) const {
    const auto reply = ask("GET", target, {}, {}, "text/event-stream");
    return reply ? proto::Error{Reason::unavailable, "the daemon began no stream"} : reply.error();
}

}  // namespace presmesh::cli
