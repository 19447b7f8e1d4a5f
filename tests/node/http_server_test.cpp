// The HTTP interface against clients that misbehave: whatever comes, a named answer or a closed connection.
#include "node/daemon/http_server.hpp"

#include <doctest/doctest.h>

#include "proto/limits.hpp"
#include "tests/support/http_world.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;
namespace limits = proto::limits;

namespace {

const std::string health = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends bytes on a fresh connection and expects this one answer, and the connection's end.
void refused(HttpWorld& world, const std::string& bytes, int status, const std::string& reason) {
    const auto client = world.client();
    client->send(bytes);
    const auto reply = client->reply();
    CHECK(reply.status == status);
    CHECK(reply.reason() == reason);
    CHECK(reply.field("Connection") == "close");
    client->half_close();
    CHECK(client->ends());
    CHECK_FALSE(client->was_reset);
    CHECK(client->received.empty());
}

/// An event stream of alice's presence whose client has not read anything beyond the first state.
std::shared_ptr<HttpWorld::Client> stream_of_alice(HttpWorld& world, int receive_bytes) {
    const auto reader = world.silent_client(receive_bytes);
    reader->send(HttpWorld::request("GET", alices_presence + "/events", alices_token));
    world.until([&] { return world.node->service().status().watches == 1; });
    return reader;
}

/// 300 changes of 60 KB: more than two sockets hold.
constexpr int changes = 300;
void publish_changes(HttpWorld& world) {
    std::string etag;
    for (int i = 1; i <= changes; ++i) {
        world.runtime.run_turn([&](proto::Now now) {
            auto document = online("phone", "number " + std::to_string(i) + std::string(60'000, '.'));
            auto receipt = world.node->service().publish(now, {uri("alice@a.example"), etag, std::move(document), {}});
            etag = receipt.value().etag;
        });
        world.io.poll();
    }
}

}  // namespace

TEST_CASE("bytes that are no request get 400 and the end of the connection") {
    HttpWorld world;
    const std::string tls = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + std::string(32, '\x5a');
    for (const std::string& bytes :
         {std::string("\r\n\r\n garbage\r\n\r\n"),
          tls + "\r\n\r\n",
          std::string(64, '\0') + "\r\n\r\n",
          std::string("GET\r\n\r\n"),
          std::string("GET /healthz\r\n\r\n"),
          std::string("GET  HTTP/1.1\r\n\r\n"),
          std::string("GET /healthz HTTP/9.9\r\n\r\n"),
          std::string("GET /healthz FTP/1.1\r\n\r\n"),
          std::string("G\x01T /healthz HTTP/1.1\r\n\r\n"),
          std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
          std::string("GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n"),
          std::string("GET /healthz HTTP/1.1\r\nName With Spaces: x\r\n\r\n"),
          std::string("GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
          std::string("GET /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
          std::string("GET /healthz HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
          std::string("PUT / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
          std::string("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
          std::string("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n"),
          "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n" + health,
          "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n" + health,
          "PUT / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: " + std::to_string(health.size()) +
              "\r\n\r\n" + health,
          std::string("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n")}) {
        CAPTURE(bytes);
        refused(world, bytes, 400, "malformed");
    }
    CHECK(world.until([&] { return world.server->connections() == 0; }));
    CHECK(world.ask("GET", "/healthz").status == 200);
    CHECK(world.diagnostics.counters[{"http_refused", "malformed"}] == 22);
    CHECK(world.diagnostics.counters[{"http_responses", "400"}] == 22);
}

TEST_CASE("what is refused unread is answered as itself, whatever came before it on its connection") {
    HttpWorld world;
    const auto client = world.client();
    client->send("HEAD /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(client->reply(true).status == 200);
    client->send("PUT " + alices_presence + " HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n");
    auto reply = client->reply();
    CHECK(reply.status == 413);
    CHECK(reply.reason() == "too_large");  // read from its body
    CHECK(reply.head.starts_with("HTTP/1.1"));

    const auto broken = world.client();
    broken->send("HEAD /healthz HTTP/1.1\r\n\r\n");
    CHECK(broken->reply(true).status == 200);
    broken->send("no request at all\r\n\r\n");
    reply = broken->reply();
    CHECK(reply.status == 400);
    CHECK(reply.reason() == "malformed");

    const auto large = world.client();
    large->send("HEAD /healthz HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n");
    CHECK(large->reply(true).status == 413);
    large->half_close();
    CHECK(large->ends());
    CHECK(large->received.empty());
}

TEST_CASE("a target that is no path is refused, and the connection goes on") {
    HttpWorld world;
    const auto client = world.client();
    for (const std::string target : {"*", "http://elsewhere/", "healthz", "/%"}) {
        CAPTURE(target);
        client->send("GET " + target + " HTTP/1.1\r\n\r\n");
        const auto reply = client->reply();
        CHECK(reply.status == 400);
        CHECK(reply.reason() == "malformed");
    }
    client->send(health);
    CHECK(client->reply().status == 200);
}

TEST_CASE("header fields beyond the bound get 431") {
    HttpWorld world;
    const std::string start = "GET /healthz HTTP/1.1\r\n";
    refused(world, start + "X: " + std::string(limits::http_header_bytes, 'x') + "\r\n\r\n", 431, "too_large");
    refused(world, "GET /" + std::string(limits::http_header_bytes, 'x') + " HTTP/1.1\r\n\r\n", 431, "too_large");
    refused(world, "GET /" + std::string(2'000'000, 'x'), 431, "too_large");  // without an end, too
    std::string fields;
    for (int i = 0; i < 20'000; ++i) fields += "X-" + std::to_string(i) + ": y\r\n";
    refused(world, start + fields + "\r\n", 431, "too_large");
}

TEST_CASE("ten megabytes of body get 413, which their client comes to read") {
    HttpWorld world;
    const std::string megabytes(10'000'000, 'x');
    const std::string put =
        "PUT " + alices_presence + " HTTP/1.1\r\n" + alices_token + "Content-Type: application/json\r\n";
    refused(world, put + "Content-Length: 10000000\r\n\r\n" + megabytes, 413, "too_large");
    refused(world, put + "Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n", 413, "too_large");

    std::string chunked;
    for (int i = 0; i < 100; ++i) chunked += "186a0\r\n" + megabytes.substr(0, 100'000) + "\r\n";
    refused(world, put + "Transfer-Encoding: chunked\r\n\r\n" + chunked + "0\r\n\r\n", 413, "too_large");
    CHECK(world.node->service().status().publications == 0);
}

TEST_CASE("a refused client that never stops sending is cut off") {
    HttpWorld world{{.linger = 20ms}};
    const auto client = world.client();
    client->send("PUT " + alices_presence + " HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n");
    CHECK(client->reply().status == 413);
    while (client->failed_writes == 0) {
        client->send(std::string(100'000, 'x'));
        const int before = client->writes + client->failed_writes;
        if (!world.until([&] { return client->writes + client->failed_writes > before; })) break;
    }
    CHECK(world.server->connections() == 0);
}

TEST_CASE("a chunked body within the bound is a body like any other") {
    HttpWorld world;
    const auto client = world.client();
    client->send("PUT " + alices_presence + " HTTP/1.1\r\n" + alices_token +
                 "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "10;name=value\r\n{\"services\":[{\"i\r\na\r\nd\":\"x\"}]}\n\r\n0\r\nTrailer: y\r\n\r\n");
    CHECK(client->reply().status == 201);
    client->send("PUT " + alices_presence + " HTTP/1.1\r\n" + alices_token +
                 "Content-Type: application/json\r\nContent-Length: 25\r\nExpect: 100-continue\r\n\r\n");
    CHECK(client->reply().status == 100);
    client->send("{\"services\":[{\"id\":\"x\"}]}");
    CHECK(client->reply().status == 200);
}

TEST_CASE("pipelined requests are answered in their order") {
    HttpWorld world;
    const auto client = world.client();
    std::string all;
    for (int i = 0; i < 50; ++i) all += i % 2 == 0 ? health : "GET /nowhere HTTP/1.1\r\n\r\n";
    client->send(all + "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n" + health);
    for (int i = 0; i < 50; ++i) CHECK(client->reply().status == (i % 2 == 0 ? 200 : 404));
    CHECK(client->reply().status == 200);
    CHECK(client->ends());
    CHECK(client->received.empty());
}

TEST_CASE("HTTP/1.0 closes unless asked otherwise") {
    HttpWorld world;
    const auto client = world.client();
    client->send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(client->reply().status == 200);
    client->send("GET /healthz HTTP/1.0\r\n\r\n");
    CHECK(client->reply().status == 200);
    CHECK(client->ends());
}

TEST_CASE("requests that come in pieces are put together; a half-closed client is answered") {
    HttpWorld world;
    const auto client = world.client();
    for (const char c : health) {
        const int before = client->writes;
        client->send(std::string(1, c));
        world.until([&] { return client->writes > before; });
    }
    CHECK(client->reply().status == 200);
    client->send(health);
    client->half_close();
    CHECK(client->reply().status == 200);
    CHECK(client->ends());
}

TEST_CASE("a request that never comes to its end gets 408; a silent connection is closed") {
    HttpWorld world{{.idle = 20ms, .request_time = 20ms}};
    refused(world, "GET /heal", 408, "unavailable");
    refused(world, "GET /healthz HTTP/1.1\r\nHost: x\r\n", 408, "unavailable");
    refused(world, "PUT " + alices_presence + " HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", 408, "unavailable");

    const auto silent = world.client();
    CHECK(silent->ends());
    CHECK(silent->received.empty());
    const auto once = world.client();
    once->send(health);
    CHECK(once->reply().status == 200);
    CHECK(once->ends());
    CHECK(once->received.empty());
    CHECK(world.server->connections() == 0);
}

TEST_CASE("a client that leaves in the midst of a request is forgotten") {
    HttpWorld world;
    for (const std::string start : {"GET /heal", "PUT /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n1", ""}) {
        const auto client = world.client();
        client->send(start);
        world.until([&] { return client->writes == 1 || start.empty(); });
        client->close();
    }
    CHECK(world.until([&] { return world.server->connections() == 0; }));
}

TEST_CASE("a slow reader of events misses states between, never the newest") {
    HttpWorld world;
    const auto reader = stream_of_alice(world, 4096);
    publish_changes(world);
    reader->read();
    const auto last = "number " + std::to_string(changes) + ".";
    world.until([&] { return reader->received.find(last) != std::string::npos && reader->received.ends_with("\n\n"); });
    CHECK(reader->received.find("event:", reader->received.find(last)) == std::string::npos);
    int events = 0;
    for (auto at = reader->received.find("event:"); at != std::string::npos;
         at = reader->received.find("event:", at + 1))
        ++events;
    CHECK(events > 1);
    CHECK(events < changes - 50);  // what the sockets do not hold is not held here either
}

TEST_CASE("a reader of events that takes nothing at all is given up") {
    HttpWorld world{{.request_time = 50ms}};
    const auto reader = stream_of_alice(world, 4096);
    publish_changes(world);
    CHECK(world.until([&] { return world.server->connections() == 0; }));
    CHECK(world.node->service().status().watches == 0);
}

TEST_CASE("a node that cannot go on tells who waits for an answer, and nobody else") {
    HttpWorld world;
    const auto waits = world.client();
    waits->send(HttpWorld::request("GET", "/v1/presence/bob@b.example?watcher=alice@a.example&wait=30", alices_token));
    const auto reader = stream_of_alice(world, 0);
    const auto idle = world.client();
    world.until([&] { return world.server->connections() == 3 && world.node->service().status().watches == 2; });
    world.server->give_up();
    const auto reply = waits->reply();
    CHECK(reply.status == 503);
    CHECK(reply.reason() == "unavailable");
    CHECK(reply.field("Connection") == "close");
    world.server.reset();
    reader->read();
    CHECK(reader->ends());
    CHECK(reader->received.find("503") == std::string::npos);
    CHECK(idle->ends());
    CHECK(idle->received.empty());
}

TEST_CASE("connections beyond the bound are told so and closed") {
    HttpWorld world{{.connections = 3}};
    std::vector<std::shared_ptr<HttpWorld::Client>> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(world.client());
    world.until([&] { return world.server->connections() == 3; });
    const auto reply = world.client()->reply();
    CHECK(reply.status == 503);
    CHECK(reply.reason() == "quota");
    CHECK(world.diagnostics.counters[{"http_refused", "quota"}] == 1);
    CHECK(world.server->connections() == 3);
    clients[0]->close();
    world.until([&] { return world.server->connections() == 2; });
    CHECK(world.ask("GET", "/healthz").status == 200);
}

TEST_CASE("a connection that asks too often is told to wait") {
    HttpWorld world{{.requests_per_second = 5}};
    const auto client = world.client();
    std::string all;
    for (int i = 0; i < 40; ++i) all += health;
    client->send(all);
    std::map<int, int> answers;
    HttpReply last;
    for (int i = 0; i < 40; ++i) ++answers[(last = client->reply()).status];
    CHECK(answers[200] >= 10);
    CHECK(answers[429] >= 1);
    CHECK(world.diagnostics.counters[{"http_refused", "rate_limited"}] == static_cast<std::uint64_t>(answers[429]));
    CHECK(world.diagnostics.counters[{"http_responses", "429"}] == static_cast<std::uint64_t>(answers[429]));
    CHECK(last.reason() == "rate_limited");
    CHECK(last.field("Retry-After") == "1");
    CHECK(world.ask("GET", "/healthz").status == 200);  // another one is not held back
}
