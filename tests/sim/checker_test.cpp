#include "sim/checker.hpp"

#include <doctest/doctest.h>

#include "sim/content.hpp"
#include "tests/support/stage.hpp"

using namespace presmesh;
using namespace presmesh::sim;
using namespace presmesh::testing;
using namespace std::chrono_literals;
using proto::Duration;

namespace {

constexpr std::uint64_t seed = 1;

/// One presentity at node 0, watched from nodes 1 and 2; the way is 50 ms.
struct Court {
    Stage stage;
    Measures measures;
    Checker checker{stage.scenario, seed, measures};
    WatchNumber near, far;
    Court() {
        checker.set_world(*stage.world);
        checker.add_presentity(0);
        near = checker.add_watch(0, 1);
        far = checker.add_watch(0, 2);
    }
    void at(Duration when) { stage.world->run_to(when); }
    void sees(WatchNumber watch, std::uint32_t version, Shown shown = Shown::live) {
        checker.seen(watch, shown, version > 0 ? make_document(seed, 0, version, 0) : nullptr);
    }
    void both_see(std::uint32_t version) {
        sees(near, version);
        sees(far, version);
    }
    void begin() {
        checker.watch_begun(near);
        checker.watch_begun(far);
        checker.published(0, 1);
        both_see(1);
    }
    std::string kinds() const {
        std::string text;
        for (const auto& v : measures.violations) text += v.kind + " ";
        return text;
    }
};

}  // namespace

TEST_CASE("delays are measured from the change, in the way's latency, for watchers that were right before") {
    Court court;
    court.checker.watch_begun(court.near);
    court.checker.published(0, 1);
    court.at(1s);
    court.sees(court.near, 1);  // the first it saw: how long looking took is another question
    CHECK(court.measures.notify_delay_s.count() == 0);
    court.at(10s);
    court.checker.published(0, 2);
    court.at(10s + 50ms);
    court.sees(court.near, 2);
    court.checker.published(0, 3);
    court.at(10s + 200ms);
    court.sees(court.near, 3);
    CHECK(court.measures.notify_delay_over_latency.count() == 2);
    CHECK(court.measures.notify_delay_over_latency.at(0) == doctest::Approx(1));
    CHECK(court.measures.notify_delay_over_latency.at(1) == doctest::Approx(3));
    CHECK(court.measures.notify_delay_s.at(1) == doctest::Approx(0.15));
    CHECK(court.measures.changes == 3);
    CHECK(court.checker.watching_nodes_told() == 3);
    CHECK(court.kinds().empty());
}

TEST_CASE("the share of time that watchers were wrong") {
    Court court;
    court.begin();
    court.at(10s);
    court.checker.published(0, 2);
    CHECK(court.checker.wrong_now() == 2);
    court.at(11s);
    court.sees(court.near, 2);
    court.at(13s);
    court.sees(court.far, 2);
    court.at(20s);
    CHECK(court.checker.wrong_now() == 0);
    court.checker.finish();
    CHECK(court.measures.wrong_watcher_share.value() == doctest::Approx((1.0 + 3.0) / 40));
}

TEST_CASE("what nobody published, or not yet, or of somebody else, is forged") {
    Court court;
    court.begin();
    court.sees(court.near, 2);
    CHECK(court.measures.forged_accepted == 1);
    court.checker.seen(court.near, Shown::live, make_document(seed, 1, 1, 0));
    CHECK(court.measures.forged_accepted == 2);
    court.checker.seen(court.near, Shown::stale, make_document(seed + 1, 0, 1, 0));
    CHECK(court.measures.forged_accepted == 3);
    CHECK(court.kinds() == "forged forged forged ");
    court.checker.forgery_taken(2, true);
    court.checker.forgery_taken(1, false);
    CHECK(court.measures.forged_accepted == 5);
    CHECK(court.kinds() == "forged forged forged forged forged ");
}

TEST_CASE("an older state after a newer one is a resurrection; the same one again is not") {
    Court court;
    court.begin();
    court.checker.published(0, 2);
    court.sees(court.near, 2);
    court.sees(court.near, 2);
    court.sees(court.near, 0, Shown::unknown);
    court.sees(court.near, 2);
    CHECK(court.kinds().empty());
    court.sees(court.near, 1, Shown::stale);
    CHECK(court.kinds() == "resurrected ");
    CHECK(court.measures.resurrected == 1);
    court.checker.watch_ended(court.near);
    court.checker.watch_begun(court.near);
    court.sees(court.near, 1);  // a new watch knows nothing of what another saw
    CHECK(court.measures.resurrected == 1);
}

TEST_CASE("a crash has to be told within its bound") {
    Court court;
    court.begin();
    court.at(100s);
    court.checker.gone(0, true);
    court.at(120s);
    court.sees(court.near, 0, Shown::unknown);
    CHECK(court.kinds().empty());
    court.at(133s);
    court.sees(court.far, 0, Shown::unknown);
    CHECK(court.kinds() == "crash_bound ");
    CHECK(court.measures.crash_detection_s.count() == 2);
    CHECK(court.measures.crash_detection_s.at(0) == doctest::Approx(20));
    CHECK(court.measures.crash_detection_s.max() == doctest::Approx(33));
    court.checker.finish();
    CHECK(court.measures.false_online_s.value() == doctest::Approx((20.0 + 33.0) / 2));
    CHECK(court.measures.false_offline == 0);
}

TEST_CASE("a node that was up for a moment between two crashes has to be told of within the bound of the second") {
    Court court;
    court.begin();
    court.at(100s);
    court.checker.gone(0, true);
    court.at(105s);
    court.sees(court.near, 0, Shown::unknown);
    court.at(110s);
    court.sees(court.near, 1);  // the node is back, with its disk; its user is not
    court.at(112s);
    court.checker.gone(0, true);
    court.at(141s);
    court.sees(court.far, 0, Shown::unknown);
    CHECK(court.kinds().empty());
    court.at(145s);
    court.sees(court.near, 0, Shown::unknown);
    CHECK(court.kinds() == "crash_bound ");
    CHECK(court.measures.crash_detection_s.count() == 3);
    CHECK(court.measures.crash_detection_s.max() == doctest::Approx(33));
}

TEST_CASE("a crash that nobody was ever told of is overdue, once for each watch, and counts to the end") {
    for (const bool killed : {false, true}) {
        CAPTURE(killed);
        Court court;
        court.begin();
        if (killed) court.checker.hardship_began(true);
        court.checker.gone(0, true);
        for (int second = 1; second <= 50; ++second) {
            court.at(std::chrono::seconds{second});
            court.checker.tick();
            if (second == 32) CHECK(court.kinds().empty());
            if (second == 40) CHECK(court.kinds() == "crash_bound crash_bound ");
        }
        court.checker.finish();
        CHECK(court.kinds() == "crash_bound crash_bound ");
        CHECK(court.measures.crash_detection_s.count() == 0);
        CHECK(court.measures.crash_untold == 2);
        CHECK(court.measures.false_online_s.value() == doctest::Approx(50));
    }
}

TEST_CASE("who was found overdue and is told at last is not judged again") {
    Court court;
    court.begin();
    court.checker.gone(0, true);
    court.at(33s);
    court.checker.tick();
    court.at(40s);
    court.both_see(0);
    court.checker.tick();
    CHECK(court.kinds() == "crash_bound crash_bound ");
    CHECK(court.measures.crash_detection_s.count() == 2);
    CHECK(court.measures.crash_untold == 0);
}

TEST_CASE("another hardship excuses that a crash is not told of: before, in the same moment, after") {
    for (const char* when : {"before", "together, first", "together, last", "after", "healed after"}) {
        CAPTURE(std::string(when));
        const std::string_view is = when;
        Court court;
        court.begin();
        if (is == "healed after") court.checker.cut_began();
        if (is == "before") court.checker.hardship_began();
        court.at(10s);
        if (is == "together, first") court.checker.hardship_began();
        court.checker.hardship_began(true);
        court.checker.gone(0, true);
        if (is == "together, last") court.checker.hardship_began();
        court.at(15s);
        if (is == "after") court.checker.hardship_began();
        if (is == "healed after") court.checker.cut_ended();
        court.at(60s);
        court.checker.tick();
        CHECK(court.kinds().empty());
        court.both_see(0);
        CHECK(court.kinds().empty());
    }
}

TEST_CASE("a crash whose node is back, or whose watch ends, before anybody was told: counted as such") {
    Court court;
    court.begin();
    court.at(10s);
    court.checker.gone(0, true);
    court.at(15s);
    court.checker.watch_ended(court.far);
    court.at(20s);
    court.checker.published(0, 2);
    court.at(60s);
    court.checker.tick();
    CHECK(court.kinds().empty());
    CHECK(court.measures.crash_untold == 2);
    CHECK(court.measures.crash_detection_s.count() == 0);
}

TEST_CASE("unknown, of a source that was there all the time, is a false alarm; not in a hardship") {
    Court court;
    court.begin();
    court.at(100s);
    court.sees(court.near, 1, Shown::unknown);
    CHECK(court.measures.false_offline == 1);
    court.sees(court.near, 1);
    court.checker.hardship_began();
    court.sees(court.near, 1, Shown::unknown);
    court.sees(court.near, 1);
    court.checker.hardship_ended();
    court.at(110s);
    court.sees(court.near, 1, Shown::unknown);  // still of the hardship
    CHECK(court.measures.false_offline == 1);
    court.sees(court.near, 1);
    court.at(200s);
    court.checker.churn_began();  // others come and go: no excuse
    court.sees(court.near, 1, Shown::unknown);
    CHECK(court.measures.false_offline == 2);
}

TEST_CASE("after a hardship everyone is right within the time to settle, or it is named") {
    Court court;
    court.begin();
    court.at(100s);
    court.checker.hardship_began();
    court.checker.published(0, 2);
    court.at(150s);
    court.checker.hardship_ended();
    court.at(155s);
    court.sees(court.near, 2);
    court.at(170s);
    court.sees(court.far, 2);
    CHECK(court.measures.settle_s.max() == doctest::Approx(20));
    court.at(300s);
    court.checker.tick();
    CHECK(court.kinds().empty());

    court.checker.hardship_began();
    court.checker.published(0, 3);
    court.checker.hardship_began();
    court.checker.hardship_ended();  // the other one goes on
    court.at(400s);
    court.checker.tick();
    CHECK(court.kinds().empty());
    court.checker.hardship_ended();
    court.sees(court.near, 3);
    court.at(400s + court.stage.scenario.settle - 1us);
    court.checker.tick();
    CHECK(court.kinds().empty());
    court.at(400s + court.stage.scenario.settle);
    court.checker.tick();
    CHECK(court.kinds() == "unsettled ");
    CHECK(court.measures.violations[0].what.find("watch 1 at node 2 of presentity 0") == 0);
    CHECK(court.measures.violations[0].what.find("still shows live version 2, the truth is version 3") !=
          std::string::npos);
}

TEST_CASE("while nodes come and go nobody is asked to have settled; when that ends they are") {
    Court court;
    court.checker.churn_began();
    court.begin();
    court.checker.hardship_began();
    court.checker.published(0, 2);
    court.checker.hardship_ended();
    court.at(500s);
    court.checker.tick();
    CHECK(court.kinds().empty());
    court.checker.hardship_began();
    court.checker.churn_ended();
    court.checker.hardship_ended();
    CHECK(court.measures.settle_s.count() == 0);
    court.at(600s);
    court.checker.tick();
    CHECK(court.kinds() == "unsettled unsettled ");
}

TEST_CASE("a change that stood long enough and was never seen is lost") {
    Court court;
    court.begin();
    court.checker.churn_began();
    court.at(100s);
    court.checker.published(0, 2);
    court.sees(court.near, 2);
    court.at(120s);
    court.checker.published(0, 3);  // stood for 20 s only: may be overtaken
    CHECK(court.measures.lost_changes == 0);
    court.sees(court.near, 3);
    court.at(220s);
    court.checker.published(0, 4);
    CHECK(court.measures.lost_changes == 1);  // far missed version 3
    court.checker.gone(0, true);
    court.checker.published(0, 5);  // just back
    court.at(300s);
    court.checker.published(0, 6);
    CHECK(court.measures.lost_changes == 1);
}

TEST_CASE("the warm-up is cut: nothing measured in it counts, what was wrong in it is remembered") {
    Court court;
    court.begin();
    court.sees(court.near, 9);  // forged
    court.sees(court.near, 1);
    court.at(10s);
    court.checker.published(0, 2);
    court.at(60s);
    court.sees(court.near, 2);
    const auto early = court.checker.lookup_begun(0);
    court.checker.end_warmup();
    court.checker.lookup_found(early);
    court.checker.lookup_done(early, 3);
    CHECK(court.measures.changes == 0);
    CHECK(court.measures.notify_delay_s.count() == 0);
    CHECK(court.measures.lookup.begun == 0);
    CHECK(court.measures.lookup.found == 0);
    CHECK(court.measures.lookup.hops.count() == 0);
    CHECK(court.measures.forged_accepted == 1);
    court.at(70s);
    court.sees(court.far, 2);
    court.at(80s);
    court.checker.finish();
    CHECK(court.measures.wrong_watcher_share.value() == doctest::Approx(10.0 / 40));
    CHECK(court.measures.watches == 2);
}

TEST_CASE("who is shown live though gone when the warm-up ends, is so from there on") {
    Court court;
    court.begin();
    court.checker.gone(0, true);
    court.at(20s);
    court.checker.end_warmup();
    court.at(25s);
    court.sees(court.near, 0, Shown::unknown);
    court.at(27s);
    court.sees(court.far, 0, Shown::unknown);
    court.checker.finish();
    CHECK(court.measures.false_online_s.value() == doctest::Approx((5.0 + 7.0) / 2));
}

TEST_CASE("a look-up whose own node is gone before it found counts neither way") {
    Court court;
    court.begin();
    court.checker.end_warmup();
    const auto& lookup = court.measures.lookup;
    const auto cut = court.checker.lookup_begun(1), late = court.checker.lookup_begun(1),
               other = court.checker.lookup_begun(2);
    court.checker.lookup_found(late);  // it has found, whether its search came to an end or not
    court.checker.node_gone(1);
    CHECK(lookup.begun == 3);
    CHECK(lookup.cut_short == 1);
    CHECK(lookup.success().value() == doctest::Approx(0.5));
    court.checker.lookup_done(cut, std::nullopt);  // as its node is taken apart
    court.checker.lookup_done(late, 2);
    CHECK(lookup.done_ms.count() == 0);
    court.checker.lookup_found(other);
    CHECK(lookup.success().value() == doctest::Approx(1));
    court.checker.node_gone(2);
    court.checker.node_gone(2);
    CHECK(lookup.cut_short == 1);
}

TEST_CASE("look-ups: begun, found, done, hops") {
    Court court;
    court.begin();
    court.checker.end_warmup();
    const auto first = court.checker.lookup_begun(0), second = court.checker.lookup_begun(0);
    court.at(1s);
    court.checker.lookup_found(first);
    court.at(2s);
    court.checker.lookup_done(first, 3);
    court.checker.lookup_done(second, std::nullopt);
    const auto& lookup = court.measures.lookup;
    CHECK(lookup.begun == 2);
    CHECK(lookup.success().value() == doctest::Approx(0.5));
    CHECK(lookup.first_ms.at(0.5) == doctest::Approx(1000));
    CHECK(lookup.done_ms.max() == doctest::Approx(2000));
    CHECK(lookup.hops.count() == 1);
    CHECK(lookup.hops.mean() == doctest::Approx(3));
}
