// A TimerHeap wakes the same members at the same times as a TimerQueue would.
#include "proto/timer_heap.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <functional>
#include <map>

#include "proto/timer_queue.hpp"

using namespace presmesh::proto;

TEST_CASE("members are set, moved, silenced, removed and come back, and wake as in a TimerQueue") {
    CHECK(rc::check([](const std::vector<std::uint16_t>& steps) {
        TimerHeap<int, std::less<int>> heap;
        TimerQueue<int> model;
        std::map<int, std::uint32_t> members;
        const auto at = [](int seconds) { return SteadyTime{} + std::chrono::seconds{seconds}; };
        for (const auto step : steps) {
            const int member = step % 16;
            const int when = step / 16 % 32;
            const auto known = members.find(member);
            if (known == members.end()) {
                members[member] = heap.add(member);
            } else if (step % 5 == 0) {
                heap.remove(known->second);
                model.erase(member);
                members.erase(known);
            } else if (step % 7 == 0) {
                const auto expected = model.pop(at(when));
                RC_ASSERT(heap.pop(at(when)) == expected);
            } else {
                const auto then = step % 11 == 0 ? never : at(when);
                heap.set(known->second, then);
                model.set(member, then);
            }
            RC_ASSERT(heap.next() == model.next());
        }
        while (const auto expected = model.pop(at(100))) RC_ASSERT(heap.pop(at(100)) == expected);
        RC_ASSERT(!heap.pop(at(100)));
    }));
}

TEST_CASE("of equal times the lower member comes first, however they were set") {
    TimerHeap<int, std::less<int>> heap;
    const auto soon = SteadyTime{} + std::chrono::seconds{1};
    for (const int member : {5, 3, 9, 1, 7}) heap.set(heap.add(member), soon);
    for (const int member : {1, 3, 5, 7, 9}) CHECK(heap.pop(soon) == member);
    CHECK(heap.next() == never);
}
