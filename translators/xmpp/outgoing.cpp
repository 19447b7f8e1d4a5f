#include "translators/xmpp/outgoing.hpp"

#include <algorithm>
#include <chrono>

#include "proto/limits.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/saved_strings.hpp"

namespace presmesh::translators::xmpp {

namespace limits = proto::limits;

namespace {

// "w" CONTACT "\n" USER -> resources shown as available, each as two bytes of length and the text.
std::string shown_key(const Pair& pair) {
    return "w" + saved_name(pair.contact) + "\n" + saved_name(pair.user);
}

std::uint64_t hash_of(const std::string& xml) {
    return std::max<std::uint64_t>(1, std::hash<std::string>{}(xml));
}

Element unavailable(bool unknown) {
    auto stanza = presence_stanza({}, {}, "unavailable");
    if (unknown) {
        stanza.add_text("status", "presence unknown");
        stanza.add(Element("unknown", ns_presmesh));
    }
    return stanza;
}

struct ResourceStanza {
    std::string resource;
    Element element;
};

/// What shows a document to the contact, by resource; closed services as unavailable, with their last words.
std::vector<ResourceStanza> stanzas_of(const Pair& pair, const proto::Presence& presence, proto::WallTime now) {
    std::vector<ResourceStanza> out;
    const auto bare = pair.user.jid();
    for (auto& stanza : presence_stanzas(presence, nullptr, bare, pair.contact.jid(), now)) {
        const auto from = stanza.get("from");
        std::string resource(from.size() > bare.size() ? from.substr(bare.size() + 1) : std::string_view());
        out.push_back({std::move(resource), std::move(stanza)});
    }
    return out;
}

/// A probe's id comes back in what answers it (RFC 6121 section 4.3.2).
Element answer_to(const Element& probe, Element stanza) {
    if (const auto id = probe.get("id"); !id.empty()) stanza.set("id", id);
    return stanza;
}

bool is_unknown(const View& view) {
    return !view.document || view.liveness == Liveness::unknown;
}

}  // namespace

Outgoing::Outgoing(Wire& wire, Subscriptions& subscriptions, proto::Random& random)
    : wire_(wire), subscriptions_(subscriptions), random_(random) {}

void Outgoing::start(proto::Now now, Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
    std::map<std::string, proto::Bytes, std::less<>> rows;
    for (auto& [key, value] : host.load(owner)) {
        if (key.starts_with('w')) rows.emplace(key, std::move(value));
    }
    for (const auto& [pair, subscription] : subscriptions_.all()) {
        if (!has_from(subscription.state) && !has_pending_in(subscription.state)) continue;
        auto& entry = entries_[pair];
        if (const auto row = rows.find(shown_key(pair)); row != rows.end()) {
            for (auto& resource : read_strings(row->second)) entry.shown[resource].available = true;
            rows.erase(row);
        }
        watch(now, pair, entry);
    }
    for (const auto& [key, value] : rows) host.erase(owner, key);
}

// ---- from the contact

void Outgoing::handle_subscribe(proto::Now now, const Pair& pair, const Element& stanza, std::size_t component) {
    const auto step = inbound(subscriptions_.state(pair), SubscriptionKind::subscribe);
    if (step.reply) {  // the contact's server has forgotten, or a stanza was lost
        wire_.send(now, pair.user, pair.contact.jid(), to_string(*step.reply));
        return resync(now, pair);
    }
    if (!step.pass) return;
    const auto asked = ask(now, pair);
    if (asked) return;
    const auto reason = asked.error().reason;
    const bool later = reason == proto::Reason::quota || reason == proto::Reason::rate_limited;
    wire_.send_raw(now, component,
                   error_reply(stanza, later ? "wait" : "auth", later ? "resource-constraint" : "forbidden"));
}

/// A request of the contact's; its state is one in which it may ask.
proto::Result<void> Outgoing::ask(proto::Now now, const Pair& pair) {
    const bool full = subscriptions_.size() >= limits::xmpp_pairs ||
                      subscriptions_.asked_by(pair.contact) >= limits::watches_per_watcher;
    proto::Error why{proto::Reason::quota, "subscriptions"};
    if (full || !watch(now, pair, entries_[pair], &why)) {
        erase(now, pair);
        host_->count("xmpp_refused", to_string(why.reason));
        return tl::make_unexpected(why);
    }
    subscriptions_.set_state(pair, inbound(subscriptions_.state(pair), SubscriptionKind::subscribe).next);
    host_->step(now, "xmpp.subscribe", pair.user, "");
    return {};
}

void Outgoing::handle_unsubscribe(proto::Now now, const Pair& pair) {
    const auto step = inbound(subscriptions_.state(pair), SubscriptionKind::unsubscribe);
    if (!step.pass) return;
    if (const auto found = entries_.find(pair); found != entries_.end()) take_down(now, pair, found->second, false);
    subscriptions_.set_state(pair, step.next);
    erase(now, pair);
    if (step.reply) wire_.send(now, pair.user, pair.contact.jid(), to_string(*step.reply));
    host_->step(now, "xmpp.unsubscribe", pair.user, "");
}

void Outgoing::handle_probe(proto::Now now, const Pair& pair, const Element& probe) {
    const auto state = subscriptions_.state(pair);
    const auto found = entries_.find(pair);
    if (has_from(state) && found != entries_.end()) return answer_probe(now, pair, found->second, probe);
    if (has_pending_in(state)) return;
    // Its server holds a subscription that we know nothing of: our state file was lost, or is of an older day.
    // "unsubscribed" (RFC 6121 section 4.3.2) would end it there for good. So it asks (RFC 8048 section 5.2.2), and is
    // told that word where the rules refuse.
    (void)ask(now, pair);
}

void Outgoing::answer_probe(proto::Now now, const Pair& pair, Entry& entry, const Element& probe) {
    const auto from = probe.get("from");
    if (entry.view.state != WatchState::active || is_unknown(entry.view)) {
        if (now.steady >= entry.since + limits::xmpp_settle)
            wire_.send(now, pair.user, {}, from, answer_to(probe, unavailable(true)));
        else  // who asks has none of what others were shown before
            forget_sent(entry);
        return;
    }
    for (const auto& stanza : stanzas_of(pair, entry.view.document->presence(), now.wall))
        wire_.send(now, pair.user, stanza.resource, from, answer_to(probe, stanza.element));
}

// ---- from the host

void Outgoing::view_changed(proto::Now now, WatchId watch, const View& view) {
    const auto known = by_watch_.find(watch);
    if (known == by_watch_.end()) return;
    const auto pair = known->second;
    auto& entry = entries_.at(pair);
    entry.view = view;
    entry.viewed = true;
    if (!stopped_) apply(now, pair, entry);
}

void Outgoing::resync(proto::Now now, const Pair& pair) {
    // The approval itself may have been lost with the last stream; a server that knows of it drops it (RFC 6121 A.3.3).
    if (has_from(subscriptions_.state(pair))) wire_.send(now, pair.user, pair.contact.jid(), "subscribed");
    end_again(now, pair);
    const auto found = entries_.find(pair);
    if (found == entries_.end()) return;
    auto& entry = found->second;
    forget_sent(entry);
    if (entry.viewed) apply(now, pair, entry);
}

/// What comes next is sent whatever was sent before.
void Outgoing::forget_sent(Entry& entry) {
    for (auto& [resource, shown] : entry.shown) shown.hash = 0;
}

Outgoing::Ended* Outgoing::ending(proto::Now now, const Pair& pair) {
    if (!ended_.contains(pair) && ended_.size() >= limits::xmpp_pairs) return nullptr;
    auto& ended = ended_[pair];
    const auto until = now.steady + limits::xmpp_unsure;
    if (ended.until != until) ended_until_.emplace_back(until, pair);
    ended.until = until;
    return &ended;
}

void Outgoing::note_down(proto::Now now, const Pair& pair, const std::string& resource, bool unknown) {
    auto* ended = ending(now, pair);
    if (ended == nullptr) return;
    ended->unknown = unknown;
    auto& resources = ended->resources;
    std::erase_if(resources, [&](const auto& one) { return one.second <= now.steady; });
    if (resources.size() >= limits::xmpp_resources)
        resources.erase(std::ranges::min_element(resources, {}, [](const auto& one) { return one.second; }));
    resources[resource] = ended->until;
}

void Outgoing::add_ended(std::set<Pair>& pairs) const {
    for (const auto& [pair, ended] : ended_) pairs.insert(pair);
}

void Outgoing::end_again(proto::Now now, const Pair& pair) {
    if (!ended_.contains(pair)) return;
    auto& ended = *ending(now, pair);  // this stream may end as early
    const auto entry = entries_.find(pair);
    for (auto& [resource, until] : ended.resources) {
        if (entry != entries_.end() && entry->second.shown.contains(resource)) continue;
        until = ended.until;
        wire_.send(now, pair.user, resource, pair.contact.jid(), unavailable(ended.unknown));
    }
    const auto state = subscriptions_.state(pair);
    if (ended.refused && !has_from(state) && !has_pending_in(state))
        wire_.send(now, pair.user, pair.contact.jid(), "unsubscribed");
}

void Outgoing::stop(proto::Now now) {
    stopped_ = true;
    for (auto& [pair, entry] : entries_) take_down(now, pair, entry, true);
}

void Outgoing::apply(proto::Now now, const Pair& pair, Entry& entry) {
    if (!wire_.up(pair.user)) return;  // resync() comes back to it
    switch (entry.view.state) {
        case WatchState::pending:
            if (now.steady < entry.since + limits::xmpp_settle)
                return set_due(pair, entry, entry.since + limits::xmpp_settle);
            return take_down(now, pair, entry, true);
        case WatchState::active:
            return apply_active(now, pair, entry);
        case WatchState::terminated:
            return apply_terminated(now, pair, entry);
    }
}

void Outgoing::apply_active(proto::Now now, const Pair& pair, Entry& entry) {
    entry.failures = 0;
    auto state = subscriptions_.state(pair);
    if (has_pending_in(state)) {
        if (!wire_.send(now, pair.user, pair.contact.jid(), "subscribed")) return;
        subscriptions_.set_state(pair, outbound(state, SubscriptionKind::subscribed).next);
    }
    if (!is_unknown(entry.view)) return show_document(now, pair, entry);
    if (entry.view.document || now.steady >= entry.since + limits::xmpp_settle)
        return take_down(now, pair, entry, true);
    set_due(pair, entry, entry.since + limits::xmpp_settle);
}

void Outgoing::apply_terminated(proto::Now now, const Pair& pair, Entry& entry) {
    const auto state = subscriptions_.state(pair);
    // A request for a user who does not exist is answered. Where an authorization was given, the same is a fault over
    // there, and passes.
    const bool nobody = entry.view.reason == "noresource" && has_pending_in(state);
    if (entry.view.reason == "rejected" || nobody) {
        take_down(now, pair, entry, false);
        const auto step = outbound(state, SubscriptionKind::unsubscribed);
        if (step.pass && !wire_.send(now, pair.user, pair.contact.jid(), "unsubscribed")) return;
        if (auto* ended = ending(now, pair)) ended->refused = true;
        subscriptions_.set_state(pair, step.next);
        return erase(now, pair);
    }
    // Any other reason ends the watch, not the authorization (RFC 8048 section 5.2.2): watch again, gently.
    take_down(now, pair, entry, true);
    forget_watch(now, entry);
    proto::Duration wait = limits::xmpp_retry_least;
    for (std::uint32_t i = 0; i < entry.failures && wait < limits::xmpp_retry_most; ++i) wait *= 2;
    ++entry.failures;
    set_due(pair, entry, now.steady + random_.jitter(std::min<proto::Duration>(wait, limits::xmpp_retry_most), 0.25));
}

// ---- showing

void Outgoing::show_document(proto::Now now, const Pair& pair, Entry& entry) {
    const auto presence = entry.view.document->presence();
    look_again(now, pair, entry, presence);
    const auto stanzas = stanzas_of(pair, presence, now.wall);
    std::set<std::string_view> told;
    for (const auto& stanza : stanzas) told.insert(stanza.resource);
    const bool shown_before = !entry.shown.empty();
    bool changed = false;
    for (auto it = entry.shown.begin(); it != entry.shown.end();) {
        if (told.contains(it->first)) {
            ++it;
            continue;
        }
        if (it->second.available) {
            if (!wire_.send(now, pair.user, it->first, pair.contact.jid(), unavailable(false))) return;
            changed = true;
        }
        note_down(now, pair, it->first, false);
        it = entry.shown.erase(it);
    }
    for (const auto& stanza : stanzas) {
        const bool available = stanza.element.get("type").empty();
        const auto known = entry.shown.find(stanza.resource);
        changed = changed || (known != entry.shown.end() && known->second.available) != available;
        if (!available && shown_before && known == entry.shown.end()) continue;  // nobody saw it: it cannot go away
        if (!send_shown(now, pair, entry, stanza.resource, stanza.element)) return;
    }
    if (changed) save_shown(pair, entry);
    host_->step(now, "xmpp.presence", pair.user, "");
}

/// What is shown changes by itself where activities begin or end; no document can make that happen often.
void Outgoing::look_again(proto::Now now, const Pair& pair, Entry& entry, const proto::Presence& presence) {
    const auto next = next_change(presence, now.wall);
    if (!next) return set_due(pair, entry, proto::never);
    const auto ahead =
        std::clamp<proto::Duration>(*next - now.wall, limits::told_interval, limits::xmpp_look_again_most);
    set_due(pair, entry, now.steady + ahead);
}

bool Outgoing::send_shown(proto::Now now, const Pair& pair, Entry& entry, const std::string& resource,
                          const Element& stanza) {
    const auto hash = hash_of(to_wire(stanza));
    const auto known = entry.shown.find(resource);
    if (known != entry.shown.end() && known->second.hash == hash) return true;
    if (!wire_.send(now, pair.user, resource, pair.contact.jid(), stanza)) return false;
    entry.shown[resource] = Shown{hash, stanza.get("type").empty()};
    return true;
}

void Outgoing::take_down(proto::Now now, const Pair& pair, Entry& entry, bool unknown) {
    if (entry.shown.empty()) return;
    for (auto it = entry.shown.begin(); it != entry.shown.end(); it = entry.shown.erase(it)) {
        if (it->second.available && !wire_.send(now, pair.user, it->first, pair.contact.jid(), unavailable(unknown)))
            return;
        note_down(now, pair, it->first, unknown);
    }
    save_shown(pair, entry);
}

void Outgoing::save_shown(const Pair& pair, const Entry& entry) {
    std::vector<std::string> resources;
    std::size_t size = 0;
    for (const auto& [resource, shown] : entry.shown) {
        if (!shown.available) continue;
        size += resource.size();
        resources.push_back(resource);
    }
    // What was taken down just now may not have been heard: after a crash it is taken down once more.
    if (const auto ended = ended_.find(pair); ended != ended_.end()) {
        for (const auto& [resource, until] : ended->second.resources) {
            if (entry.shown.contains(resource)) continue;
            size += resource.size();
            if (size > limits::document_bytes) break;
            resources.push_back(resource);
        }
    }
    if (resources.empty()) return host_->erase(*owner_, shown_key(pair));
    host_->save(*owner_, shown_key(pair), write_strings(resources));
}

// ---- the watch behind

bool Outgoing::watch(proto::Now now, const Pair& pair, Entry& entry, proto::Error* why) {
    auto watch = host_->watch(now, *owner_, pair.contact, pair.user);
    if (!watch) {
        if (why) *why = watch.error();
        set_due(pair, entry, now.steady + random_.jitter(limits::xmpp_retry_least, 0.25));
        return false;
    }
    entry.watch = *watch;
    entry.view = {};
    entry.viewed = false;
    entry.since = now.steady;
    by_watch_[*watch] = pair;
    return true;
}

void Outgoing::forget_watch(proto::Now now, Entry& entry) {
    if (!entry.watch) return;
    by_watch_.erase(*entry.watch);
    host_->unwatch(now, *entry.watch);
    entry.watch.reset();
}

void Outgoing::erase(proto::Now now, const Pair& pair) {
    const auto found = entries_.find(pair);
    if (found == entries_.end()) return;
    forget_watch(now, found->second);
    set_due(pair, found->second, proto::never);
    entries_.erase(found);
    host_->erase(*owner_, shown_key(pair));
}

void Outgoing::set_due(const Pair& pair, Entry& entry, proto::SteadyTime due) {
    if (entry.due != proto::never) due_.erase({entry.due, pair});
    entry.due = due;
    if (due != proto::never) due_.insert({due, pair});
}

void Outgoing::handle_timeout(proto::Now now) {
    while (!ended_until_.empty() && ended_until_.front().first <= now.steady) {
        const auto found = ended_.find(ended_until_.front().second);
        if (found != ended_.end() && found->second.until <= now.steady) ended_.erase(found);
        ended_until_.pop_front();
    }
    while (!due_.empty() && due_.begin()->first <= now.steady) {
        const auto pair = due_.begin()->second;
        auto& entry = entries_.at(pair);
        set_due(pair, entry, proto::never);
        if (!entry.watch) {
            watch(now, pair, entry);
        } else {
            apply(now, pair, entry);
        }
    }
}

proto::SteadyTime Outgoing::next_timeout() const {
    const auto due = due_.empty() ? proto::never : due_.begin()->first;
    return ended_until_.empty() ? due : std::min(due, ended_until_.front().first);
}

}  // namespace presmesh::translators::xmpp
