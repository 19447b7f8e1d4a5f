// What each path and method of the HTTP interface answers, refusals with their names included.
#include <doctest/doctest.h>

#include "tests/support/http_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

namespace {

const std::string admin = "Authorization: Bearer all-powerful-token\r\n";
const std::string anns_token = "Authorization: Bearer anns-token-to-read-by\r\n";
const std::string json = "Content-Type: application/json\r\n";
const std::string pidf = "Content-Type: application/pidf+xml\r\n";

std::string service_json(const std::string& note) {
    return R"({"services":[{"id":"phone","basic":"open","notes":[{"text":")" + note + R"("}]}]})";
}

std::string pidf_of(const std::string& entity, const std::string& ns = "urn:ietf:params:xml:ns:pidf",
                    const std::string& before = {}, const std::string& note = "by xml") {
    return "<?xml version='1.0'?>" + before + "<presence xmlns='" + ns + "' entity='" + entity +
           "'><tuple id='t'><status><basic>open</basic></status><note>" + note + "</note></tuple></presence>";
}

struct Refusal {
    int status;
    std::string reason;
    bool operator==(const Refusal&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Refusal& r) {
    return out << r.status << " " << r.reason;
}
Refusal refusal(const HttpReply& reply) {
    return {reply.status, reply.reason()};
}

}  // namespace

TEST_CASE("a publication's life over HTTP: created, replaced, refreshed, withdrawn") {
    HttpWorld world;
    const auto created = world.ask("PUT", alices_presence, alices_token + json, service_json("one"));
    CHECK(created.status == 201);
    CHECK(created.has("\"etag\""));
    const auto etag = created.field("ETag");
    CHECK(etag.size() > 2);

    CHECK(world.ask("GET", alices_presence, alices_token).has("\"text\":\"one\""));
    const auto replaced = world.ask("PUT", alices_presence, alices_token + json, service_json("two"));
    CHECK(replaced.status == 200);
    CHECK(replaced.field("ETag") != etag);
    CHECK(world.ask("GET", alices_presence, alices_token).has("\"text\":\"two\""));

    CHECK(refusal(world.ask("PUT", alices_presence, alices_token + json + "If-Match: " + etag + "\r\n",
                            service_json("three"))) == Refusal{412, "condition_failed"});
    const auto refreshed = world.ask("PUT", alices_presence + "?expires=120",
                                     alices_token + "If-Match: " + replaced.field("ETag") + "\r\n");
    CHECK(refreshed.status == 200);
    CHECK(refreshed.has("\"expires\":120"));
    CHECK(refusal(world.ask("PUT", alices_presence, alices_token + json + "If-None-Match: *\r\n",
                            service_json("four"))) == Refusal{412, "condition_failed"});

    CHECK(world.ask("DELETE", alices_presence, alices_token).status == 204);
    CHECK(refusal(world.ask("DELETE", alices_presence, alices_token)) == Refusal{404, "not_found"});
}

TEST_CASE("a parameter that is not known is refused by its name, and nothing is done") {
    HttpWorld world;
    const auto wrong = world.ask("PUT", alices_presence + "?expire=60", alices_token + json, service_json("one"));
    CHECK(refusal(wrong) == Refusal{400, "malformed"});
    CHECK(wrong.has("\\\"expire\\\" is not known here; this method takes publication expires"));
    CHECK(refusal(world.ask("DELETE", alices_presence, alices_token)) == Refusal{404, "not_found"});
    for (const std::string query :
         {"?expires=60", "?publication=x", "?watch=ann@a.example", "?wait=0&", "?watcher%20wait=1"})
        CHECK_MESSAGE((refusal(world.ask("GET", alices_presence + query, alices_token)) == Refusal{400, "malformed"}),
                      query);
    CHECK(refusal(world.ask("GET", alices_presence + "/events?wait=1", alices_token)) == Refusal{400, "malformed"});
    for (const std::string path :
         {"/v1/rules/alice@a.example", "/v1/watchers/alice@a.example", "/v1/node", "/healthz"}) {
        CHECK_MESSAGE((refusal(world.ask("GET", path + "?x=1", admin)) == Refusal{400, "malformed"}), path);
        CHECK_MESSAGE(world.ask("GET", path, admin).status == 200, path);
    }
    CHECK(refusal(world.ask("GET", alices_presence + "?x=1")) == Refusal{401, "unauthorized"});
}

TEST_CASE("a name is free when its publication has gone otherwise") {
    HttpWorld world;
    auto etag = world.ask("PUT", alices_presence, alices_token + json, service_json("one")).field("ETag");
    etag = etag.substr(1, etag.size() - 2);
    const auto now = daemon::system_now();
    REQUIRE(world.node->service().publish(now,
                                          {proto::PresentityUri::parse("alice@a.example").value(), etag, nullptr, 0s}));
    world.node->end_turn(now);
    CHECK(refusal(world.ask("DELETE", alices_presence, alices_token)) == Refusal{404, "not_found"});
    CHECK(world.ask("PUT", alices_presence, alices_token + json + "If-None-Match: *\r\n", service_json("two")).status ==
          201);
    CHECK(world.ask("PUT", alices_presence, alices_token + json, service_json("three")).status == 200);
}

TEST_CASE("JSON and PIDF are taken, and given by Accept") {
    HttpWorld world;
    CHECK(world.ask("PUT", alices_presence, alices_token + pidf, pidf_of("pres:alice@a.example")).status == 201);
    const auto as_json = world.ask("GET", alices_presence, alices_token);
    CHECK(as_json.field("Content-Type") == "application/json");
    CHECK(as_json.has("by xml"));
    const auto as_pidf = world.ask("GET", alices_presence, alices_token + "Accept: application/pidf+xml\r\n");
    CHECK(as_pidf.field("Content-Type") == "application/pidf+xml");
    CHECK(as_pidf.field("Presence-State") == "active");
    CHECK(as_pidf.has("<note"));
    CHECK(refusal(world.ask("GET", alices_presence, alices_token + "Accept: text/html\r\n")) ==
          Refusal{406, "unsupported_type"});
    CHECK(refusal(world.ask("GET", alices_presence + "/events", alices_token + "Accept: application/json\r\n")) ==
          Refusal{406, "unsupported_type"});

    const auto head = world.ask("HEAD", alices_presence, alices_token);
    CHECK(head.status == 200);
    CHECK(std::stoul(head.field("Content-Length")) == as_json.body.size());
}

TEST_CASE("Content-Language is the language of a PIDF body's notes that name none (RFC 9110 section 8.5)") {
    HttpWorld world;
    const std::string notes = "plain</note><note xml:lang='de'>eigen";
    const auto put = [&](const std::string& fields) {
        const auto body = pidf_of("pres:alice@a.example", "urn:ietf:params:xml:ns:pidf", {}, notes);
        return world.ask("PUT", alices_presence, alices_token + pidf + fields, body).status;
    };
    CHECK(put("") == 201);
    CHECK_FALSE(world.ask("GET", alices_presence, alices_token).has("\"lang\":\"fr\""));
    CHECK(put("Content-Language: fr\r\n") == 200);
    const auto shown = world.ask("GET", alices_presence, alices_token);
    CHECK(shown.has(R"("lang":"fr")"));
    CHECK(shown.has(R"("lang":"de")"));
    const auto as_pidf = world.ask("GET", alices_presence, alices_token + "Accept: application/pidf+xml\r\n");
    CHECK(as_pidf.has("lang=\"fr\""));
}

TEST_CASE("what says nothing known, and what is not there") {
    HttpWorld world;
    const auto nothing = world.ask("GET", "/v1/presence/nobody@a.example?wait=0", admin);
    CHECK(nothing.status == 200);
    CHECK(nothing.has("\"presence\":null"));
    CHECK(world.ask("GET", "/v1/presence/nobody@a.example?wait=0", admin + "Accept: application/pidf+xml\r\n").status ==
          204);
    for (const std::string path : {"/", "/v1", "/v1/nodes", "/v1/presence", "/v1/presence/alice@a.example/event",
                                   "/v1/roles/alice@a.example", "/v1/rules/alice@a.example/events", "//healthz"}) {
        CAPTURE(path);
        CHECK(refusal(world.ask("GET", path, admin)) == Refusal{404, "not_found"});
    }
    CHECK(refusal(world.ask("GET", "/v1/rules/bob@b.example", admin)) == Refusal{404, "not_found"});
    CHECK(refusal(world.ask("PUT", "/v1/presence/bob@b.example", admin + json, service_json("x"))) ==
          Refusal{404, "not_found"});
    CHECK(refusal(world.ask("GET", "/v1/presence/x@c.example", alices_token)) == Refusal{403, "not_admitted"});
}

TEST_CASE("a method that a path does not take is answered with those it takes") {
    HttpWorld world;
    const std::vector<std::pair<std::string, std::string>> paths{{"/healthz", "GET, HEAD"},
                                                                 {"/metrics", "GET, HEAD"},
                                                                 {"/v1/node", "GET, HEAD"},
                                                                 {alices_presence, "GET, HEAD, PUT, DELETE"},
                                                                 {alices_presence + "/events", "GET"},
                                                                 {"/v1/rules/alice@a.example", "GET, HEAD, PUT"},
                                                                 {"/v1/watchers/alice@a.example", "GET, HEAD, POST"}};
    for (const auto& [target, methods] : paths) {
        const auto& path = target;  // clang 14 captures no structured bindings
        for (const std::string method : {"PATCH", "BREW", "CONNECT", "OPTIONS"}) {
            CAPTURE(method);
            CAPTURE(path);
            const auto reply = world.ask(method, path, admin);
            CHECK(refusal(reply) == Refusal{405, "unsupported"});
            CHECK(reply.field("Allow") == methods);
        }
    }
    CHECK(world.ask("HEAD", alices_presence + "/events", admin).status == 405);
}

TEST_CASE("who may do what") {
    HttpWorld world;
    CHECK(world.ask("GET", "/healthz").body == "ok\n");
    CHECK(world.ask("GET", "/metrics").has("presmesh"));
    const auto nobody = world.ask("GET", alices_presence);
    CHECK(refusal(nobody) == Refusal{401, "unauthorized"});
    CHECK(nobody.field("WWW-Authenticate") == "Bearer realm=\"presmesh\"");
    for (const std::string wrong : {"Bearer all-powerful-toke", "Bearer all-powerful-token2",
                                    "Basic all-powerful-token", "Bearer ", "Bearer", "all-powerful-token"}) {
        CAPTURE(wrong);
        CHECK(refusal(world.ask("GET", alices_presence, "Authorization: " + wrong + "\r\n")) ==
              Refusal{401, "unauthorized"});
    }
    CHECK(refusal(world.ask("GET", "/v1/node", alices_token)) == Refusal{403, "forbidden"});
    CHECK(world.ask("GET", "/v1/node", admin).status == 200);
    CHECK(refusal(world.ask("PUT", "/v1/presence/ann@a.example", alices_token + json, service_json("not me"))) ==
          Refusal{403, "forbidden"});
    CHECK(refusal(world.ask("PUT", "/v1/presence/ann@a.example", anns_token + json, service_json("may only read"))) ==
          Refusal{403, "forbidden"});
    CHECK(refusal(world.ask("GET", "/v1/rules/ann@a.example", alices_token)) == Refusal{403, "forbidden"});
    CHECK(refusal(world.ask("GET", "/v1/watchers/ann@a.example", alices_token)) == Refusal{403, "forbidden"});
    CHECK(refusal(world.ask("GET", alices_presence + "?watcher=ann@a.example", alices_token)) ==
          Refusal{403, "forbidden"});
    CHECK(world.ask("GET", alices_presence + "?watcher=ann@a.example&wait=0", admin).has("\"state\":\"pending\""));
    const auto unnamed = world.ask("GET", "/v1/presence/bob@b.example", admin);
    CHECK(refusal(unnamed) == Refusal{400, "malformed"});
    CHECK(unnamed.has("presmesh --as user@domain"));

    HttpWorld remote{{}, {.open_metrics = false}};
    CHECK(refusal(remote.ask("GET", "/metrics")) == Refusal{401, "unauthorized"});
    CHECK(remote.ask("GET", "/metrics", anns_token).status == 200);
}

TEST_CASE("rules and watchers: set, asked for, decided") {
    HttpWorld world;
    world.ask("PUT", alices_presence, alices_token + json, service_json("private"));
    CHECK(world.ask("GET", alices_presence + "?wait=0", anns_token).has("\"state\":\"pending\""));

    const std::string rules = "/v1/rules/alice@a.example";
    CHECK(world.ask("PUT", rules, alices_token + json, R"({"rules":[{"who":"ann@a.example","handling":"allow"}]})")
              .status == 200);
    CHECK(world.ask("GET", rules, alices_token).has("\"handling\":\"allow\""));
    CHECK(world.ask("GET", alices_presence, anns_token).has("private"));
    CHECK(world.ask("PUT", rules, alices_token + json, R"({"rules":[{"who":"ann@a.example","handling":"block"}]})")
              .status == 200);
    const auto blocked = world.ask("GET", alices_presence, anns_token);
    CHECK(blocked.status == 403);
    CHECK_FALSE(blocked.has("private"));

    const std::string watchers = "/v1/watchers/alice@a.example";
    CHECK(world.ask("PUT", rules, alices_token + json, R"({"rules":[]})").status == 200);
    CHECK(
        world.ask("POST", watchers, alices_token + json, R"({"watcher":"ann@a.example","decision":"allow"})").status ==
        200);
    CHECK(world.ask("GET", alices_presence, anns_token).has("private"));

    for (const std::string body : {"", "[]", "{", R"({"rules":5})", R"({"rules":[{"who":"@","handling":"allow"}]})",
                                   R"({"rules":[{"who":"*","handling":"shun"}]})", R"({"rulez":[]})"}) {
        CAPTURE(body);
        CHECK(refusal(world.ask("PUT", rules, alices_token + json, body)) == Refusal{400, "malformed"});
    }
    for (const std::string body :
         {"", "{}", R"({"watcher":"ann","decision":"allow"})", R"({"watcher":"ann@a.example","decision":1})"}) {
        CAPTURE(body);
        CHECK(refusal(world.ask("POST", watchers, alices_token + json, body)) == Refusal{400, "malformed"});
    }
    CHECK(refusal(world.ask("PUT", rules, alices_token, R"({"rules":[]})")) == Refusal{415, "unsupported_type"});
    CHECK(refusal(world.ask("POST", watchers, alices_token, R"({})")) == Refusal{415, "unsupported_type"});
}

TEST_CASE("targets and parameters that are wrong are refused by name") {
    HttpWorld world;
    for (const std::string target :
         {"/v1/presence/alice", "/v1/presence/%", "/v1/presence/%zz@a.example", "/v1/presence/a%00b@a.example",
          "/v1/presence/@a.example", "/v1/presence/alice@", "/v1/presence/alice@a.example?wait=x",
          "/v1/presence/alice@a.example?wait=31", "/v1/presence/alice@a.example?wait=-1",
          "/v1/presence/alice@a.example?wait=1&wait=2", "/v1/presence/alice@a.example?watcher=ann"}) {
        CAPTURE(target);
        CHECK(refusal(world.ask("GET", target, admin)) == Refusal{400, "malformed"});
    }
    for (const std::string query : {"?expires=0", "?expires=soon", "?expires=-5", "?expires=99999999999"}) {
        CAPTURE(query);
        CHECK(refusal(world.ask("PUT", alices_presence + query, alices_token + json, service_json("x"))) ==
              Refusal{400, "malformed"});
    }
    CHECK(refusal(world.ask("PUT", alices_presence + "?publication=" + std::string(65, 'x'), alices_token + json,
                            service_json("x"))) == Refusal{413, "too_large"});
    for (const std::string tag : {"W/\"weak\"", "bare", "\"one\", \"two\"", "\""}) {
        CAPTURE(tag);
        CHECK(refusal(world.ask("PUT", alices_presence, alices_token + json + "If-Match: " + tag + "\r\n",
                                service_json("x"))) == Refusal{400, "malformed"});
    }
    const auto brief = world.ask("PUT", alices_presence + "?expires=59", alices_token + json, service_json("x"));
    CHECK(refusal(brief) == Refusal{422, "interval_too_brief"});
    CHECK(brief.field("Presence-Min-Expires") == "60");
}

TEST_CASE("bodies that are wrong are refused by name, and change nothing") {
    HttpWorld world;
    const auto put = [&](const std::string& fields, const std::string& body) {
        return refusal(world.ask("PUT", alices_presence, alices_token + fields, body));
    };
    CHECK(put(json, "") == Refusal{400, "malformed"});
    CHECK(put("", service_json("x")) == Refusal{415, "unsupported_type"});
    CHECK(put("Content-Type: text/plain\r\n", "away") == Refusal{415, "unsupported_type"});
    for (const std::string& body :
         {std::string("{"), std::string("null"), std::string("\xff\xfe"), std::string(200'000, '['),
          std::string(R"({"shwo":"away"})"), std::string(R"({"services":[{"id":"x","show":"awya"}]})"),
          std::string(R"({"services":[{"id":"x","notes":[{"text":")") + "\xc3\x28" + R"("}]}]})"}) {
        CAPTURE(body.substr(0, 60));
        CHECK(put(json, body) == Refusal{400, "malformed"});
    }
    std::string many = R"({"services":[{"id":"0"})";
    for (int i = 1; i < 100; ++i) many += R"(,{"id":")" + std::to_string(i) + "\"}";
    CHECK(put(json, many + "]}").status == 413);
    CHECK(put(json, service_json(std::string(100'000, 'x'))) == Refusal{413, "too_large"});

    CHECK(put(pidf, pidf_of("pres:ann@a.example")) == Refusal{409, "conflict"});
    CHECK(put(pidf, pidf_of("sip:alice@192.0.2.1")) == Refusal{409, "conflict"});
    CHECK(put(pidf, "<presence") == Refusal{400, "malformed"});
    CHECK(put(pidf, pidf_of("pres:alice@a.example", "jabber:client")) == Refusal{400, "wrong_namespace"});
    CHECK(put(pidf, pidf_of("pres:alice@a.example", "urn:ietf:params:xml:ns:pidf", "<!DOCTYPE presence>")) ==
          Refusal{400, "forbidden_xml"});
    std::string laughs = "<!DOCTYPE p [<!ENTITY a 'ha'>";
    for (char c = 'b'; c < 'z'; ++c) {
        laughs += std::string("<!ENTITY ") + c + " '";
        for (int i = 0; i < 10; ++i) laughs += std::string("&") + static_cast<char>(c - 1) + ";";
        laughs += "'>";
    }
    CHECK(put(pidf, pidf_of("pres:alice@a.example", "urn:ietf:params:xml:ns:pidf", laughs + "]>", "&y;")) ==
          Refusal{400, "forbidden_xml"});
    CHECK(put(pidf, pidf_of("pres:alice@a.example", "urn:ietf:params:xml:ns:pidf",
                            "<!DOCTYPE p [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>", "&f;")) ==
          Refusal{400, "forbidden_xml"});
    CHECK(put(pidf, pidf_of("pres:alice@a.example", "urn:ietf:params:xml:ns:pidf", "", "&nowhere;")).status == 400);
    CHECK(world.ask("GET", alices_presence + "?wait=0", alices_token).has("\"presence\":null"));
}

TEST_CASE("events tell every state, and end with the client") {
    HttpWorld world;
    const auto reader = world.client();
    reader->send(HttpWorld::request("GET", alices_presence + "/events", alices_token));
    CHECK(reader->comes("Content-Type: text/event-stream\r\n"));
    CHECK(reader->comes("\r\n\r\nretry: 1000\n\nid: 1\nevent: presence\ndata: "));
    world.ask("PUT", alices_presence, alices_token + json, service_json("first"));
    CHECK(reader->comes("first"));
    world.ask("PUT", alices_presence, alices_token + json, service_json("second"));
    CHECK(reader->comes("second"));
    CHECK(world.node->service().status().watches == 1);
    reader->close();
    CHECK(world.until([&] { return world.node->service().status().watches == 0; }));
}

TEST_CASE("what a token opened ends when the token is taken back, or is another user's") {
    HttpWorld world;
    const auto stream = [&](const std::string& whose, const std::string& query = {}) {
        const auto reader = world.client();
        reader->send(HttpWorld::request("GET", alices_presence + "/events" + query, whose));
        CHECK(reader->comes("event: presence"));
        return reader;
    };
    const auto alices = stream(alices_token);
    const auto anns = stream(anns_token);
    const auto annas = stream(admin, "?watcher=anna@a.example");
    const auto own = stream(admin);
    const auto waiting = world.client();  // b.example's node is never there
    waiting->send(HttpWorld::request("GET", "/v1/presence/bob@b.example?wait=30", alices_token));
    world.until([&] { return world.node->service().status().watches == 5; });
    const auto set_tokens = [&](const std::string& text) {
        world.runtime.run_turn(
            [&](proto::Now now) { world.api->set_tokens(now, daemon::Tokens::parse(text).value()); });
    };
    // The token that was anybody's is alice's now, hers is gone, and ann's is in another line.
    set_tokens("anns-token-to-read-by ann@a.example read\nall-powerful-token alice@a.example\n");
    CHECK(alices->ends());
    CHECK(annas->ends());
    CHECK(refusal(waiting->reply()) == Refusal{401, "unauthorized"});
    CHECK(world.node->service().status().watches == 2);
    CHECK(world.api->streams() == 2);
    CHECK_FALSE(anns->closed);
    CHECK_FALSE(own->closed);
    set_tokens("");
    CHECK(anns->ends());
    CHECK(own->ends());
    CHECK(world.node->service().status().watches == 0);
}

TEST_CASE("events of somebody who refuses say so; a stopping node ends streams and answers what waits") {
    HttpWorld world{{}, {.heartbeat = 20ms}};
    world.ask("PUT", "/v1/rules/alice@a.example", alices_token + json, R"({"rules":[{"who":"*","handling":"block"}]})");
    const auto refused = world.client();
    refused->send(HttpWorld::request("GET", alices_presence + "/events", anns_token));
    CHECK(refused->comes("\"state\":\"terminated\""));
    const auto reader = world.client();
    reader->send(HttpWorld::request("GET", alices_presence + "/events", alices_token));
    CHECK(reader->comes(": still here\n\n"));

    const auto waiting = world.client();  // b.example's node is never there
    waiting->send(HttpWorld::request("GET", "/v1/presence/bob@b.example?wait=30", alices_token));
    world.until([&] { return world.node->service().status().watches == 3; });
    world.runtime.stop();
    world.server->stop();
    CHECK(refusal(waiting->reply()) == Refusal{503, "unavailable"});
    CHECK(reader->ends());
    CHECK(refused->ends());
}
