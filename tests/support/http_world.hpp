// A node with its HTTP interface on a loopback port, and clients that send it bytes of the test's choosing. One thread:
// whoever waits, waits in `until`, which runs everybody's work.
#pragma once

#include <doctest/doctest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "node/daemon/asio_endpoint.hpp"
#include "node/daemon/asio_runtime.hpp"
#include "node/daemon/http_api.hpp"
#include "node/daemon/http_server.hpp"
#include "node/daemon/system.hpp"
#include "node/node.hpp"
#include "node/store.hpp"
#include "overlay/dht_fake.hpp"
#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"

namespace presmesh::testing {

inline const std::string alices_token = "Authorization: Bearer alices-very-own-token\r\n";
inline const std::string alices_presence = "/v1/presence/alice@a.example";

/// Of a response: `head` is its first line and fields.
struct HttpReply {
    int status = 0;
    std::string head;
    std::string body;
    bool has(std::string_view text) const { return body.find(text) != std::string::npos; }
    std::string field(const std::string& name) const {
        const auto at = head.find("\r\n" + name + ": ");
        if (at == std::string::npos) return {};
        const auto begin = at + name.size() + 4;
        return head.substr(begin, head.find("\r\n", begin) - begin);
    }
    /// The name of a problem document's reason; empty when it is none.
    std::string reason() const {
        constexpr std::string_view member = "\"reason\":\"";
        const auto at = body.find(member);
        if (field("Content-Type") != "application/problem+json" || at == std::string::npos) return {};
        const auto begin = at + member.size();
        return body.substr(begin, body.find('"', begin) - begin);
    }
};

class HttpWorld {
  public:
    using tcp = boost::asio::ip::tcp;

    /// One connection of a client.
    class Client : public std::enable_shared_from_this<Client> {
      public:
        explicit Client(HttpWorld& world) : world_(world), socket_(world.io) {}
        void connect(int receive_bytes = 0) {
            socket_.open(tcp::v4());
            if (receive_bytes > 0) socket_.set_option(boost::asio::socket_base::receive_buffer_size(receive_bytes));
            socket_.connect(daemon::to_asio<tcp>(world_.server->local().at(0)));
        }
        /// In the background; a server that stops reading is no reason to wait here.
        void send(std::string bytes) {
            const auto held = std::make_shared<std::string>(std::move(bytes));
            boost::asio::async_write(socket_, boost::asio::buffer(*held),
                                     [self = shared_from_this(), held](boost::system::error_code error, std::size_t) {
                                         ++(error ? self->failed_writes : self->writes);
                                     });
        }
        void half_close() { socket_.shutdown(tcp::socket::shutdown_send); }
        void close() { socket_.close(); }
        void read() {
            socket_.async_read_some(boost::asio::buffer(piece_),
                                    [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
                                        self->received.append(self->piece_.data(), size);
                                        if (!error) return self->read();
                                        self->closed = true;
                                        self->was_reset = error == boost::asio::error::connection_reset;
                                    });
        }
        /// The next response, taken off what was received. `bodiless`: the request was a HEAD.
        HttpReply reply(bool bodiless = false) {
            HttpReply out;
            world_.until([&] { return received.find("\r\n\r\n") != std::string::npos || closed; });
            const auto end = received.find("\r\n\r\n");
            if (end == std::string::npos) return out;
            out.head = received.substr(0, end + 2);
            out.status = std::stoi(out.head.substr(9, 3));
            const auto length = out.field("Content-Length");
            const auto size = bodiless || length.empty() ? 0 : std::stoul(length);
            world_.until([&] { return received.size() >= end + 4 + size || closed; });
            out.body = received.substr(end + 4, size);
            received.erase(0, end + 4 + size);
            return out;
        }
        /// Waits until the text has come; what came up to its end is taken off.
        bool comes(std::string_view text) {
            world_.until([&] { return received.find(text) != std::string::npos || closed; });
            const auto at = received.find(text);
            if (at == std::string::npos) return false;
            received.erase(0, at + text.size());
            return true;
        }
        bool ends() {
            return world_.until([this] { return closed; });
        }

        std::string received;
        bool closed = false;
        bool was_reset = false;
        int writes = 0;
        int failed_writes = 0;

      private:
        HttpWorld& world_;
        tcp::socket socket_;
        std::array<char, 16 * 1024> piece_;
    };

    explicit HttpWorld(daemon::HttpServerSettings settings = {}, daemon::HttpApiSettings api_settings = {}) {
        const auto now = daemon::system_now();
        const auto domain_key = proto::SigningKey::generate(random);
        const auto node_key = proto::SigningKey::generate(random);
        const auto hour = std::chrono::hours{1};
        federation->add({"a.example", domain_key.public_key(), {}, {}, {}});
        federation->add({"b.example", node_key.public_key(), {}, {}, {}});
        const auto certificate =
            proto::Certificate::issue(domain_key, "a.example", node_key.public_key(),
                                      proto::role_store | proto::role_publish, now.wall - hour, now.wall + hour);
        node::NodeSettings node_settings{
            node_key, certificate, federation, {proto::Endpoint::v4(0x7f000001, 4000)}, std::chrono::seconds{30}, {}};
        // Sockets are filled here with changes that come as fast as can be.
        node_settings.service.limits.changes.interval = node_settings.service.limits.told.interval = proto::Duration{0};
        node = std::make_unique<node::Node>(now, std::move(node_settings), std::make_unique<overlay::DhtFake>(dht),
                                            store, random, diagnostics);
        api = std::make_unique<daemon::HttpApi>(api_settings, node->service(), [this] { return report; });
        api->set_tokens(now, daemon::Tokens::parse("all-powerful-token *\n"
                                                   "alices-very-own-token alice@a.example\n"
                                                   "anns-token-to-read-by ann@a.example read\n")
                                 .value());
        node->add_translator(*api);
        server = std::make_unique<daemon::HttpServer>(
            io, settings,
            [this](daemon::ExchangeId exchange, daemon::HttpRequest request) {
                runtime.run_turn([this, exchange, request = std::move(request)](proto::Now at) {
                    api->handle_request(at, exchange, request);
                });
            },
            [this](daemon::ExchangeId exchange) {
                runtime.run_turn([this, exchange](proto::Now at) { api->handle_closed(at, exchange); });
            },
            [this](unsigned status, std::string_view reason) { api->server_refused(status, reason); });
        REQUIRE(server->listen(proto::Endpoint::v4(0x7f000001, 0)));
        runtime.after_turn([this] {
            while (auto output = api->poll_output()) server->output(std::move(*output));
        });
        runtime.start(*node);
    }

    /// Runs until `done` holds. False, and a failed test, when nothing makes it hold for a long while.
    bool until(const std::function<bool()>& done) {
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (!done() && std::chrono::steady_clock::now() < patience) io.run_one_for(std::chrono::seconds{1});
        CHECK_MESSAGE(done(), "nothing came of waiting");
        return done();
    }
    std::shared_ptr<Client> client() {
        auto one = silent_client();
        one->read();
        return one;
    }
    /// Does not read before it is told to; its kernel holds no more than about so many bytes for it.
    std::shared_ptr<Client> silent_client(int receive_bytes = 0) {
        auto one = std::make_shared<Client>(*this);
        one->connect(receive_bytes);
        return one;
    }
    /// One request on a connection of its own.
    HttpReply ask(const std::string& method, const std::string& target, const std::string& fields = {},
                  const std::string& body = {}) {
        const auto one = client();
        one->send(request(method, target, fields, body));
        auto reply = one->reply(method == "HEAD");
        one->close();
        return reply;
    }
    static std::string request(const std::string& method, const std::string& target, const std::string& fields = {},
                               const std::string& body = {}) {
        return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + fields +
               (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
    }

    boost::asio::io_context io{1};
    proto::SeededRandom random{7};
    std::shared_ptr<proto::Federation> federation = std::make_shared<proto::Federation>();
    overlay::DhtFakeWorld dht{federation, std::chrono::milliseconds{1}};
    node::MemoryStore store;
    node::RecordingDiagnostics diagnostics;
    daemon::NodeReport report;
    daemon::AsioRuntime runtime{io};
    std::unique_ptr<daemon::HttpApi> api;
    std::unique_ptr<node::Node> node;
    std::unique_ptr<daemon::HttpServer> server;
};

}  // namespace presmesh::testing
