// Blocks of the arena: what is made together lies together, and a block is used again once nothing is left in it.
#include "sim/arena.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/sanitized.hpp"

namespace arena = presmesh::sim::arena;

namespace {
struct Thing {
    std::array<std::uint8_t, 200> bytes{};
};
struct alignas(64) Wide {
    std::array<std::uint8_t, 64> bytes{};
};
std::uintptr_t place(const void* object) {
    return reinterpret_cast<std::uintptr_t>(object);
}
/// So near that they may lie in one block.
bool together(const void* one, const void* other) {
    const auto apart = place(one) > place(other) ? place(one) - place(other) : place(other) - place(one);
    return apart < 16 * 1024;
}
}  // namespace

TEST_CASE("what is made together lies in one piece, what is made after it does not" *
          doctest::skip(PRESMESH_SANITIZED)) {
    const arena::Scope scope;
    auto block = arena::Block::take();
    std::unique_ptr<Thing> first, second, after;
    std::unique_ptr<std::vector<std::uint8_t>> large;
    std::unique_ptr<Wide> wide;
    {
        const arena::Together here(block);
        first = std::make_unique<Thing>();
        large = std::make_unique<std::vector<std::uint8_t>>(10'000);  // more than half a block
        wide = std::make_unique<Wide>();
        second = std::make_unique<Thing>();
    }
    after = std::make_unique<Thing>();
    CHECK(together(first.get(), second.get()));
    CHECK_FALSE(together(first.get(), large->data()));
    CHECK_FALSE(together(first.get(), after.get()));
    CHECK(place(wide.get()) % alignof(Wide) == 0);
    block.prefetch();
}

TEST_CASE("a block that is full lets the rest lie elsewhere" * doctest::skip(PRESMESH_SANITIZED)) {
    const arena::Scope scope;
    auto block = arena::Block::take();
    std::vector<std::unique_ptr<Thing>> things;
    things.reserve(1000);
    {
        const arena::Together here(block);
        for (int i = 0; i < 1000; ++i) things.push_back(std::make_unique<Thing>());
    }
    CHECK(together(things[0].get(), things[1].get()));
    CHECK_FALSE(together(things[0].get(), things.back().get()));
}

TEST_CASE("a block is used again when its owner is gone and all in it is freed, whichever is last" *
          doctest::skip(PRESMESH_SANITIZED)) {
    const arena::Scope scope;
    std::unique_ptr<Thing> outlives;
    const void* first = nullptr;
    {
        auto block = arena::Block::take();
        const arena::Together here(block);
        outlives = std::make_unique<Thing>();
        outlives->bytes.fill(7);
        first = outlives.get();
    }
    const auto made_in_next = [&] {
        auto block = arena::Block::take();
        const arena::Together here(block);
        return place(std::make_unique<Thing>().get());
    };
    const auto meanwhile = made_in_next();
    CHECK(meanwhile != place(first));
    CHECK(outlives->bytes == std::array<std::uint8_t, 200>([] {
              std::array<std::uint8_t, 200> sevens;
              sevens.fill(7);
              return sevens;
          }()));
    outlives.reset();
    CHECK(made_in_next() == place(first));
    CHECK(made_in_next() == place(first));
}

TEST_CASE("without a scope there is no block, and all goes on") {
    auto block = arena::Block::take();
    const arena::Together here(block);
    CHECK(std::make_unique<Thing>() != nullptr);
    block.prefetch();
}
