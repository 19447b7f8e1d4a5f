#include "node/store.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "node/epoch.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace presmesh::node;
using namespace std::chrono_literals;
using presmesh::testing::at;

namespace {

using TextRows = std::map<std::string, std::string>;

TextRows text_rows(const Store& store, std::string_view table, std::string_view prefix = {}) {
    TextRows out;
    store.each(table, prefix, [&](std::string_view key, proto::BytesView value) {
        out.emplace(key, std::string(proto::as_text(value)));
    });
    return out;
}

}  // namespace

TEST_CASE("after a crash the memory store is what it was at the last commit") {
    CHECK(rc::check([] {
        MemoryStore store;
        TextRows live, committed;
        for (int step = *rc::gen::inRange(1, 50); step > 0; --step) {
            auto key = *rc::gen::element<std::string>("a", "ab", "b");
            auto value = *rc::gen::element<std::string>("1", "2", "3");
            switch (*rc::gen::inRange(0, 6)) {
                case 0:
                case 1:
                case 2:
                    store.put("t", key, proto::as_bytes(value));
                    live[key] = value;
                    break;
                case 3:
                    store.erase("t", key);
                    live.erase(key);
                    break;
                case 4:
                    store.commit();
                    committed = live;
                    break;
                default:
                    store.crash();
                    live = committed;
            }
            RC_ASSERT(text_rows(store, "t") == live);
        }
        RC_ASSERT(text_rows(store, "other").empty());
    }));
}

TEST_CASE("a turn that wrote what users decided must last, another need not") {
    MemoryStore store;
    for (const auto table : {store_tables::publications, store_tables::translators, store_tables::rule_logs_seen}) {
        store.put(table, "k", proto::as_bytes("v"));
        CHECK_FALSE(store.must_last());
    }
    for (const auto table :
         {store_tables::rules, store_tables::decisions, store_tables::rule_log, store_tables::meta}) {
        store.put(table, "k", proto::as_bytes("v"));
        CHECK(store.must_last());
        store.commit();
        CHECK_FALSE(store.must_last());
        store.erase(table, "k");
        CHECK(store.must_last());
        store.crash();
        CHECK_FALSE(store.must_last());
    }
}

TEST_CASE("rows come in key order, by prefix, of one table") {
    MemoryStore store;
    store.put("t", "a1", proto::as_bytes("x"));
    store.put("t", "a2", proto::as_bytes("y"));
    store.put("t", "b", proto::as_bytes("z"));
    store.put("u", "a3", proto::as_bytes("w"));
    CHECK(text_rows(store, "t", "a") == TextRows{{"a1", "x"}, {"a2", "y"}});
}

TEST_CASE("an epoch is never used twice, whatever the clock does and whenever the node dies") {
    MemoryStore store;
    auto first = next_epoch(store, at(100s));
    CHECK(first == 1'800'000'100u);
    store.crash();
    CHECK(next_epoch(store, at(0s)) == first + 1);
    store.crash();
    CHECK(next_epoch(store, at(1000s)) == 1'800'001'000u);
}
