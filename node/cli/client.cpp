#include "node/cli/client.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <memory>
#include <optional>

#include "node/daemon/bootstrap.hpp"
#include "node/daemon/config.hpp"
#include "node/daemon/files.hpp"
#include "node/daemon/tokens.hpp"
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

std::string_view host_port_of(std::string_view url) {
    if (url.starts_with("http://")) url.remove_prefix(7);
    while (!url.empty() && url.back() == '/') url.remove_suffix(1);
    return url;
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
    using Begun = std::function<void()>;
    Stream(asio::io_context& io, std::string address, Request request, Begun begun, Told told, Over over)
        : stream_(io),
          address_(std::move(address)),
          request_(std::move(request)),
          on_begun_(std::move(begun)),
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
        if (!std::exchange(begun_, true)) on_begun_();
        if (text.starts_with("data: ")) told_(text.substr(6));
        read();
    }

    beast::tcp_stream stream_;
    std::string address_;
    Request request_;
    asio::streambuf buffer_;
    bool begun_ = false;
    Begun on_begun_;
    Told told_;
    Over over_;
};

/// Streams beside each other, begun again when they break off.
class Streams {
  public:
    using Refusal = std::function<proto::Error(const std::string& target)>;
    using Ask = std::function<Request(const std::string& target)>;
    Streams(std::string host, std::string port, std::string address, Ask ask, Refusal refusal,
            const Client::Event& event, const Client::Over& over, const Client::Remark& remark)
        : host_(std::move(host)),
          port_(std::move(port)),
          address_(std::move(address)),
          ask_(std::move(ask)),
          refusal_(std::move(refusal)),
          event_(event),
          over_(over),
          remark_(remark) {}

    void run(const std::vector<std::string>& targets) {
        for (const auto& target : targets) begin(std::make_shared<Place>(io_, target));
        io_.run();
    }

  private:
    struct Place {
        Place(asio::io_context& io, std::string of) : target(std::move(of)), timer(io) {}
        std::string target;
        asio::steady_timer timer;
        proto::Duration pause = proto::limits::http_retry;
    };
    using PlacePtr = std::shared_ptr<Place>;

    void begin(const PlacePtr& place) {
        const auto at = resolve(io_, host_, port_, address_);
        if (!at) return broke_off(place, at.error());
        std::make_shared<Stream>(
            io_, address_, ask_(place->target), [this, place] { begun(place); },
            [this](const std::string& data) {
                if (!event_(data)) io_.stop();
            },
            [this, place](const std::optional<proto::Error>& why) { ended(place, why); })
            ->start(*at);
    }
    void begun(const PlacePtr& place) {
        there_once_ = true;
        place->pause = proto::limits::http_retry;
        if (std::exchange(away_, false)) remark_("the daemon at " + address_ + " is back");
    }
    void ended(const PlacePtr& place, const std::optional<proto::Error>& why) {
        if (why) return broke_off(place, *why);
        const auto refusal = refusal_(place->target);
        if (refusal.reason == Reason::unavailable) return broke_off(place, refusal);
        over_(refusal);
    }
    void broke_off(const PlacePtr& place, const proto::Error& why) {
        if (!there_once_) return over_(why);
        if (!std::exchange(away_, true)) remark_(why.detail + "; asking again until it is back");
        place->timer.expires_after(place->pause);
        place->pause = std::min<proto::Duration>(2 * place->pause, proto::limits::http_retry_most);
        place->timer.async_wait([this, place](const error_code& error) {
            if (!error) begin(place);
        });
    }

    std::string host_;
    std::string port_;
    std::string address_;
    Ask ask_;
    Refusal refusal_;
    const Client::Event& event_;
    const Client::Over& over_;
    const Client::Remark& remark_;
    bool there_once_ = false;
    bool away_ = false;  // told already
    asio::io_context io_{1};
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

Result<std::pair<std::string, std::uint16_t>> address_of_url(std::string_view url) {
    auto parts = daemon::split_host_port(host_port_of(url));
    if (parts) return parts;
    return refuse(Reason::malformed,
                  "the daemon's address must be http://host:port, and is \"" + std::string(url) + "\"");
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
    const auto address = address_of_url(url);
    if (!address) return tl::make_unexpected(address.error());
    if (!daemon::is_token(client.token_))
        return refuse(Reason::malformed, "the token holds a character that an Authorization header cannot carry");
    client.host_ = address->first;
    client.port_ = std::to_string(address->second);
    client.address_ = "http://" + std::string(host_port_of(url));
    return client;
}

int no_client(const Options& options, const proto::Error& why) {
    return why.reason == Reason::malformed ? misused(options, why) : refused(options, why);
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

void Client::follow(const std::vector<std::string>& targets, const Event& event, const Over& over,
                    const Remark& remark) const {
    Streams streams(
        host_, port_, address_,
        [this](const std::string& target) { return request_to(host_, token_, "GET", target, "text/event-stream"); },
        [this](const std::string& target) { return refusal_of(target); }, event, over, remark);
    streams.run(targets);
}

proto::Error Client::refusal_of(const std::string& target) const {
    const auto reply = ask("GET", target, {}, {}, "text/event-stream");
    return reply ? proto::Error{Reason::unavailable, "the daemon began no stream"} : reply.error();
}

}  // namespace presmesh::cli
