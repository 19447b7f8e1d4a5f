// A slot lasts for as long as the publication behind it may, by the steady clock.
#include "node/daemon/http_slots.hpp"

#include <doctest/doctest.h>

#include "tests/support/fake_host.hpp"
#include "tests/support/people.hpp"
#include "tests/support/presence.hpp"
#include "tests/support/recording_translator.hpp"

using namespace presmesh;
using namespace presmesh::testing;
using namespace std::chrono_literals;

TEST_CASE("a slot ends before no publication, whatever is done to the wall clock") {
    testing::FakeHost host;
    RecordingTranslator translator("http");
    daemon::HttpSlots slots;
    slots.start(at(0s), host, translator);
    slots.set(at(0s), alice, "phone", "tag", 1h);
    auto set_forward = at(10s);
    set_forward.wall += 2h;
    CHECK(slots.etag(set_forward, alice, "phone") == "tag");
    slots.sweep(set_forward);
    CHECK(slots.size() == 1);
    auto set_back = at(1h);
    set_back.wall -= 2h;
    CHECK(slots.etag(set_back, alice, "phone").empty());
    slots.sweep(set_back);
    CHECK(slots.size() == 0);
    CHECK(host.saved["http"].empty());
}

TEST_CASE("slots are found again after a restart, for what is left of their time") {
    testing::FakeHost host;
    RecordingTranslator translator("http");
    {
        daemon::HttpSlots slots;
        slots.start(at(0s), host, translator);
        slots.set(at(0s), alice, "phone", "long", 1h);
        slots.set(at(0s), alice, "desk", "short", 1min);
    }
    daemon::HttpSlots slots;
    slots.start(at(10min), host, translator);
    CHECK(slots.size() == 1);
    CHECK(slots.etag(at(10min), alice, "phone") == "long");
    CHECK(slots.etag(at(59min), alice, "phone") == "long");
    CHECK(slots.etag(at(1h), alice, "phone").empty());
}

TEST_CASE("a slot restored by a clock that is days late lasts no longer than a publication may") {
    testing::FakeHost host;
    RecordingTranslator translator("http");
    daemon::HttpSlots slots;
    slots.start(at(0s), host, translator);
    slots.set(at(0s), alice, "phone", "tag", 1h);
    daemon::HttpSlots again;
    auto late = at(0s);
    late.wall -= 72h;
    again.start(late, host, translator);
    again.sweep(at(24h));
    CHECK(again.size() == 0);
}
