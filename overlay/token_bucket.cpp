#include "overlay/token_bucket.hpp"

#include <algorithm>

namespace presmesh::overlay {

void TokenBucket::fill(proto::SteadyTime now) {
    if (filled_ == proto::SteadyTime::min() || now < filled_) {
        filled_ = now;
        return;
    }
    const double seconds = std::chrono::duration<double>(now - filled_).count();
    level_ = std::min<double>(burst_, level_ + seconds * per_second_);
    filled_ = now;
}

bool TokenBucket::take(proto::SteadyTime now) {
    fill(now);
    if (level_ < 1.0) {
        return false;
    }
    level_ -= 1.0;
    return true;
}

bool TokenBucket::below_half(proto::SteadyTime now) {
    fill(now);
    return level_ < burst_ / 2.0;
}

bool TokenBucket::full(proto::SteadyTime now) {
    fill(now);
    return level_ >= burst_;
}

}  // namespace presmesh::overlay
