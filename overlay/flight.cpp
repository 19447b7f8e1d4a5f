#include "overlay/flight.hpp"

#include <algorithm>
#include <iterator>

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace {

/// RFC 6298's G: a steady way has no variation left, and the timer would run out as the answer comes in.
constexpr auto resend_margin = std::chrono::milliseconds{20};
constexpr std::uint64_t ack_reach = 64;  // numbers below the largest that one acknowledgement speaks of

bool covers(const proto::AckMessage& ack, std::uint64_t number) {
    if (number == ack.largest) return true;
    if (number > ack.largest) return false;
    const auto distance = ack.largest - number - 1;
    return distance < ack_reach && ((ack.below >> distance) & 1) != 0;
}

void append(SentItems& all, SentItems& more) {
    std::move(more.begin(), more.end(), std::back_inserter(all));
}

}  // namespace

Flight::Flight() : window_(proto::limits::channel_window_first), patience_(proto::limits::resend_most) {}

void Flight::sent(proto::Now now, std::uint64_t number, SentItems items) {
    packets_.emplace(number, Packet{now.steady, std::move(items)});
}

SentItems Flight::acknowledged(proto::Now now, const proto::AckMessage& ack) {
    SentItems items;
    const auto lowest = ack.largest > ack_reach ? ack.largest - ack_reach : 0;
    for (auto it = packets_.lower_bound(lowest); it != packets_.end() && it->first <= ack.largest;) {
        if (!covers(ack, it->first)) {
            ++it;
            continue;
        }
        if (it->first == ack.largest) measure(now.steady - it->second.sent_at);
        append(items, it->second.items);
        it = packets_.erase(it);
        backoff_ = relief_ = 0;
        window_ = std::min(window_ + 1, proto::limits::channel_window_most);
    }
    return items;
}

SentItems Flight::left_before(proto::SteadyTime then) {
    SentItems items;
    while (!packets_.empty() && packets_.begin()->second.sent_at <= then) {
        append(items, packets_.begin()->second.items);
        packets_.erase(packets_.begin());
        ++resends_;
    }
    return items;
}

SentItems Flight::overdue(proto::Now now) {
    const auto before = packets_.size();
    auto items = left_before(now.steady - wait());
    if (packets_.size() < before) {
        if (relief_ > 0)
            --relief_;
        else if (backoff_ < backoff_most)
            ++backoff_;
        window_ = std::max(window_ / 2, proto::limits::channel_window_least);
    }
    return items;
}

SentItems Flight::abandon() {
    SentItems items;
    for (auto& [number, packet] : packets_) append(items, packet.items);
    packets_.clear();
    backoff_ = relief_ = 0;
    return items;
}

proto::SteadyTime Flight::next_timeout() const {
    return packets_.empty() ? proto::never : packets_.begin()->second.sent_at + wait();
}

void Flight::received(std::uint64_t number) {
    seen_.add(number);
    const auto place = std::lower_bound(owed_.begin(), owed_.end(), number);
    if (place == owed_.end() || *place != number) owed_.insert(place, number);
}

void Flight::Seen::add(std::uint64_t number) {
    const std::uint64_t word = number / 64;
    const std::uint64_t newest = newest_ / 64;
    if (word > newest) {
        for (std::uint64_t i = 0; i < std::min<std::uint64_t>(word - newest, words); ++i) bits_[(word - i) % words] = 0;
    } else if (newest - word >= words) {
        return;
    }
    newest_ = std::max(newest_, number);
    bits_[word % words] |= std::uint64_t{1} << number % 64;
}

bool Flight::Seen::contains(std::uint64_t number) const {
    const std::uint64_t word = number / 64;
    return number <= newest_ && newest_ / 64 - word < words && (bits_[word % words] >> number % 64 & 1) != 0;
}

std::uint64_t Flight::Seen::below(std::uint64_t number) const {
    std::uint64_t out = 0;
    for (std::uint64_t i = 0; i < ack_reach && i + 1 < number; ++i)
        if (contains(number - 1 - i)) out |= std::uint64_t{1} << i;
    return out;
}

std::vector<proto::AckMessage> Flight::take_acks() {
    std::vector<proto::AckMessage> acks;
    while (!owed_.empty()) {
        const proto::AckMessage ack{owed_.back(), seen_.below(owed_.back())};
        // What lies too far back to be remembered is spoken for by itself alone.
        std::erase_if(owed_, [&](std::uint64_t number) { return covers(ack, number); });
        acks.push_back(ack);
    }
    return acks;
}

std::size_t Flight::items(SlotKind kind) const {
    std::size_t count = 0;
    for (const auto& [number, packet] : packets_)
        count += static_cast<std::size_t>(std::count_if(packet.items.begin(), packet.items.end(),
                                                        [&](const SentItem& item) { return item.slot.kind == kind; }));
    return count;
}

void Flight::forget() {
    packets_.clear();
    seen_ = {};
    owed_.clear();
    backoff_ = relief_ = 0;
}

void Flight::measure(proto::Duration sample) {  // RFC 6298 section 2
    if (smoothed_ == proto::Duration{}) {
        smoothed_ = std::max(sample, proto::Duration{1});
        variation_ = sample / 2;
        return;
    }
    const auto off = smoothed_ > sample ? smoothed_ - sample : sample - smoothed_;
    variation_ = (3 * variation_ + off) / 4;
    smoothed_ = (7 * smoothed_ + sample) / 8;
}

proto::Duration Flight::wait() const {
    proto::Duration base = proto::limits::resend_first;
    if (smoothed_ != proto::Duration{})
        base = std::max<proto::Duration>(smoothed_ + std::max<proto::Duration>(4 * variation_, resend_margin),
                                         proto::limits::resend_least);
    return std::min(base * (1 << (backoff_ - relief_)), patience_);
}

}  // namespace presmesh::overlay
