// Where a simulated world's memory lies. OpenDHT orders two of its maps by pointer, so two runs are only the same when
// their memory is handed out in the same order: while a Scope lives, operator new of its thread takes from a region at
// a fixed place, by rules that nothing outside the world can touch (not the environment, not what was allocated
// before). Blocks are used again, by size, last freed first, so memory stays flat. With the address sanitizer all this
// is off.
#pragma once

#include <cstdint>

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

/// Of the region, ever handed out; an upper bound of what the world holds.
std::uint64_t bytes_touched();

}  // namespace presmesh::sim::arena
