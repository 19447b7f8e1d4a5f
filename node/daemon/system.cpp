#include "node/daemon/system.hpp"

#include <sodium.h>

#include <algorithm>
#include <chrono>

namespace presmesh::daemon {

proto::Now system_now() {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {proto::SteadyTime{std::chrono::duration_cast<proto::Duration>(steady)},
            proto::WallTime{std::chrono::duration_cast<proto::Duration>(wall)}};
}

SystemRandom::~SystemRandom() {
    sodium_memzero(buffer_.data(), buffer_.size());
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
    if (out.size() > buffer_.size()) return randombytes_buf(out.data(), out.size());
    if (buffer_.size() - used_ < out.size()) {
        randombytes_buf(buffer_.data(), buffer_.size());
        used_ = 0;
    }
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(used_), out.size(), out.begin());
    sodium_memzero(buffer_.data() + used_, out.size());
    used_ += out.size();
}

}  // namespace presmesh::daemon
