#include "sim/os_shim.hpp"

#include <time.h>

#include <chrono>
#include <random>

namespace {

struct Virtual {
    std::uint64_t* dice = nullptr;  ///< null: the real world
    presmesh::proto::Now now{};
};
thread_local Virtual virtual_world;

std::int64_t real_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

/// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t draw(std::uint64_t& state) {
    std::uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

}  // namespace

namespace presmesh::sim::os {

void set(proto::Now now, std::uint64_t* dice) {
    virtual_world = {dice, now};
}
void real() {
    virtual_world = {};
}
double wall_seconds() {
    return static_cast<double>(real_ns(CLOCK_MONOTONIC)) * 1e-9;
}
double cpu_seconds() {
    return static_cast<double>(real_ns(CLOCK_PROCESS_CPUTIME_ID)) * 1e-9;
}

}  // namespace presmesh::sim::os

std::chrono::steady_clock::time_point std::chrono::steady_clock::now() noexcept {
    const Virtual& world = virtual_world;
    return time_point(world.dice != nullptr ? duration(world.now.steady.time_since_epoch())
                                            : duration(real_ns(CLOCK_MONOTONIC)));
}

std::chrono::system_clock::time_point std::chrono::system_clock::now() noexcept {
    const Virtual& world = virtual_world;
    return time_point(world.dice != nullptr ? duration(world.now.wall.time_since_epoch())
                                            : duration(real_ns(CLOCK_REALTIME)));
}

std::random_device::result_type std::random_device::_M_getval() {
    thread_local std::uint64_t unseeded = static_cast<std::uint64_t>(real_ns(CLOCK_REALTIME));
    return static_cast<result_type>(draw(virtual_world.dice != nullptr ? *virtual_world.dice : unseeded) >> 32);
}
