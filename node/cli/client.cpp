#include "node/cli/client.hpp"

#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
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

Result<tcp::socket> connect(asio::io_context& io, const std::string& host, const std::string& port,
                            const std::string& address) {
    tcp::socket socket(io);
    tcp::resolver resolver(io);
    boost::system::error_code error;
    const auto found = resolver.resolve(host, port, error);
    if (!error) asio::connect(socket, found, error);
    if (error) return refuse(Reason::unavailable, "no daemon answers at " + address + ": " + error.message());
    return socket;
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

}  // namespace

Result<Client> Client::make(const Options& options) {
    Client client;
    auto url = !options.url.empty() ? options.url : environment("PRESMESH_URL");
    client.token_ = !options.token.empty() ? options.token : environment("PRESMESH_TOKEN");
    if (url.empty() || client.token_.empty()) {
        const auto path = !options.config.empty() ? options.config : environment("PRESMESH_CONFIG");
        auto parsed = daemon::load_config(path.empty() ? "presmesh.toml" : path);
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
    asio::io_context io;
    auto socket = connect(io, host_, port_, address_);
    if (!socket) return tl::make_unexpected(socket.error());
    http::request<http::string_body> message;
    message.method_string(method);
    message.target(target);
    message.version(11);
    message.set(http::field::host, host_);
    message.set(http::field::accept, accept);
    message.set(http::field::connection, "close");
    if (!token_.empty()) message.set(http::field::authorization, "Bearer " + token_);
    if (!body.empty()) message.set(http::field::content_type, content_type);
    message.body() = body;
    message.prepare_payload();
    boost::system::error_code error;
    http::write(*socket, message, error);
    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(proto::limits::http_reply_bytes);
    if (!error) http::read(*socket, buffer, parser, error);
    if (error) return refuse(Reason::unavailable, "the daemon at " + address_ + " broke off: " + error.message());
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
    asio::io_context io;
    auto socket = connect(io, host_, port_, address_);
    if (!socket) return tl::make_unexpected(socket.error());
    const auto request = "GET " + target + " HTTP/1.1\r\nHost: " + host_ +
                         "\r\nAccept: text/event-stream\r\nAuthorization: Bearer " + token_ + "\r\n\r\n";
    boost::system::error_code error;
    asio::write(*socket, asio::buffer(request), error);
    asio::streambuf buffer;
    const auto broken = [&] {
        return refuse(Reason::unavailable, "the daemon at " + address_ + " ended the stream: " + error.message());
    };
    const auto line = [&]() {
        asio::read_until(*socket, buffer, '\n', error);
        std::istream in(&buffer);
        std::string text;
        if (!error) std::getline(in, text);
        if (!text.empty() && text.back() == '\r') text.pop_back();
        return text;
    };
    const auto status = line();
    if (error) return broken();
    if (status.find(" 200 ") == std::string::npos) {
        // What it says about that comes the ordinary way.
        auto reply = ask("GET", target, {}, {}, "text/event-stream");
        return reply ? refuse(Reason::unavailable, status) : tl::make_unexpected(reply.error());
    }
    for (;;) {
        const auto text = line();
        if (error) return broken();
        if (text.starts_with("data: ") && !event(text.substr(6))) return {};
    }
}

}  // namespace presmesh::cli
