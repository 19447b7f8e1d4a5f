// The two clocks of a turn, as values. Nothing here, nor anywhere in the core, can read a clock: a turn is handed its
// Now.
#pragma once

#include <chrono>
#include <cstdint>

namespace presmesh::proto {

using Duration = std::chrono::microseconds;

// Clock tags without now(): time points of the two clocks cannot be mixed, and cannot be fetched.
struct SteadyClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<SteadyClock, Duration>;
    static constexpr bool is_steady = true;
};
struct WallClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<WallClock, Duration>;
    static constexpr bool is_steady = false;
};

using SteadyTime = SteadyClock::time_point;  ///< for timers; the origin means nothing
using WallTime = WallClock::time_point;      ///< microseconds since 1970-01-01T00:00:00Z; what travels and what is kept

/// The one time of a turn: timers use `steady`, expiry of signed things uses `wall`.
struct Now {
    SteadyTime steady;
    WallTime wall;
};

/// "No wake-up wanted", the answer of next_timeout() when nothing is pending.
inline constexpr SteadyTime never = SteadyTime::max();

constexpr std::int64_t to_seconds(WallTime t) {
    return std::chrono::floor<std::chrono::seconds>(t.time_since_epoch()).count();
}
constexpr WallTime wall_from_seconds(std::int64_t s) {
    return WallTime{std::chrono::seconds{s}};
}

}  // namespace presmesh::proto
