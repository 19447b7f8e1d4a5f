// The one file that knows Boost.Beast.
#include "node/daemon/http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <map>
#include <optional>
#include <set>

#include "node/daemon/asio_endpoint.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace limits = proto::limits;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr const char* server_name = "presmesh";

/// Requests of one connection: a bucket that refills.
class RequestRate {
  public:
    explicit RequestRate(std::uint32_t per_second) : per_second_(per_second), tokens_(2.0 * per_second) {}
    bool take() {
        const auto now = std::chrono::steady_clock::now();
        const double passed = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        tokens_ = std::min(2.0 * per_second_, tokens_ + passed * per_second_);
        if (tokens_ < 1) return false;
        tokens_ -= 1;
        return true;
    }

  private:
    double per_second_;
    double tokens_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

HttpRequest to_request(const http::request<http::string_body>& message) {
    HttpRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    for (const auto& field : message) {
        std::string name(field.name_string());
        for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        auto& value = request.headers[name];
        value += (value.empty() ? "" : ", ") + std::string(field.value());
    }
    request.body = message.body();
    return request;
}

http::response<http::string_body> to_message(HttpResponse response, unsigned version, bool keep_alive, bool head) {
    http::response<http::string_body> message{http::int_to_status(response.status), version};
    message.set(http::field::server, server_name);
    message.reason(beast::string_view(status_phrase(response.status).data(), status_phrase(response.status).size()));
    for (const auto& [name, value] : response.headers) message.set(name, value);
    if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
    message.keep_alive(keep_alive);
    const auto size = response.body.size();
    if (!head) message.body() = std::move(response.body);
    message.prepare_payload();
    if (head) message.content_length(size);
    if (response.status == 204) message.erase(http::field::content_length);
    return message;
}

/// For who writes it himself; problem() has the rest.
std::string unavailable_now(std::string_view reason, std::string_view detail) {
    const auto response = problem(503, reason, detail);
    return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + response.content_type +
           "\r\nContent-Length: " + std::to_string(response.body.size()) +
           "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + response.body;
}

}  // namespace

class HttpServer::Impl : public std::enable_shared_from_this<Impl> {
  public:
    Impl(asio::io_context& io, HttpServerSettings settings, OnRequest on_request, OnClosed on_closed,
         OnRefused on_refused)
        : io_(io),
          settings_(settings),
          on_request_(std::move(on_request)),
          on_closed_(std::move(on_closed)),
          on_refused_(std::move(on_refused)) {}

    class Session;
    struct Acceptor {
        explicit Acceptor(asio::io_context& io) : acceptor(io), pause(io) {}
        tcp::acceptor acceptor;
        asio::steady_timer pause;
    };

    proto::Result<void> listen(const proto::Endpoint& at);
    void accept(const std::shared_ptr<Acceptor>& at);
    void take(tcp::socket socket);
    void stop();

    asio::io_context& io_;
    HttpServerSettings settings_;
    OnRequest on_request_;
    OnClosed on_closed_;
    OnRefused on_refused_;
    std::vector<std::shared_ptr<Acceptor>> acceptors_;
    std::set<std::shared_ptr<Session>> sessions_;
    std::map<ExchangeId, Session*> exchanges_;
    ExchangeId last_exchange_ = 0;
    bool stopped_ = false;
};

/// One connection: a request is read whole, answered whole, and only then the next is read.
class HttpServer::Impl::Session : public std::enable_shared_from_this<Session> {
  public:
    Session(Impl& server, tcp::socket socket)
        : server_(server),
          stream_(std::move(socket)),
          deadline_(server.io_),
          rate_(server.settings_.requests_per_second) {}

    void start() { wait_for_request(); }
    void output(HttpOutput output);
    void stop();
    void give_up();
    void close();

  private:
    using Parser = http::request_parser<http::string_body>;

    void wait_for_request();
    void read_header();
    void header_read(error_code error);
    void body_read(error_code error);
    void request_read();
    static bool framed(const Parser& parser);
    void refuse_request(unsigned status, std::string_view reason, std::string_view detail);
    bool refuse_broken(error_code error);
    void give_time(proto::Duration time);
    void take_back_time() { deadline_.expires_at(asio::steady_timer::time_point::max()); }

    void respond(HttpResponse response, bool keep_alive);
    void response_written(error_code error, bool keep_alive);

    void begin_stream(HttpResponse head);
    void linger();
    void watch_for_close();
    void next_write();
    void end_exchange(bool tell);

    Impl& server_;
    beast::tcp_stream stream_;
    asio::steady_timer deadline_;  ///< of what is read: Beast's own closes the socket, and nothing can be said any more
    beast::flat_buffer buffer_{limits::http_header_bytes + 64 * 1024};
    std::optional<Parser> parser_;
    std::optional<http::response<http::string_body>> response_;
    RequestRate rate_;
    ExchangeId exchange_ = 0;
    unsigned version_ = 11;
    bool keep_alive_ = true;
    bool head_ = false;
    bool closed_ = false;
    bool late_ = false;     ///< the deadline passed
    bool refused_ = false;  ///< the request was not read to its end

    // An event stream: what is being written, and the newest of what waits.
    bool streaming_ = false;
    bool writing_ = false;
    bool ending_ = false;
    std::string written_;
    std::string waiting_;
    char unwanted_[512];
};

// ---- reading

void HttpServer::Impl::Session::wait_for_request() {
    if (buffer_.size() > 0) return read_header();  // the next one came along with the last
    give_time(server_.settings_.idle);
    stream_.socket().async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
        if (self->closed_) return;
        if (error || self->late_) return self->close();
        self->read_header();
    });
}

void HttpServer::Impl::Session::read_header() {
    parser_.emplace();
    parser_->header_limit(limits::http_header_bytes);
    parser_->body_limit(limits::http_body_bytes);
    give_time(server_.settings_.request_time);
    http::async_read_header(stream_, buffer_, *parser_,
                            [self = shared_from_this()](error_code error, std::size_t) { self->header_read(error); });
}

/// Until the deadline is set anew or taken back; then nothing more is read.
void HttpServer::Impl::Session::give_time(proto::Duration time) {
    late_ = false;
    deadline_.expires_after(time);
    deadline_.async_wait([self = shared_from_this()](error_code error) {
        const bool set_anew = self->deadline_.expiry() > asio::steady_timer::clock_type::now();
        if (error || set_anew || self->closed_) return;
        // Not a cancellation: that misses a read whose bytes came in this moment, and the next one would wait for ever.
        self->late_ = true;
        error_code ignored;
        self->stream_.socket().shutdown(tcp::socket::shutdown_receive, ignored);
    });
}

bool HttpServer::Impl::Session::refuse_broken(error_code error) {
    if (!error) return false;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        refuse_request(431, "too_large", "the header fields are larger than 16 KiB");
    } else if (error == http::error::body_limit) {
        refuse_request(413, "too_large", "the body is larger than 256 KiB");
    } else if (late_) {
        refuse_request(408, "unavailable", "the request did not come to its end in time");
    } else if (error.category() == make_error_code(http::error::bad_version).category() &&
               error != http::error::end_of_stream && error != http::error::partial_message) {
        refuse_request(400, "malformed", error.message());
    } else {
        close();
    }
    return true;
}

void HttpServer::Impl::Session::header_read(error_code error) {
    if (closed_) return;
    // Also of what is refused: as far as it was read, this is the request, not the one before it.
    const auto& header = parser_->get();
    version_ = header.version();
    head_ = header.method() == http::verb::head;
    if (refuse_broken(error)) return;
    if (!framed(*parser_)) return refuse_request(400, "malformed", "the length of the body cannot be told");
    const auto length = parser_->content_length();
    if (length && *length > limits::http_body_bytes)
        return refuse_request(413, "too_large", "the body is larger than 256 KiB");
    if (beast::iequals(header[http::field::expect], "100-continue")) {
        error_code ignored;
        // Twenty-five bytes into an empty socket buffer: this does not wait.
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        stream_.socket().write_some(asio::buffer(go_on.data(), go_on.size()), ignored);
    }
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](error_code e, std::size_t) { self->body_read(e); });
}

/// RFC 9112 section 6.3: with a transfer coding, the last one chunked and no length beside it tell where the body ends.
/// Beast takes any other last coding for no body at all, and would read the body as the next request.
bool HttpServer::Impl::Session::framed(const Parser& parser) {
    const auto& header = parser.get();
    if (header.count(http::field::transfer_encoding) == 0) return true;
    return parser.chunked() && header.count(http::field::content_length) == 0;
}

void HttpServer::Impl::Session::body_read(error_code error) {
    if (closed_ || refuse_broken(error)) return;
    request_read();
}

void HttpServer::Impl::Session::request_read() {
    take_back_time();
    const auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    exchange_ = ++server_.last_exchange_;
    server_.exchanges_[exchange_] = this;
    if (!rate_.take()) {
        server_.on_refused_(429, "rate_limited");
        return respond(problem(429, "rate_limited", "too many requests on this connection"), keep_alive_);
    }
    server_.on_request_(exchange_, to_request(message));
}

void HttpServer::Impl::Session::refuse_request(unsigned status, std::string_view reason, std::string_view detail) {
    take_back_time();
    refused_ = true;
    server_.on_refused_(status, reason);
    respond(problem(status, reason, detail), false);
}

// ---- writing

void HttpServer::Impl::Session::output(HttpOutput output) {
    switch (output.kind) {
        case HttpOutput::Kind::response:
            return respond(std::move(output.response), keep_alive_ && !server_.stopped_);
        case HttpOutput::Kind::stream_begin:
            return begin_stream(std::move(output.response));
        case HttpOutput::Kind::event:
            waiting_ = std::move(output.text);
            break;
        case HttpOutput::Kind::heartbeat:
            if (waiting_.empty() && !writing_) waiting_ = ": still here\n\n";
            break;
        case HttpOutput::Kind::stream_end:
            ending_ = true;
            break;
    }
    if (streaming_) next_write();
}

void HttpServer::Impl::Session::respond(HttpResponse response, bool keep_alive) {
    response_.emplace(to_message(std::move(response), version_, keep_alive, head_));
    stream_.expires_after(server_.settings_.request_time);
    http::async_write(stream_, *response_, [self = shared_from_this(), keep_alive](error_code error, std::size_t) {
        self->response_written(error, keep_alive);
    });
}

void HttpServer::Impl::Session::response_written(error_code error, bool keep_alive) {
    if (closed_) return;
    end_exchange(false);
    response_.reset();
    stream_.expires_never();
    if (error || (!keep_alive && !refused_)) return close();
    if (refused_) return linger();
    wait_for_request();
}

/// A socket closed over unread bytes is reset, and the reset overtakes the answer: a client in the midst of its ten
/// megabytes would never read why they were refused.
void HttpServer::Impl::Session::linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    give_time(server_.settings_.linger);
    watch_for_close();
}

void HttpServer::Impl::Session::begin_stream(HttpResponse head) {
    streaming_ = true;
    written_ = "HTTP/1.1 200 OK\r\nServer: " + std::string(server_name) + "\r\nContent-Type: " + head.content_type +
               "\r\nConnection: close\r\n";
    for (const auto& [name, value] : head.headers) written_ += name + ": " + value + "\r\n";
    written_ += "\r\n" + head.body;
    waiting_ = std::exchange(written_, {});
    next_write();
    watch_for_close();
}

void HttpServer::Impl::Session::watch_for_close() {
    stream_.socket().async_read_some(asio::buffer(unwanted_),
                                     [self = shared_from_this()](error_code error, std::size_t) {
                                         if (self->closed_) return;
                                         if (error || self->late_) return self->close();
                                         self->watch_for_close();
                                     });
}

void HttpServer::Impl::Session::next_write() {
    if (writing_ || closed_) return;
    if (waiting_.empty()) {
        if (ending_) close();
        return;
    }
    writing_ = true;
    written_ = std::exchange(waiting_, {});
    // A client that does not take what it asked for is given up.
    stream_.expires_after(server_.settings_.request_time);
    asio::async_write(stream_, asio::buffer(written_), [self = shared_from_this()](error_code error, std::size_t) {
        self->writing_ = false;
        if (error) return self->close();
        self->stream_.expires_never();
        self->next_write();
    });
}

// ---- ending

void HttpServer::Impl::Session::end_exchange(bool tell) {
    if (exchange_ == 0) return;
    const auto exchange = std::exchange(exchange_, 0);
    server_.exchanges_.erase(exchange);
    if (tell) server_.on_closed_(exchange);
}

void HttpServer::Impl::Session::stop() {
    if (streaming_ || exchange_ == 0) close();
}

/// An answer that is on its way already was earned by an earlier turn, and is left alone.
void HttpServer::Impl::Session::give_up() {
    if (closed_ || exchange_ == 0 || streaming_ || response_) return;
    error_code ignored;
    stream_.socket().non_blocking(true, ignored);
    stream_.socket().write_some(asio::buffer(unavailable_now("unavailable", "the node cannot go on, and stops")),
                                ignored);
}

void HttpServer::Impl::Session::close() {
    if (std::exchange(closed_, true)) return;
    end_exchange(true);
    take_back_time();
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.close();
    server_.sessions_.erase(shared_from_this());
}

// ---- accepting

proto::Result<void> HttpServer::Impl::listen(const proto::Endpoint& at) {
    const auto endpoint = to_asio<tcp>(at);
    auto opened = std::make_shared<Acceptor>(io_);
    error_code error;
    opened->acceptor.open(endpoint.protocol(), error);
    if (!error) opened->acceptor.set_option(asio::socket_base::reuse_address(true), error);
    if (!error && !at.is_v4()) opened->acceptor.set_option(asio::ip::v6_only(true), error);
    if (!error) opened->acceptor.bind(endpoint, error);
    if (!error) opened->acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
        const auto reason = error == asio::error::address_in_use ? proto::Reason::conflict : proto::Reason::unavailable;
        return proto::refuse(reason, "cannot listen for HTTP on " + at.to_string() + ": " + error.message());
    }
    acceptors_.push_back(opened);
    accept(opened);
    return {};
}

void HttpServer::Impl::accept(const std::shared_ptr<Acceptor>& at) {
    at->acceptor.async_accept(io_, [self = shared_from_this(), at](error_code error, tcp::socket socket) {
        if (self->stopped_ || error == asio::error::operation_aborted) return;
        if (!error) {
            self->take(std::move(socket));
            return self->accept(at);
        }
        // Out of descriptors, most likely: trying again at once would spin.
        at->pause.expires_after(std::chrono::milliseconds{100});
        at->pause.async_wait([self, at](error_code stopped) {
            if (!stopped && !self->stopped_) self->accept(at);
        });
    });
}

void HttpServer::Impl::take(tcp::socket socket) {
    error_code ignored;
    if (sessions_.size() >= settings_.connections) {
        // Closed at once: the bound is the operator's. What is said fits an empty socket buffer, so nothing waits.
        socket.non_blocking(true, ignored);
        socket.write_some(asio::buffer(unavailable_now("quota", "too many connections are open")), ignored);
        on_refused_(503, "quota");
        return;
    }
    socket.set_option(tcp::no_delay(true), ignored);
    const auto session = std::make_shared<Session>(*this, std::move(socket));
    sessions_.insert(session);
    session->start();
}

void HttpServer::Impl::stop() {
    stopped_ = true;
    error_code ignored;
    for (const auto& at : acceptors_) at->acceptor.close(ignored);
    const auto sessions = sessions_;
    for (const auto& session : sessions) session->stop();
}

HttpServer::HttpServer(asio::io_context& io, HttpServerSettings settings, OnRequest on_request, OnClosed on_closed,
                       OnRefused on_refused)
    : impl_(std::make_shared<Impl>(io, settings, std::move(on_request), std::move(on_closed), std::move(on_refused))) {}

HttpServer::~HttpServer() {
    impl_->on_closed_ = [](ExchangeId) {};
    impl_->stop();
    const auto sessions = impl_->sessions_;
    for (const auto& session : sessions) session->close();
}

proto::Result<void> HttpServer::listen(const proto::Endpoint& at) {
    return impl_->listen(at);
}

std::vector<proto::Endpoint> HttpServer::local() const {
    std::vector<proto::Endpoint> all;
    for (const auto& at : impl_->acceptors_) all.push_back(from_asio(at->acceptor.local_endpoint()));
    return all;
}

std::size_t HttpServer::connections() const {
    return impl_->sessions_.size();
}

void HttpServer::output(HttpOutput output) {
    const auto found = impl_->exchanges_.find(output.exchange);
    if (found != impl_->exchanges_.end()) found->second->output(std::move(output));
}

void HttpServer::give_up() {
    for (const auto& session : impl_->sessions_) session->give_up();
}

void HttpServer::stop() {
    impl_->stop();
}

}  // namespace presmesh::daemon
