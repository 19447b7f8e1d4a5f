#include "node/daemon/system.hpp"

#include <sodium.h>

#include <chrono>

namespace presmesh::daemon {

proto::Now system_now() {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {proto::SteadyTime{std::chrono::duration_cast<proto::Duration>(steady)},
            proto::WallTime{std::chrono::duration_cast<proto::Duration>(wall)}};
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
    randombytes_buf(out.data(), out.size());
}

}  // namespace presmesh::daemon
