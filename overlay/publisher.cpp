#include "overlay/publisher.hpp"

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using std::chrono_literals::operator""s;

namespace {

proto::Duration ahead(proto::Now now) {
    return now.wall.time_since_epoch() - now.steady.time_since_epoch();
}

}  // namespace

Publisher::Publisher(const Settings& settings, Dht& dht, SequenceCounter& counter, proto::Random& random)
    : settings_(settings), federation_(settings.federation), dht_(dht), counter_(counter), random_(random) {}

void Publisher::go_online(proto::Now now) {
    if (online_since_) return;
    online_since_ = now.steady;
    domain_due_ = next_put_ = next_rewrite_ = now.steady;
    wall_ahead_ = ahead(now);
}

void Publisher::set(proto::Now now, const RecordDue& due) {
    if (!federation_->may_publish(settings_.certificate.domain, due.presentity.domain(), now.wall,
                                  settings_.verified.get())) {
        ++refused_;
        return;
    }
    const auto place = entries_.try_emplace(due.presentity).first;
    auto& entry = place->second;
    const bool same_key = entry.content_key == due.content_key;
    entry.fresh = entry.fresh || entry.document != due.document;
    entry.document = due.document;
    entry.content_key = due.content_key;
    if (due.watched) mark_watched(place);
    if (!due.document && !entry.written) {  // nobody has heard of it
        unlist(entry);
        entries_.erase(place);
        return;
    }
    const bool urgent = !entry.written || !due.document || entry.buried || !same_key;
    entry.buried = false;
    const auto earliest = urgent ? now.steady : *entry.written + proto::Duration{limits::record_rewrite_least};
    const auto when = std::max(now.steady, earliest);
    // What is due by then anyway tells of the change as well, and keeps its turn: a new key, a refresh, an earlier
    // change.
    if (urgent || when < entry.due.when) schedule(place, when, !urgent);
}

void Publisher::watched(const proto::PresentityUri& presentity) {
    const auto found = entries_.find(presentity);
    if (found != entries_.end()) mark_watched(found);
}

void Publisher::mark_watched(Entries::iterator place) {
    auto& entry = place->second;
    entry.watched = true;
    if (unwatched_.erase(entry.due) > 0) watched_.emplace(entry.due, place);
}

std::size_t Publisher::due(const Order& order, proto::Now now) const {
    if (!online_since_) return 0;
    return static_cast<std::size_t>(std::distance(order.begin(), order.upper_bound({now.steady, last_due_})));
}

std::size_t Publisher::waiting(proto::Now now) const {
    return due(watched_, now) + due(unwatched_, now);
}

std::size_t Publisher::changes_waiting(proto::Now now) const {
    return due(changed_, now);
}

// ---- whose turn it is

Publisher::Order& Publisher::order_of(const Entry& entry) {
    if (entry.changed) return changed_;
    return entry.watched ? watched_ : unwatched_;
}

void Publisher::schedule(Entries::iterator place, proto::SteadyTime when, bool changed) {
    auto& entry = place->second;
    unschedule(entry);
    entry.changed = changed;
    entry.due = {when, ++last_due_};
    order_of(entry).emplace(entry.due, place);
}

void Publisher::unschedule(Entry& entry) {
    order_of(entry).erase(entry.due);
    entry.changed = false;
    entry.due = {};
}

std::optional<Publisher::Entries::iterator> Publisher::newest(const Order& order, proto::SteadyTime now) {
    const auto after = order.lower_bound({now + proto::Duration{1}, 0});
    if (after == order.begin()) return std::nullopt;
    return std::prev(after)->second;
}

std::optional<Publisher::Entries::iterator> Publisher::take_change(proto::SteadyTime now) {
    if (changed_.empty() || changed_.begin()->first.when > now || next_rewrite_ > now) return std::nullopt;
    next_rewrite_ += limits::record_rewrite_interval;
    return changed_.begin()->second;
}

void Publisher::grow_old(Entries::iterator place, proto::SteadyTime written) {
    auto& entry = place->second;
    old_.erase(entry.old);
    entry.old = {written + limits::record_old, ++last_due_};
    old_.emplace(entry.old, place);
}

void Publisher::unlist(Entry& entry) {
    unschedule(entry);
    old_.erase(entry.old);
    entry.old = {};
}

std::optional<Publisher::Entries::iterator> Publisher::choose(proto::SteadyTime now) {
    const bool has_old = !old_.empty() && old_.begin()->first.when <= now;
    if (has_old && ++turns_ % limits::record_old_share != 0) return old_.begin()->second;
    auto next = newest(watched_, now);
    if (!next) next = newest(unwatched_, now);
    if (!next) next = take_change(now);
    if (!next && has_old) next = old_.begin()->second;
    return next;
}

std::optional<Publisher::Entries::iterator> Publisher::pop(proto::SteadyTime now) {
    const auto next = choose(now);
    if (next) unlist((*next)->second);
    return next;
}

proto::SteadyTime Publisher::next_timeout() const {
    if (!online_since_) return proto::never;
    const auto first = [](const Order& order) { return order.empty() ? proto::never : order.begin()->first.when; };
    const auto due = std::min({first(watched_), first(unwatched_), std::max(first(changed_), next_rewrite_)});
    return std::min(domain_due_, std::max(due, next_put_));
}

void Publisher::handle_timeout(proto::Now now) {
    if (!online_since_) return;
    if (wall_was_set(now)) follow_wall(now);
    if (domain_due_ <= now.steady) write_domain(now);
    // Up to a second's worth may go out together after a quiet second.
    next_put_ = std::max(next_put_, now.steady - proto::Duration{1s});
    next_rewrite_ = std::max(next_rewrite_, now.steady - proto::Duration{1s});
    while (next_put_ <= now.steady) {
        const auto place = pop(now.steady);
        if (!place) return;
        next_put_ += limits::record_put_interval;
        write(now, *place);
    }
}

/// By more than others let pass.
bool Publisher::wall_was_set(proto::Now now) {
    const auto by = ahead(now) - wall_ahead_;
    if (by <= limits::record_clock_skew && by >= -proto::Duration{limits::record_clock_skew}) return false;
    wall_ahead_ = ahead(now);
    return true;
}

/// What was issued in a time that is still to come is refused by everybody; what is about to run out was to be
/// refreshed long before.
void Publisher::follow_wall(proto::Now now) {
    domain_due_ = now.steady;
    for (auto place = entries_.begin(); place != entries_.end(); ++place) {
        const auto& entry = place->second;
        if (entry.value_id == 0 || entry.buried) continue;
        const proto::Duration left = entry.expires - now.wall;
        if (left > limits::record_lifetime + limits::record_clock_skew || left < limits::record_lifetime / 4)
            schedule(place, now.steady);
    }
}

// ---- records

void Publisher::write(proto::Now now, Entries::iterator place) {
    const auto& presentity = place->first;
    auto& entry = place->second;
    if (entry.buried) return forget(now, place);
    auto record = draft(now, proto::RecordKind::presentity, limits::record_lifetime);
    // A tombstone outlives what it replaces: nobody may put that again when it is gone. No record lives longer than
    // record_lifetime, so what was announced in this very second ends with it.
    if (!entry.document)
        record.expires = std::clamp(entry.expires + 1s, record.issued + limits::tombstone_lifetime, record.expires);
    record.presentity = proto::presentity_key(federation_->key, presentity);
    record.domain = presentity.domain();
    if (entry.document) record.digest = entry.document->digest;
    const auto summary = entry.document ? proto::Summary::of(entry.document->presence(), now.wall) : proto::Summary{};
    record.sealed_summary = proto::seal_summary(summary, entry.content_key, random_);
    if (!put(now, record)) return;
    if (settings_.trace != nullptr && settings_.trace->wants_steps())
        settings_.trace->step(now, "overlay.record", presentity,
                              trace_detail(proto::node_id(record.node_key()), record.sequence, entry.document));
    if (std::exchange(entry.fresh, false)) entry.written = now.steady;
    entry.buried = !entry.document;
    entry.expires = record.expires;
    entry.value_id = record.value_id();
    if (!entry.buried) grow_old(place, now.steady);
    schedule(place, now.steady + (entry.buried ? record.expires - now.wall : refresh_after(now)));
}

/// The tombstone has run out.
void Publisher::forget(proto::Now now, Entries::iterator place) {
    const auto& presentity = place->first;
    const auto key =
        proto::dht_key(federation_->key, presentity.domain(), proto::presentity_key(federation_->key, presentity));
    dht_.cancel_put(now, key, place->second.value_id);
    entries_.erase(place);
}

void Publisher::write_domain(proto::Now now) {
    auto record = draft(now, proto::RecordKind::domain, limits::domain_record_lifetime);
    record.domain = settings_.certificate.domain;
    if (put(now, record)) fresh_domain_record_ = domain_record_ = record.wire;
    const auto& early = limits::domain_record_early;
    const proto::Duration pause =
        domain_writes_ < early.size() ? early[domain_writes_] : proto::Duration{limits::domain_record_refresh};
    ++domain_writes_;
    domain_due_ = now.steady + random_.jitter(pause, 0.25);
}

proto::Record Publisher::draft(proto::Now now, proto::RecordKind kind, proto::Duration lifetime) {
    proto::Record record;
    record.kind = kind;
    record.sequence = counter_.next();
    record.issued = proto::wall_from_seconds(proto::to_seconds(now.wall));
    record.expires = record.issued + lifetime;
    record.endpoints = settings_.advertised;
    return record;
}

bool Publisher::put(proto::Now now, proto::Record& record) {
    if (!proto::sign(record, settings_.node_key, settings_.certificate)) {
        ++refused_;
        return false;
    }
    dht_.put(now, record.dht_key(federation_->key), record.value_id(), record.wire);
    ++puts_;
    return true;
}

bool Publisher::has_just_joined(proto::Now now) const {
    return now.steady - *online_since_ < proto::Duration{limits::join_time};
}

/// Long before the record runs out, and spread so that what was announced together is not refreshed together.
proto::Duration Publisher::refresh_after(proto::Now now) {
    if (has_just_joined(now)) return random_.jitter(2 * proto::Duration{limits::join_time}, 0.25);
    return random_.jitter(proto::Duration{limits::record_lifetime} / 2, 0.25);
}

}  // namespace presmesh::overlay
