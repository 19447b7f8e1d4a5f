#include "node/daemon/presence_json.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "tests/support/presence_gen.hpp"

using namespace presmesh;
using daemon::presence_from_json;
using daemon::presence_to_json;

TEST_CASE("every document survives the way to JSON and back") {
    CHECK(rc::check([] {
        const auto presence = *testing::presence_gen();
        const auto json = presence_to_json(presence);
        const auto back = presence_from_json(json);
        RC_ASSERT(back.has_value());
        RC_ASSERT(*back == presence);
        RC_ASSERT(presence_to_json(*back) == json);
    }));
}

TEST_CASE("the documented form") {
    const auto presence =
        presence_from_json(R"({"services": [{"id": "phone", "basic": "open", "show": "dnd", "contact": "sip:a@b",
        "contact_priority": 0.8, "priority": -5, "notes": [{"lang": "en", "text": "lunch"}],
        "activities": {"names": ["meal"], "until": "2026-01-02T03:04:05.5+01:00"},
        "user_input": {"idle": true, "last_input": "2026-01-02T03:04:05Z", "idle_threshold_s": 600}}]})");
    REQUIRE(presence);
    const auto& service = presence->services.at(0);
    CHECK(service.show == proto::Show::dnd);
    CHECK(service.contact_priority == 800);
    CHECK(service.priority == -5);
    CHECK(service.notes.at(0) == proto::Note{"en", "lunch"});
    CHECK(proto::to_rfc3339(*service.activities->until) == "2026-01-02T02:04:05.5Z");
    CHECK(service.user_input->idle_threshold_s == 600u);
    CHECK(presence_to_json(proto::Presence{}) == "{}");
}

TEST_CASE("what is wrong is named, and where") {
    const auto fault = [](std::string_view json) {
        const auto result = presence_from_json(json);
        REQUIRE_MESSAGE(!result, json);
        CHECK(!result.error().detail.empty());
        return result.error().detail;
    };
    CHECK(fault("") == "the document is not JSON");
    CHECK(fault("{]") == "the document is not JSON");
    CHECK(fault("[]") == "the document must be an object");
    CHECK(fault(R"({"services": [{"id": "a", "shwo": "away"}]})") == "services[0].shwo is not a member that is known");
    CHECK(fault(R"({"services": [{"basic": "open"}]})") == "services[0].id is missing");
    CHECK(fault(R"({"services": [{"id": "a", "show": "lunch"}]})").find("services[0].show must be") == 0);
    CHECK(fault(R"({"services": [{"id": "a", "show": 1}]})").find("services[0].show must be") == 0);
    CHECK(fault(R"({"services": [{"id": "a", "priority": 128}]})").find("services[0].priority must be") == 0);
    CHECK(fault(R"({"services": [{"id": "a", "priority": 1.5}]})").find("services[0].priority must be") == 0);
    CHECK(fault(R"({"services": [{"id": "a", "priority": 18446744073709551615}]})")
              .find("services[0].priority must be") == 0);
    CHECK(
        fault(R"({"services": [{"id": "a", "contact_priority": 1.1}]})").find("services[0].contact_priority must be") ==
        0);
    CHECK(fault(R"({"services": [{"id": "a", "timestamp": "yesterday"}]})").find("services[0].timestamp must be") == 0);
    CHECK(fault(R"({"notes": {"text": "x"}})") == "notes must be an array");
    std::string names = "\"a\"";
    for (std::size_t i = 1; i <= proto::limits::notes_per_element; ++i) names += ",\"a\"";
    CHECK(fault(R"({"services": [{"id": "a", "activities": {"names": [)" + names + "]}}]}") ==
          "services[0].activities.names has more than 32 elements");
    CHECK(fault(std::string(100'000, '[')) == "the document is nested too deeply");
    const auto large = presence_from_json("{\"notes\": [{\"text\": \"" + std::string(300'000, 'x') + "\"}]}");
    REQUIRE(!large);
    CHECK(large.error().reason == proto::Reason::too_large);
}

TEST_CASE("extension elements must be XML that stands by itself") {
    for (const auto* bad :
         {"<a", "text", "<a/><b/>", "</status><basic>open</basic>", "<!DOCTYPE a><a/>", "<?php x?><a/>", "<x:a/>"}) {
        CAPTURE(bad);
        const auto result = presence_from_json(std::string(R"({"extensions": [")") + bad + "\"]}");
        REQUIRE(!result);
        CHECK(result.error().detail.find("extensions[0]") == 0);
    }
}
