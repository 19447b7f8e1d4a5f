#include <doctest/doctest.h>

#include "translators/sip/server_transactions.hpp"
#include "translators/sip/source_rates.hpp"

using namespace presmesh;
using namespace presmesh::translators::sip;
using namespace std::chrono_literals;
using Verdict = ServerTransactions::Verdict;

TEST_CASE("RFC 3261 section 17.2.2: a retransmission is swallowed until answered, then answered the same, for 32 s") {
    ServerTransactions transactions(100, 1'000'000);
    proto::SteadyTime now{1h};
    const auto first = transactions.see(now, "a");
    CHECK(first.verdict == Verdict::fresh);
    CHECK(transactions.see(now, "a").verdict == Verdict::in_work);
    CHECK(transactions.see(now, "b").transaction != first.transaction);
    Response response;
    response.status = 200;
    response.etag = "e";
    transactions.answered(first.transaction, response);
    const auto again = transactions.see(now + 31s, "a");
    CHECK(again.verdict == Verdict::answered);
    CHECK(again.response->etag == "e");
    CHECK(transactions.see(now + 32s, "a").verdict == Verdict::fresh);
}

TEST_CASE("however many requests there are, so many are remembered") {
    ServerTransactions transactions(10, 1'000'000);
    for (int i = 0; i < 1'000; ++i) transactions.see(proto::SteadyTime{1h}, std::to_string(i));
    CHECK(transactions.size() == 10);
    CHECK(transactions.see(proto::SteadyTime{1h}, "999").verdict == Verdict::in_work);
}

TEST_CASE("however large requests and answers are, they take so many bytes") {
    ServerTransactions transactions(1'000, 100'000);
    const proto::SteadyTime now{1h};
    for (int i = 0; i < 200; ++i) {
        const auto seen = transactions.see(now, std::string(1'000, 'k') + std::to_string(i));
        Response response;
        response.record_routes = {std::string(1'000, 'r')};
        transactions.answered(seen.transaction, response);
        transactions.answered(seen.transaction, response);  // said twice, counted once
        CHECK(transactions.bytes() <= 103'000);
    }
    CHECK(transactions.size() > 20);
    CHECK(transactions.size() < 50);
    transactions.see(now + 32s, "later");
    CHECK(transactions.size() == 1);
    CHECK(transactions.bytes() < 2'000);
}

TEST_CASE("one address brings so many a second, whatever its port; others are not touched") {
    SourceRates rates(10, 100);
    proto::SteadyTime now{1h};
    int taken = 0;
    for (std::uint16_t i = 0; i < 100; ++i) taken += rates.take(now, proto::Endpoint::v4(0x7f000001, i)) ? 1 : 0;
    CHECK(taken == 20);
    CHECK(rates.take(now, proto::Endpoint::v4(0x7f000002, 1)));
    CHECK(rates.take(now + 100ms, proto::Endpoint::v4(0x7f000001, 1)));
    CHECK(!rates.take(now + 100ms, proto::Endpoint::v4(0x7f000001, 1)));
}

TEST_CASE("a crowd of addresses costs bounded memory and still gets in") {
    SourceRates rates(1, 10);
    for (std::uint32_t i = 0; i < 1'000; ++i) CHECK(rates.take(proto::SteadyTime{1h}, proto::Endpoint::v4(i, 1)));
}
