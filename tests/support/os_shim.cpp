#include "tests/support/os_shim.hpp"

#include <time.h>

#include <chrono>
#include <random>

namespace {

struct Virtual {
    bool active = false;
    presmesh::proto::Now now{};
    std::mt19937_64 engine;
};
Virtual& state() {
    static Virtual virtual_time;
    return virtual_time;
}

std::int64_t real_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

namespace presmesh::tests {

VirtualTime::VirtualTime(std::uint64_t seed) {
    state().engine.seed(seed);
    state().active = true;
}
VirtualTime::~VirtualTime() {
    state().active = false;
}
void VirtualTime::set(proto::Now now) {
    state().now = now;
}

}  // namespace presmesh::tests

std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
    const Virtual& virtual_time = state();
    return time_point(virtual_time.active ? duration(virtual_time.now.steady.time_since_epoch())
                                          : duration(real_ns(CLOCK_MONOTONIC)));
}

std::chrono::system_clock::time_point std::chrono::system_clock::now() noexcept {
    const Virtual& virtual_time = state();
    return time_point(virtual_time.active ? duration(virtual_time.now.wall.time_since_epoch())
                                          : duration(real_ns(CLOCK_REALTIME)));
}

std::random_device::result_type std::random_device::_M_getval() {
    static std::mt19937_64 unseeded(static_cast<std::uint64_t>(real_ns(CLOCK_REALTIME)));
    return static_cast<result_type>((state().active ? state().engine : unseeded)());
}
