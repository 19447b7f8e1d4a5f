// Where a simulated world's memory lies. OpenDHT orders two of its maps by pointer, so two runs are only the same when
// their memory is handed out in the same order: while a Scope lives, operator new of its thread takes from a region at
// a fixed place, by rules that nothing outside the world can touch (not the environment, not what was allocated
// before). Blocks are used again, by size, last freed first, so memory stays flat. With the address sanitizer all this
// is off.
#pragma once

#include <cstddef>
#include <cstdint>

#include "proto/prefetch.hpp"

namespace presmesh::sim::arena {

/// One at a time in a process. What it handed out stays valid, and may be freed, after its end.
class Scope {
  public:
    Scope();
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
};

/// For what must leave no mark on the world's memory, such as printing progress when real time says so.
class Outside {
  public:
    Outside();
    ~Outside();
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

  private:
    bool was_inside_;
};

/// Room for what is made together and used together, such as a node's own objects: it lies in one piece, so that it can
/// be brought into the caches before the node's turn. In a world of thousands a turn waits for memory most of the time.
class Block {
  public:
    /// Empty where no Scope lives.
    static Block take();
    Block() = default;
    Block(Block&& other) noexcept;
    Block& operator=(Block&& other) noexcept;
    /// Used again once all that lies in it is freed.
    ~Block();

    /// Asks for what lies in it, and does not wait.
    void prefetch() const {
        for (const std::byte* line = begin_; line < end_; line += proto::cache_line_bytes)
            __builtin_prefetch(line, 0, 2);
    }

  private:
    friend class Together;
    std::byte* begin_ = nullptr;
    std::byte* end_ = nullptr;  ///< of what was handed out
};

/// While it lives, what is allocated lies in the block, as far as there is room.
class Together {
  public:
    explicit Together(Block& block);
    ~Together();
    Together(const Together&) = delete;
    Together& operator=(const Together&) = delete;

  private:
    Block& block_;
};

/// Of the region, ever handed out; an upper bound of what the world holds.
std::uint64_t bytes_touched();

}  // namespace presmesh::sim::arena
