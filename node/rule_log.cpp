#include "node/rule_log.hpp"

#include <algorithm>
#include <chrono>
#include <climits>

#include "node/store_keys.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::node {

namespace {

constexpr std::string_view id_key = "rule log";
constexpr std::size_t bytes_beside_names = 24;  // of one change in a message

std::string store_key(const RuleLog::Key& key) {
    return join_key(key.presentity.canonical(), (key.decision ? "d" : "r") + key.who);
}

/// Of equal stamps the stricter holds, at every node.
int strictness(std::optional<Handling> handling) {
    return handling ? -static_cast<int>(*handling) : INT_MIN;
}

std::uint64_t milliseconds(proto::WallTime time) {
    const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(count, 1));
}

proto::Bytes two_numbers(std::uint64_t first, std::uint64_t second) {
    proto::MsgpackWriter out;
    out.array(2).uint(first).uint(second);
    return out.take();
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> read_two_numbers(proto::BytesView value) {
    proto::MsgpackReader in(value);
    std::pair<std::uint64_t, std::uint64_t> out;
    if (in.array(2) != 2) return std::nullopt;
    out.first = in.uint();
    out.second = in.uint();
    return in.finish() ? std::optional(out) : std::nullopt;
}

}  // namespace

void RuleLog::load() {
    store_.each(store_tables::meta, id_key, [this](std::string_view key, proto::BytesView value) {
        if (auto read = read_two_numbers(value); read && key == id_key) id_ = read->first;
    });
    if (id_ == 0) renew();
    store_.each(store_tables::rule_log, {},
                [this](std::string_view key, proto::BytesView value) { load_entry(key, value); });
    loaded_head_ = head_;
    store_.each(store_tables::rule_logs_seen, {}, [this](std::string_view key, proto::BytesView value) {
        proto::NodeId node{};
        if (key.size() != node.size()) return;
        std::copy(key.begin(), key.end(), node.begin());
        if (auto read = read_two_numbers(value)) seen_[node] = {read->first, read->second};
    });
}

void RuleLog::renew() {
    id_ = random_.next() | 1U;
    loaded_head_ = 0;
    store_.put(store_tables::meta, id_key, two_numbers(id_, 0));
}

void RuleLog::load_entry(std::string_view key, proto::BytesView value) {
    const auto [name, rest] = split_key(key);
    auto presentity = proto::PresentityUri::from_canonical(name);
    proto::MsgpackReader in(value);
    Entry entry;
    if (in.array(3) != 3 || !presentity || rest.empty()) return;
    entry.position = in.uint();
    entry.stamp = in.uint();
    if (!in.try_nil()) entry.handling = handling_of(in.uint(UINT8_MAX));
    if (!in.finish()) return;
    const Key of{std::move(*presentity), rest[0] == 'd', std::string(rest.substr(1))};
    place(entries_.insert_or_assign(of, entry).first);
    head_ = std::max(head_, entry.position);
}

void RuleLog::place(Entries::iterator entry) {
    by_position_.emplace(entry->second.position, entry);
    if (!entry->second.handling) taken_back_.emplace(entry->second.position, entry);
}

void RuleLog::unplace(Entries::iterator entry) {
    by_position_.erase(entry->second.position);
    taken_back_.erase(entry->second.position);
}

void RuleLog::set(const Key& key, std::uint64_t stamp, std::optional<Handling> handling) {
    const auto [entry, fresh] = entries_.try_emplace(key);
    if (!fresh) unplace(entry);
    entry->second = {++head_, stamp, handling};
    place(entry);
    proto::MsgpackWriter out;
    out.array(3).uint(entry->second.position).uint(stamp);
    handling ? out.uint(static_cast<std::uint8_t>(*handling)) : out.nil();
    store_.put(store_tables::rule_log, store_key(key), out.bytes());
    if (taken_back_.size() <= proto::limits::rules_taken_back) return;
    const auto oldest = taken_back_.begin()->second;
    store_.erase(store_tables::rule_log, store_key(oldest->first));
    unplace(oldest);
    entries_.erase(oldest);
}

void RuleLog::note(proto::Now now, const Key& key, std::optional<Handling> handling) {
    const auto known = entries_.find(key);
    const auto before = known == entries_.end() ? 0 : known->second.stamp;
    set(key, std::max(milliseconds(now.wall), before + (before == UINT64_MAX ? 0 : 1)), handling);
}

void RuleLog::note_old(const Key& key, Handling handling) {
    set(key, 0, handling);
}

bool RuleLog::take(const proto::RuleChange& change) {
    const auto handling = change.handling ? handling_of(*change.handling) : std::nullopt;
    if (change.handling && !handling) return false;  // of a later version
    const Key key{change.presentity, change.decision, change.who};
    if (const auto known = entries_.find(key); known != entries_.end()) {
        const auto& entry = known->second;
        if (std::pair(change.stamp, strictness(handling)) <= std::pair(entry.stamp, strictness(entry.handling)))
            return false;
    }
    set(key, change.stamp, handling);
    return true;
}

proto::RulesMessage RuleLog::after(std::uint64_t position) const {
    proto::RulesMessage out{id_, position, head_, {}};
    std::size_t bytes = 0;
    for (auto next = by_position_.upper_bound(position); next != by_position_.end(); ++next) {
        const auto& [key, entry] = *next->second;
        bytes += key.presentity.canonical().size() + key.who.size() + bytes_beside_names;
        if (!out.changes.empty() &&
            (bytes > proto::limits::rules_message_bytes || out.changes.size() == proto::limits::rules_per_message)) {
            out.upto = std::prev(next)->first;
            break;
        }
        const auto handling = entry.handling ? std::optional(static_cast<std::uint8_t>(*entry.handling)) : std::nullopt;
        out.changes.push_back({key.presentity, key.decision, key.who, handling, entry.stamp});
    }
    return out;
}

proto::RulesAskMessage RuleLog::seen(const proto::NodeId& node) const {
    const auto found = seen_.find(node);
    return found == seen_.end() ? proto::RulesAskMessage{} : found->second;
}

void RuleLog::set_seen(const proto::NodeId& node, const proto::RulesAskMessage& seen) {
    seen_[node] = seen;
    store_.put(store_tables::rule_logs_seen, proto::as_text(node), two_numbers(seen.log, seen.since));
}

}  // namespace presmesh::node
