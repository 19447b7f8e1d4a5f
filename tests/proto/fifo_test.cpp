// A queue is what a std::deque with the same calls would be.
#include "proto/fifo.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <deque>
#include <memory>

using presmesh::proto::Fifo;

TEST_CASE("whatever is pushed comes out in order, each once") {
    CHECK(rc::check([](const std::vector<int>& steps) {
        Fifo<std::shared_ptr<int>> queue;
        std::deque<int> model;
        for (const int step : steps) {
            if (step % 7 == 5) {
                const auto goes = [&](int one) { return one % 2 == step % 2; };
                queue.erase_if([&](const auto& one) { return goes(*one); });
                std::erase_if(model, goes);
            } else if (step % 3 != 0) {
                queue.push_back(std::make_shared<int>(step));
                model.push_back(step);
            } else if (!model.empty()) {
                RC_ASSERT(*queue.front() == model.front());
                queue.pop_front();
                model.pop_front();
            }
            RC_ASSERT(queue.size() == model.size());
            RC_ASSERT(queue.empty() == model.empty());
            RC_ASSERT(std::equal(queue.begin(), queue.end(), model.begin(), model.end(),
                                 [](const auto& left, int right) { return *left == right; }));
        }
    }));
}

TEST_CASE("a long queue that is never empty does not grow with what has left it") {
    Fifo<std::shared_ptr<int>> queue;
    std::weak_ptr<int> first;
    for (int i = 0; i < 1000; ++i) {
        auto item = std::make_shared<int>(i);
        if (i == 0) first = item;
        queue.push_back(std::move(item));
        if (queue.size() > 3) queue.pop_front();
    }
    CHECK(first.expired());
    CHECK(queue.size() == 3);
    CHECK(*queue.front() == 997);
}
