#include "translators/xmpp/subscriptions.hpp"

#include <array>
#include <string>
#include <vector>

#include "proto/assert.hpp"
#include "translators/xmpp/saved_strings.hpp"

namespace presmesh::translators::xmpp {

namespace {

using enum Subscription;
using Kind = SubscriptionKind;

constexpr std::size_t states = 9;
using Column = std::array<SubscriptionStep, states>;
using Table = std::array<Column, 4>;  // by SubscriptionKind

constexpr SubscriptionStep go(Subscription next) {
    return {true, next, std::nullopt};
}
constexpr SubscriptionStep stay(Subscription same) {
    return {false, same, std::nullopt};
}
constexpr SubscriptionStep answer(bool pass, Subscription next, Kind reply) {
    return {pass, next, reply};
}

// Rows of each column in the order of A.1. Pre-approvals (3.4) are not kept: what the RFC turns into one stays as it
// is.
constexpr Table outbound_table{
    // Table 2, subscribe
    Column{go(none_pending_out), go(none_pending_out), go(none_pending_out_in), go(none_pending_out_in), go(to),
           go(to_pending_in), go(from_pending_out), go(from_pending_out), go(both)},
    // Table 3, unsubscribe
    Column{go(none), go(none), go(none_pending_in), go(none_pending_in), go(none), go(none_pending_in), go(from),
           go(from), go(from)},
    // Table 4, subscribed
    Column{stay(none), stay(none_pending_out), go(from), go(from_pending_out), stay(to), go(both), stay(from),
           stay(from_pending_out), stay(both)},
    // Table 5, unsubscribed
    Column{stay(none), stay(none_pending_out), go(none), go(none_pending_out), stay(to), go(to), go(none),
           go(none_pending_out), go(to)},
};

constexpr Table inbound_table{
    // Table 6, subscribe
    Column{go(none_pending_in), go(none_pending_out_in), stay(none_pending_in), stay(none_pending_out_in),
           go(to_pending_in), stay(to_pending_in), answer(false, from, Kind::subscribed),
           answer(false, from_pending_out, Kind::subscribed), answer(false, both, Kind::subscribed)},
    // Table 7, unsubscribe
    Column{stay(none), stay(none_pending_out), answer(true, none, Kind::unsubscribed),
           answer(true, none_pending_out, Kind::unsubscribed), stay(to), answer(true, to, Kind::unsubscribed),
           answer(true, none, Kind::unsubscribed), answer(true, none_pending_out, Kind::unsubscribed),
           answer(true, to, Kind::unsubscribed)},
    // Table 8, subscribed
    Column{stay(none), go(to), stay(none_pending_in), go(to_pending_in), stay(to), stay(to_pending_in), stay(from),
           go(both), stay(both)},
    // Table 9, unsubscribed
    Column{stay(none), go(none), stay(none_pending_in), go(none_pending_in), go(none), go(none_pending_in), stay(from),
           go(from), go(from)},
};

SubscriptionStep look_up(const Table& table, Subscription current, Kind kind) {
    const auto row = static_cast<std::size_t>(current) - 1;
    const auto column = static_cast<std::size_t>(kind);
    PRESMESH_ASSERT(row < states && column < table.size());
    return table[column][row];
}

}  // namespace

std::string_view to_string(Subscription subscription) {
    switch (subscription) {
        case none:
            return "None";
        case none_pending_out:
            return "None + Pending Out";
        case none_pending_in:
            return "None + Pending In";
        case none_pending_out_in:
            return "None + Pending Out+In";
        case to:
            return "To";
        case to_pending_in:
            return "To + Pending In";
        case from:
            return "From";
        case from_pending_out:
            return "From + Pending Out";
        case both:
            return "Both";
    }
    return "unknown";
}

std::string_view to_string(SubscriptionKind kind) {
    switch (kind) {
        case Kind::subscribe:
            return "subscribe";
        case Kind::unsubscribe:
            return "unsubscribe";
        case Kind::subscribed:
            return "subscribed";
        case Kind::unsubscribed:
            return "unsubscribed";
    }
    return "unknown";
}

std::optional<SubscriptionKind> subscription_kind(std::string_view presence_type) {
    for (auto kind : {Kind::subscribe, Kind::unsubscribe, Kind::subscribed, Kind::unsubscribed}) {
        if (presence_type == to_string(kind)) return kind;
    }
    return std::nullopt;
}

SubscriptionStep outbound(Subscription current, SubscriptionKind kind) {
    return look_up(outbound_table, current, kind);
}
SubscriptionStep inbound(Subscription current, SubscriptionKind kind) {
    return look_up(inbound_table, current, kind);
}

bool has_from(Subscription s) {
    return s == from || s == from_pending_out || s == both;
}
bool has_to(Subscription s) {
    return s == to || s == to_pending_in || s == both;
}
bool has_pending_in(Subscription s) {
    return s == none_pending_in || s == none_pending_out_in || s == to_pending_in;
}
bool has_pending_out(Subscription s) {
    return s == none_pending_out || s == none_pending_out_in || s == from_pending_out;
}

namespace {

// "s" CONTACT "\n" USER; JIDs hold no control characters.
std::string saved_key(const Pair& pair) {
    return "s" + saved_name(pair.contact) + "\n" + saved_name(pair.user);
}

std::optional<Pair> read_key(std::string_view key) {
    const auto cut = key.find('\n');
    if (key.empty() || key.front() != 's' || cut == std::string_view::npos) return std::nullopt;
    auto contact = proto::PresentityUri::from_jid(key.substr(1, cut - 1));
    auto user = proto::PresentityUri::from_jid(key.substr(cut + 1));
    if (!contact || !user) return std::nullopt;
    return Pair{*contact, *user};
}

constexpr std::uint8_t parked_bit = 0x80;

// One byte of state and parked_bit, then eight of idle_since in seconds, big endian, 0 when used.
proto::Bytes write_entry(const SubscriptionEntry& entry) {
    const auto seconds = entry.idle_since ? static_cast<std::uint64_t>(proto::to_seconds(*entry.idle_since)) : 0;
    const auto state = static_cast<std::uint8_t>(entry.state);
    proto::Bytes bytes{static_cast<std::uint8_t>(entry.parked ? state | parked_bit : state)};
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(seconds >> shift));
    return bytes;
}

std::optional<SubscriptionEntry> read_entry(proto::BytesView bytes) {
    if (bytes.size() != 9) return std::nullopt;
    const auto state = static_cast<std::uint8_t>(bytes[0] & ~parked_bit);
    if (state < 2 || state > states) return std::nullopt;
    std::uint64_t seconds = 0;
    for (std::size_t i = 1; i < 9; ++i) seconds = seconds << 8 | bytes[i];
    if (seconds > 253'402'300'799) return std::nullopt;  // the year 9999
    SubscriptionEntry entry{static_cast<Subscription>(state), std::nullopt, (bytes[0] & parked_bit) != 0};
    if (seconds != 0) entry.idle_since = proto::wall_from_seconds(static_cast<std::int64_t>(seconds));
    return entry;
}

}  // namespace

void Subscriptions::start(Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
    for (const auto& [key, value] : host.load(owner)) {
        if (!key.starts_with('s')) continue;  // somebody else's row
        const auto pair = read_key(key);
        const auto entry = read_entry(value);
        if (pair && entry) {
            entries_[*pair] = *entry;
            tally(*pair, none, entry->state);
        } else {
            host.erase(owner, key);
            host.count("xmpp_dropped", "saved_subscription");
        }
    }
}

const SubscriptionEntry* Subscriptions::find(const Pair& pair) const {
    const auto found = entries_.find(pair);
    return found == entries_.end() ? nullptr : &found->second;
}

Subscription Subscriptions::state(const Pair& pair) const {
    const auto* entry = find(pair);
    return entry ? entry->state : none;
}

void Subscriptions::set_state(const Pair& pair, Subscription state) {
    tally(pair, this->state(pair), state);
    if (state == none) {
        if (entries_.erase(pair) > 0) host_->erase(*owner_, saved_key(pair));
        return;
    }
    auto& entry = entries_[pair];
    if (entry.state == state) return;
    entry.state = state;
    save(pair, entry);
}

void Subscriptions::set_idle(const Pair& pair, std::optional<proto::WallTime> since) {
    const auto found = entries_.find(pair);
    if (found == entries_.end() || found->second.idle_since == since) return;
    found->second.idle_since = since;
    save(pair, found->second);
}

void Subscriptions::set_parked(const Pair& pair, bool parked) {
    const auto found = entries_.find(pair);
    if (found == entries_.end() || found->second.parked == parked) return;
    found->second.parked = parked;
    save(pair, found->second);
}

std::size_t Subscriptions::asked_by(const proto::PresentityUri& contact) const {
    std::size_t count = 0;
    for (auto it = entries_.lower_bound({contact, {}}); it != entries_.end() && it->first.contact == contact; ++it) {
        if (has_from(it->second.state) || has_pending_in(it->second.state)) ++count;
    }
    return count;
}

std::size_t Subscriptions::requests_of(std::string_view domain) const {
    const auto found = requests_.find(domain);
    return found == requests_.end() ? 0 : found->second;
}

void Subscriptions::tally(const Pair& pair, Subscription before, Subscription after) {
    if (has_pending_out(before) == has_pending_out(after)) return;
    const auto count = requests_.try_emplace(std::string(pair.user.domain()), 0).first;
    has_pending_out(after) ? ++count->second : --count->second;
    if (count->second == 0) requests_.erase(count);
}

void Subscriptions::save(const Pair& pair, const SubscriptionEntry& entry) {
    host_->save(*owner_, saved_key(pair), write_entry(entry));
}

}  // namespace presmesh::translators::xmpp
