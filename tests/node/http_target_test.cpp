#include "node/daemon/http_target.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace presmesh;
using daemon::read_target;

TEST_CASE("targets are split before their escapes are undone") {
    const auto target =
        read_target("/v1/presence/pres:a%2Fb%20c@a.example/events?expires=60&watcher=bob+x%40b.example&flag");
    REQUIRE(target);
    CHECK(target->path == std::vector<std::string>{"v1", "presence", "pres:a/b c@a.example", "events"});
    CHECK(target->parameter("expires") == "60");
    CHECK(target->parameter("watcher") == "bob+x@b.example");
    CHECK(target->parameter("flag").empty());
    CHECK(target->parameter("none").empty());
}

TEST_CASE("bad targets are refused") {
    for (const auto* bad :
         {"", "v1", "*", "http://h/p", "/a%", "/a%2", "/a%zz", "/%00", "/a?x=1&x=2", "/a?x=%0a", "/a?%", "?x"}) {
        CAPTURE(bad);
        CHECK(!read_target(bad));
    }
}

TEST_CASE("any text survives as a path segment and as a query value") {
    CHECK(rc::check([](const std::string& text) {
        RC_ASSERT(daemon::percent_decode(daemon::percent_encode(text)) == text);
        for (const char c : daemon::percent_encode(text))
            RC_ASSERT(std::string_view("/?&=#% \"").substr(0, 5).find(c) == std::string_view::npos);
    }));
}

TEST_CASE("Accept chooses what it likes best, the first among equals") {
    const std::vector<std::string_view> offered{"application/json", "application/pidf+xml"};
    const auto choose = [&](std::string_view accept) { return daemon::choose_media(accept, offered); };
    CHECK(choose("") == "application/json");
    CHECK(choose("*/*") == "application/json");
    CHECK(choose("application/pidf+xml") == "application/pidf+xml");
    CHECK(choose("application/*;q=0.5, application/pidf+xml") == "application/pidf+xml");
    CHECK(choose("Application/JSON;q=0.1, application/pidf+xml ; q=0.2") == "application/pidf+xml");
    CHECK(choose("application/json;q=0, */*") == "application/pidf+xml");
    CHECK(choose("text/html").empty());
    CHECK(choose("text/html, */*;q=0.1") == "application/json");
    CHECK(choose(",;;q=,q=x").empty());
}

TEST_CASE("the small header fields") {
    CHECK(daemon::bearer_token("Bearer abc") == "abc");
    CHECK(daemon::bearer_token("bearer  abc ") == "abc");
    CHECK(daemon::bearer_token("Basic abc").empty());
    CHECK(daemon::bearer_token("Bearer ").empty());
    CHECK(daemon::entity_tag("\"x\"").value() == "x");
    CHECK(daemon::entity_tag("*").value() == "*");
    for (const auto* bad : {"", "x", "W/\"x\"", "\"x\", \"y\"", "\"", "\"\""}) CHECK(!daemon::entity_tag(bad));
    CHECK(daemon::media_type("Application/PIDF+xml; charset=utf-8") == "application/pidf+xml");
    CHECK(daemon::whole_number("0120") == 120);
    for (const auto* bad : {"", "-1", "1.5", "99999999999", "x"}) CHECK(!daemon::whole_number(bad));
}
