#include "translators/xmpp/incoming.hpp"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "proto/limits.hpp"
#include "translators/xmpp/presence.hpp"

namespace presmesh::translators::xmpp {

namespace limits = proto::limits;

namespace {

template <class ServicePtr>
bool same(const ServicePtr& a, const ServicePtr& b) {
    return a == b || (a && b && *a == *b);
}

}  // namespace

bool Incoming::Content::operator==(const Content& other) const {
    return std::equal(open.begin(), open.end(), other.open.begin(), other.open.end(),
                      [](const auto& a, const auto& b) { return a.first == b.first && same(a.second, b.second); });
}

Incoming::Incoming(const XmppSettings& settings, Wire& wire, Subscriptions& subscriptions)
    : settings_(settings), wire_(wire), subscriptions_(subscriptions) {}

void Incoming::start(proto::Now, Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
    for (const auto& [pair, entry] : subscriptions_.all())
        if (has_to(entry.state) && !entry.idle_since) inherited_.insert(pair.contact);
}

Incoming::Copy& Incoming::copy_of(const Pair& pair) {
    return contacts_[pair.contact].copies[pair.user];
}

// ---- from the host

void Incoming::wanted(proto::Now now, const Pair& pair) {
    if (!wire_.addresses().of_user(pair.user)) return host_->count("xmpp_refused", "no_component_for_domain");
    auto& copy = copy_of(pair);
    if (!copy.wanted) set_parked(pair, copy, begins_parked(pair, contacts_.at(pair.contact)));
    copy.wanted = true;
    subscriptions_.set_idle(pair, std::nullopt);
    const auto state = subscriptions_.state(pair);
    if (has_to(state)) {
        if (!copy.parked) decide(now, pair, WatchState::active);
        if (!copy.known && copy.due == proto::never) probe(now, pair, copy);
        reconcile(now, pair.contact);
        if (copy.parked) decide(now, pair, WatchState::pending);
        return;
    }
    if (now.steady < copy.refused_until) return decide(now, pair, WatchState::terminated, "rejected");
    if (!has_pending_out(state)) ask(now, pair);
}

void Incoming::unwanted(proto::Now now, const Pair& pair) {
    const auto found = contacts_.find(pair.contact);
    if (found == contacts_.end() || !found->second.copies.contains(pair.user)) return;
    auto& copy = found->second.copies.at(pair.user);
    copy.wanted = false;
    set_parked(pair, copy, false);
    subscriptions_.set_idle(pair, now.wall);
    reconcile(now, pair.contact);
    if (!subscriptions_.find(pair) && now.steady >= copy.refused_until) erase(pair);
}

void Incoming::ask(proto::Now now, const Pair& pair) {
    const auto state = subscriptions_.state(pair);
    const bool full = (state == Subscription::none && subscriptions_.size() >= limits::xmpp_pairs) ||
                      subscriptions_.requests_of(pair.user.domain()) >= limits::xmpp_requests_per_domain;
    if (full) {
        return host_->count("xmpp_refused", proto::to_string(proto::Reason::quota));
    }
    // Saved before it is sent: resync() sends it (again) when the stream is not up.
    subscriptions_.set_state(pair, outbound(state, SubscriptionKind::subscribe).next);
    wire_.send(now, pair.user, pair.contact.jid(), "subscribe");
    host_->step(now, "xmpp.ask", pair.contact, "");
}

/// Not yet sent what others are shown? reconcile() looks closer. What an earlier run published stands for those whom it
/// was shown to when that run ended.
bool Incoming::begins_parked(const Pair& pair, const Contact& contact) const {
    if (contact.published) return true;
    if (!inherited_.contains(pair.contact)) return false;
    const auto* entry = subscriptions_.find(pair);
    return !entry || !has_to(entry->state) || entry->idle_since || entry->parked;
}

void Incoming::set_parked(const Pair& pair, Copy& copy, bool parked) {
    copy.parked = parked;
    subscriptions_.set_parked(pair, parked);
}

void Incoming::decide(proto::Now now, const Pair& pair, WatchState state, std::string reason) {
    host_->decide(now, *owner_, pair.contact, pair.user, state, std::move(reason));
}

// ---- from the contact

void Incoming::handle_subscribed(proto::Now now, const Pair& pair) {
    const auto step = inbound(subscriptions_.state(pair), SubscriptionKind::subscribed);
    if (!step.pass) return;
    auto& copy = copy_of(pair);
    const bool parked = copy.wanted && begins_parked(pair, contacts_.at(pair.contact));
    subscriptions_.set_state(pair, step.next);
    set_parked(pair, copy, parked);
    copy.refused_until = {};
    if (copy.wanted) {
        decide(now, pair, copy.parked ? WatchState::pending : WatchState::active);
    } else {
        subscriptions_.set_idle(pair, now.wall);
    }
    if (!copy.known) set_due(pair, copy, now.steady + limits::xmpp_first_copy_wait);
    host_->step(now, "xmpp.subscribed", pair.contact, "");
}

void Incoming::handle_unsubscribed(proto::Now now, const Pair& pair) {
    const auto step = inbound(subscriptions_.state(pair), SubscriptionKind::unsubscribed);
    if (!step.pass) return;
    subscriptions_.set_state(pair, step.next);
    refused(now, pair, "rejected");
}

void Incoming::refused(proto::Now now, const Pair& pair, std::string reason) {
    auto& copy = copy_of(pair);
    set_due(pair, copy, proto::never);
    const bool was_wanted = copy.wanted;
    copy = Copy{};
    set_parked(pair, copy, false);
    copy.wanted = was_wanted;
    copy.refused_until = now.steady + limits::xmpp_ask_again;
    refusals_.emplace_back(copy.refused_until, pair);
    if (was_wanted) decide(now, pair, WatchState::terminated, std::move(reason));
    host_->step(now, "xmpp.unsubscribed", pair.contact, "");
    reconcile(now, pair.contact);
    forget_refusals(now);
}

/// A refusal is remembered while it stands, whether or not anybody still asks; the oldest go first when they are many.
void Incoming::forget_refusals(proto::Now now) {
    while (!refusals_.empty() && (refusals_.front().first <= now.steady || refusals_.size() > limits::xmpp_pairs)) {
        const auto [until, pair] = std::move(refusals_.front());
        refusals_.pop_front();
        const auto contact = contacts_.find(pair.contact);
        if (contact == contacts_.end()) continue;
        const auto copy = contact->second.copies.find(pair.user);
        if (copy == contact->second.copies.end() || copy->second.refused_until != until) continue;
        copy->second.refused_until = {};
        if (!copy->second.wanted && !subscriptions_.find(pair)) erase(pair);
    }
}

void Incoming::handle_presence(proto::Now now, const Pair& pair, const Element& stanza) {
    if (!has_to(subscriptions_.state(pair))) return host_->count("xmpp_dropped", "presence_without_subscription");
    if (!follows(pair)) return;
    auto& copy = copy_of(pair);
    if (!take(pair, copy, stanza)) return;
    copy.known = true;
    copy.changed = ++arrivals_;
    if (copy.asked) {
        copy.answered = true;
        copy.confirmed.emplace(cut_jid(stanza.get("from")).resource);
    } else {
        set_due(pair, copy, proto::never);
    }
    reconcile(now, pair.contact);
}

/// News of one resource, where nothing was had or asked of the others, is not all there is: who wants it has it asked.
bool Incoming::follows(const Pair& pair) const {
    const auto contact = contacts_.find(pair.contact);
    if (contact == contacts_.end()) return false;
    const auto copy = contact->second.copies.find(pair.user);
    if (copy == contact->second.copies.end()) return false;
    return copy->second.known || copy->second.asked || copy->second.due != proto::never;
}

bool Incoming::take(const Pair& pair, Copy& copy, const Element& stanza) {
    const std::string resource(cut_jid(stanza.get("from")).resource);
    const bool unavailable = stanza.get("type") == "unavailable";
    auto service = service_of(stanza);
    if (!service) {
        host_->count("xmpp_dropped", proto::to_string(service.error().reason));
        return false;
    }
    auto& content = copy.content;
    if (!unavailable && !content.open.contains(resource) && content.open.size() >= limits::xmpp_resources) {
        host_->count("xmpp_dropped", "resources");
        return false;
    }
    auto& recent = contacts_.at(pair.contact).recent[resource];
    if (!recent || *recent != *service) recent = std::make_shared<const proto::Service>(std::move(*service));
    if (!unavailable) {
        content.open[resource] = recent;
        content.last.reset();
        return true;
    }
    // Said once more without the words: they stand.
    const bool repeated = resource.empty() && recent->notes.empty() && content.open.empty() && content.last;
    resource.empty() ? content.open.clear() : static_cast<void>(content.open.erase(resource));
    if (content.open.empty() && !repeated) content.last = recent;
    auto& shared = contacts_.at(pair.contact).recent;
    while (shared.size() > 2 * limits::xmpp_resources) shared.erase(shared.begin());
    return true;
}

void Incoming::handle_error(proto::Now now, const Pair& pair, const Element& stanza) {
    if (!subscriptions_.find(pair)) return;
    const auto condition = error_condition(stanza);
    host_->count("xmpp_errors", condition);
    const auto state = subscriptions_.state(pair);
    if (!has_pending_out(state) && !has_to(state)) return;
    const bool gone = condition == "item-not-found" || condition == "gone";
    const bool refusal = condition == "forbidden" || condition == "not-allowed" || condition == "not-authorized" ||
                         condition == "not-acceptable" || condition == "jid-malformed" ||
                         condition == "policy-violation" || condition == "registration-required" ||
                         condition == "subscription-required";
    // A refusal to a probe says nothing about the subscription. RFC 7247 section 7 names the others as passing.
    if (!gone && !(refusal && has_pending_out(state))) return;
    subscriptions_.set_state(pair, inbound(state, SubscriptionKind::unsubscribed).next);
    refused(now, pair, gone ? "noresource" : "rejected");
}

// ---- probes

void Incoming::stream_up(std::size_t component) {
    up_since_[component] = arrivals_;
}

void Incoming::resync(proto::Now now, const Pair& pair) {
    const auto* entry = subscriptions_.find(pair);
    if (!entry) return;
    if (has_pending_out(entry->state)) wire_.send(now, pair.user, pair.contact.jid(), "subscribe");
    if (!has_to(entry->state)) return;
    auto& copy = copy_of(pair);
    copy.tries = 0;
    if (copy.wanted || copy.known) probe(now, pair, copy);
}

/// Of who took its approval back while the stream was away a server may say as little as of who is offline (ejabberd).
/// `subscribe` is answered by the server itself where the approval stands, and else by the contact, who is asked anew.
void Incoming::probe(proto::Now now, const Pair& pair, Copy& copy) {
    ++copy.tries;
    const bool silent = copy.tries == limits::xmpp_probe_tries;
    copy.asked = wire_.send(now, pair.user, pair.contact.jid(), silent ? "subscribe" : "probe");
    copy.answered = false;
    copy.confirmed.clear();
    set_due(pair, copy, copy.asked ? now.steady + limits::xmpp_answer_wait * copy.tries : proto::never);
}

void Incoming::close_probe(proto::Now now, const Pair& pair, Copy& copy) {
    set_due(pair, copy, proto::never);
    if (!has_to(subscriptions_.state(pair)) || !wire_.up(pair.user)) {
        copy.asked = false;
        return;
    }
    if (!copy.asked || (!copy.answered && copy.tries < limits::xmpp_probe_tries)) return probe(now, pair, copy);
    if (copy.answered) {
        std::erase_if(copy.content.open, [&](const auto& item) { return !copy.confirmed.contains(item.first); });
    } else {
        copy.content.open.clear();
    }
    if (copy.content.open.empty() && !copy.content.last) copy.content.last = offline(contacts_.at(pair.contact));
    copy.asked = false;
    copy.known = true;
    copy.tries = 0;
    copy.changed = ++arrivals_;
    reconcile(now, pair.contact);
}

/// Nobody is there: a closed service, since a known offline is not the same as nothing known.
Incoming::ServicePtr Incoming::offline(Contact& contact) {
    proto::Service offline;
    offline.basic = proto::Basic::closed;
    auto& recent = contact.recent[""];
    if (!recent || *recent != offline) recent = std::make_shared<const proto::Service>(std::move(offline));
    return recent;
}

void Incoming::forget(proto::Now now, const Pair& pair) {
    const auto found = contacts_.find(pair.contact);
    if (found == contacts_.end() || !found->second.copies.contains(pair.user)) {
        // Nobody has asked since the start; what an earlier run published is no news either.
        if (found == contacts_.end() && has_to(subscriptions_.state(pair))) {
            Contact nothing;
            withdraw(now, pair.contact, nothing);
        }
        return;
    }
    auto& copy = found->second.copies.at(pair.user);
    copy.known = copy.asked = false;
    copy.content = {};
    set_due(pair, copy, proto::never);
    if (!first_voter(pair.contact, found->second)) withdraw(now, pair.contact, found->second);
    reconcile(now, pair.contact);
}

bool Incoming::is_over(proto::Now now, const SubscriptionEntry& entry) const {
    if (!entry.idle_since) return false;
    const auto linger = has_to(entry.state)
                            ? proto::Duration(settings_.linger)
                            : std::min<proto::Duration>(settings_.linger, limits::xmpp_unanswered_linger);
    return now.wall - *entry.idle_since >= linger;
}

bool Incoming::sweep(proto::Now now) {
    std::vector<Pair> over;
    std::vector<Pair> unused;
    for (const auto& [pair, entry] : subscriptions_.all()) {
        if (!has_to(entry.state) && !has_pending_out(entry.state)) continue;
        const auto contact = contacts_.find(pair.contact);
        const bool wanted = contact != contacts_.end() && contact->second.copies.contains(pair.user) &&
                            contact->second.copies.at(pair.user).wanted;
        if (!wanted && !entry.idle_since) unused.push_back(pair);
        if (over.size() < limits::xmpp_swept_at_once && is_over(now, entry) && wire_.up(pair.user))
            over.push_back(pair);
    }
    for (const auto& pair : unused) subscriptions_.set_idle(pair, now.wall);
    for (const auto& pair : over) {
        const auto step = outbound(subscriptions_.state(pair), SubscriptionKind::unsubscribe);
        if (!wire_.send(now, pair.user, pair.contact.jid(), "unsubscribe")) continue;
        subscriptions_.set_state(pair, step.next);
        erase(pair);
    }
    forget_refusals(now);
    return over.size() == limits::xmpp_swept_at_once;
}

// ---- many copies, one document

bool Incoming::waits(const Pair& pair, const Copy& copy) const {
    return copy.wanted && has_to(subscriptions_.state(pair));
}

bool Incoming::votes(const Pair& pair, const Copy& copy) const {
    return copy.known && waits(pair, copy);
}

/// Heard or confirmed on the stream that is up now?
bool Incoming::is_fresh(const Pair& pair, const Copy& copy) const {
    const auto address = wire_.addresses().of_user(pair.user);
    if (!address || !wire_.up(address->component)) return false;
    const auto since = up_since_.find(address->component);
    return since != up_since_.end() && copy.changed > since->second;
}

Incoming::Copy* Incoming::first_voter(const proto::PresentityUri& name, Contact& contact) {
    Copy* parked = nullptr;
    for (auto& [user, copy] : contact.copies) {
        if (!votes({name, user}, copy)) continue;
        if (!copy.parked) return &copy;
        if (!parked) parked = &copy;
    }
    return parked;
}

/// Does everybody who is not parked hold `content`? Looks first where it found a difference last: a broadcast to many
/// is then looked through about once, not once per copy.
bool Incoming::agree(const proto::PresentityUri& name, Contact& contact, const Content& content) {
    const auto differs = [&](const auto& item) {
        return votes({name, item.first}, item.second) && !item.second.parked && item.second.content != content;
    };
    const auto start = contact.copies.lower_bound(contact.differs);
    auto found = std::find_if(start, contact.copies.end(), differs);
    if (found == contact.copies.end()) {
        found = std::find_if(contact.copies.begin(), start, differs);
        if (found == start) return true;
    }
    contact.differs = found->first;
    return false;
}

/// Nobody is let in whose own copy is still to come?
bool Incoming::all_known(const proto::PresentityUri& name, const Contact& contact) const {
    return std::none_of(contact.copies.begin(), contact.copies.end(), [&](const auto& item) {
        return !item.second.known && !item.second.parked && waits({name, item.first}, item.second);
    });
}

void Incoming::reconcile(proto::Now now, const proto::PresentityUri& name) {
    const auto found = contacts_.find(name);
    if (found == contacts_.end()) return;
    auto& contact = found->second;
    const auto* voter = first_voter(name, contact);
    if (!voter) {
        contact.settle = proto::never;
        if (all_known(name, contact)) withdraw(now, name, contact);
    } else if (!voter->parked && !agree(name, contact, voter->content)) {
        if (contact.awaiting > 0) {
            contact.settle = proto::never;
        } else if (contact.settle == proto::never) {
            contact.settle = now.steady + limits::xmpp_differ_wait;
        }
    } else if (!all_known(name, contact)) {
        if (contact.settle == proto::never) contact.settle = now.steady + limits::xmpp_answer_wait;
    } else if (voter->parked) {
        settle(now, name, contact);
    } else {
        show(now, name, contact, voter->content);
        // Those who are still parked may be the many by now.
        const bool parked = std::any_of(contact.copies.begin(), contact.copies.end(), [&](const auto& item) {
            return item.second.parked && votes({name, item.first}, item.second);
        });
        if (!parked) {
            contact.settle = proto::never;
        } else if (contact.settle == proto::never) {
            contact.settle = now.steady + limits::xmpp_differ_wait;
        }
    }
    plan(name, contact);
}

/// Copies still differ: what most hold is the broadcast; whose stream is away, or has not been asked again since, holds
/// what was. Among equals, what shows the contact as there (whom it has blocked it shows itself gone to); then what is
/// shown already; then what was there first.
void Incoming::settle(proto::Now now, const proto::PresentityUri& name, Contact& contact) {
    contact.settle = proto::never;
    struct Group {
        const Content* content;
        std::size_t fresh = 0;
        std::size_t size = 0;
        bool shown = false;
        std::uint64_t newest = 0;
    };
    std::vector<Group> groups;
    for (const auto& [user, copy] : contact.copies) {
        if (!votes({name, user}, copy)) continue;
        const Content& held = copy.content;  // a structured binding cannot be captured
        auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return *g.content == held; });
        if (group == groups.end()) group = groups.insert(groups.end(), Group{&held});
        ++group->size;
        if (is_fresh({name, user}, copy)) ++group->fresh;
        group->shown = group->shown || !copy.parked;
        group->newest = std::max(group->newest, copy.changed);
    }
    if (groups.empty()) return;
    const auto rank = [](const Group& g) { return std::tuple(g.fresh, g.size, !g.content->open.empty(), g.shown); };
    const auto broadcast = *std::max_element(groups.begin(), groups.end(), [&](const auto& a, const auto& b) {
        return rank(a) != rank(b) ? rank(a) < rank(b) : a.newest > b.newest;
    });
    const auto content = *broadcast.content;
    park(now, name, contact, content);
    show(now, name, contact, content);
}

/// Those who do not hold `content` wait until they do.
void Incoming::park(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content) {
    for (auto& [user, copy] : contact.copies) {
        if (!waits({name, user}, copy) || copy.parked || (copy.known && copy.content == content)) continue;
        set_parked({name, user}, copy, true);
        decide(now, {name, user}, WatchState::pending);
        host_->count("xmpp_parked", copy.known ? "copies_differ" : "copy_unknown");
    }
}

/// Everybody who is let in holds `content`; it is published, and those parked who hold it are let in too.
void Incoming::show(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content) {
    if (!publish(now, name, contact, content)) return;
    for (auto& [user, copy] : contact.copies) {
        if (!copy.parked || !votes({name, user}, copy) || copy.content != content) continue;
        set_parked({name, user}, copy, false);
        decide(now, {name, user}, WatchState::active);
    }
}

/// What was said to all who are told that the contact is offline; what was said to some of them stays with these.
Incoming::ServicePtr Incoming::last_words(const proto::PresentityUri& name, Contact& contact,
                                          const Content& content) const {
    const bool shared = std::all_of(contact.copies.begin(), contact.copies.end(), [&](const auto& item) {
        return !votes({name, item.first}, item.second) || item.second.content != content ||
               same(item.second.content.last, content.last);
    });
    return shared ? content.last : offline(contact);
}

/// Resources that are too large together cost their extensions, then their notes, not the news of who is there.
proto::Result<proto::DocumentPtr> Incoming::document_of(proto::Presence presence) const {
    auto document = proto::Document::make(presence);
    const auto without = [&](auto field, std::string_view name) {
        auto& services = presence.services;
        const bool any = std::any_of(services.begin(), services.end(), [&](auto& s) { return !(s.*field).empty(); });
        if (document || document.error().reason != proto::Reason::too_large || !any) return;
        host_->count("xmpp_dropped", name);
        for (auto& service : services) (service.*field).clear();
        document = proto::Document::make(presence);
    };
    without(&proto::Service::extensions, "extensions");
    without(&proto::Service::notes, "notes");
    return document;
}

bool Incoming::publish(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content) {
    proto::Presence presence;
    for (const auto& [resource, service] : content.open) presence.services.push_back(*service);
    if (presence.services.empty() && content.last) presence.services.push_back(*last_words(name, contact, content));
    const auto document = document_of(std::move(presence));
    if (!document) {
        host_->count("xmpp_dropped", proto::to_string(document.error().reason));
        return false;
    }
    if (contact.published == (*document)->digest && now.steady < contact.refresh) return true;
    const auto lifetime = limits::publication_max_expires;
    const auto set = host_->set_publication(now, *owner_, name, *document, lifetime);
    if (!set) {
        host_->count("xmpp_refused", proto::to_string(set.error().reason));
        return false;
    }
    inherited_.erase(name);
    contact.published = (*document)->digest;
    contact.refresh = now.steady + lifetime / 2;
    host_->step(now, "xmpp.publish", name, "");
    return true;
}

void Incoming::withdraw(proto::Now now, const proto::PresentityUri& name, Contact& contact) {
    inherited_.erase(name);
    contact.published.reset();
    contact.refresh = proto::never;
    // Nothing published is no fault here: an earlier run may have left something, or not.
    static_cast<void>(host_->set_publication(now, *owner_, name, nullptr, std::chrono::seconds{0}));
}

void Incoming::erase(const Pair& pair) {
    const auto found = contacts_.find(pair.contact);
    if (found == contacts_.end()) return;
    auto& contact = found->second;
    if (const auto copy = contact.copies.find(pair.user); copy != contact.copies.end()) {
        set_due(pair, copy->second, proto::never);
        contact.copies.erase(copy);
    }
    if (contact.copies.empty() && !contact.published) {
        if (contact.due != proto::never) contact_due_.erase({contact.due, pair.contact});
        contacts_.erase(found);
    }
}

// ---- time

void Incoming::set_due(const Pair& pair, Copy& copy, proto::SteadyTime due) {
    if (copy.due == due) return;
    auto& contact = contacts_.at(pair.contact);
    if (copy.due != proto::never) {
        copy_due_.erase({copy.due, pair});
        --contact.awaiting;
    }
    copy.due = due;
    if (due != proto::never) {
        copy_due_.insert({due, pair});
        ++contact.awaiting;
    }
}

void Incoming::plan(const proto::PresentityUri& name, Contact& contact) {
    const auto due = std::min(contact.settle, contact.refresh);
    if (due == contact.due) return;
    if (contact.due != proto::never) contact_due_.erase({contact.due, name});
    contact.due = due;
    if (due != proto::never) contact_due_.insert({due, name});
}

void Incoming::handle_timeout(proto::Now now) {
    while (!copy_due_.empty() && copy_due_.begin()->first <= now.steady) {
        const auto pair = copy_due_.begin()->second;
        close_probe(now, pair, contacts_.at(pair.contact).copies.at(pair.user));
    }
    while (!contact_due_.empty() && contact_due_.begin()->first <= now.steady) {
        const auto name = contact_due_.begin()->second;
        auto& contact = contacts_.at(name);
        if (contact.settle <= now.steady) {
            settle(now, name, contact);
        } else {
            reconcile(now, name);
        }
        // A refresh that could not be given is tried again with the next change, not in a loop.
        if (contact.refresh <= now.steady) contact.refresh = now.steady + std::chrono::minutes{10};
        plan(name, contact);
    }
}

proto::SteadyTime Incoming::next_timeout() const {
    auto next = proto::never;
    if (!copy_due_.empty()) next = copy_due_.begin()->first;
    if (!contact_due_.empty()) next = std::min(next, contact_due_.begin()->first);
    return next;
}

}  // namespace presmesh::translators::xmpp
