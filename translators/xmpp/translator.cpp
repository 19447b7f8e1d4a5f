#include "translators/xmpp/translator.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace presmesh::translators::xmpp {

namespace {

using namespace std::chrono_literals;

constexpr proto::Duration resync_every = 50ms;  // a batch of XmppSettings::probes_per_second
/// After an end that the server may not have seen: by the last it has given up what nobody reads (tcp(7), 15 min).
constexpr std::array<proto::Duration, 3> resync_again{20min, 5min, 1min};
/// There while the streams of this run, or of one that was cut off with its machine, may be open at the server.
constexpr std::string_view running_row = "running";
constexpr proto::Duration sweep_every = 1h;
constexpr proto::Duration sweep_more = 1min;

/// Not by the server, as far as we can tell: it may hold the stream to be there.
bool ended_by_network(std::string_view reason) {
    return reason == "connection-reset" || reason == "connection-failed" || reason == "ping-timeout";
}

}  // namespace

XmppTranslator::XmppTranslator(XmppSettings settings, proto::Random& random)
    : settings_(std::move(settings)),
      name_("xmpp." + settings_.domain),
      wire_(settings_, random),
      outgoing_(wire_, subscriptions_, random),
      incoming_(settings_, wire_, subscriptions_),
      links_(settings_.components.size()) {
    for (const auto& component : settings_.components)
        link_status_.push_back({name_ + "/" + component.name, LinkState::untried, {}, {}});
}

XmppTranslator::~XmppTranslator() = default;

// ---- the shell's

void XmppTranslator::connecting(proto::Now now, std::size_t i) {
    wire_.components()[i]->connecting(now);
}

void XmppTranslator::connected(proto::Now now, std::size_t i) {
    wire_.components()[i]->connected(now);
}

void XmppTranslator::disconnected(proto::Now now, std::size_t i, std::string_view reason) {
    wire_.components()[i]->disconnected(now, reason);
    drain(now, i);
}

void XmppTranslator::handle_input(proto::Now now, std::size_t i, proto::BytesView bytes) {
    wire_.components()[i]->handle_input(now, bytes);
    drain(now, i);
}

std::optional<std::string> XmppTranslator::poll_output(std::size_t i) {
    return wire_.components()[i]->poll_output();
}

void XmppTranslator::drain(proto::Now now, std::size_t i) {
    while (auto event = wire_.components()[i]->poll_event()) {
        if (std::holds_alternative<ComponentUp>(*event)) {
            came_up(now, i);
        } else if (const auto* down = std::get_if<ComponentDown>(&*event)) {
            went_down(now, i, *down);
        } else if (const auto* oversize = std::get_if<OversizeStanza>(&*event)) {
            handle_oversize(now, i, oversize->head);
        } else {
            handle_stanza(now, i, std::get<Element>(*event));
        }
    }
}

void XmppTranslator::came_up(proto::Now now, std::size_t i) {
    host_->count("xmpp_streams", "up");
    link_status_[i].set(now, LinkState::up);
    links_[i].hold_until = proto::never;
    if (std::exchange(links_[i].doubted, false)) {
        for (const auto after : resync_again) links_[i].again.push_back(now.steady + after);
    }
    incoming_.stream_up(i);
    resync_all(now, i);
}

void XmppTranslator::resync_all(proto::Now now, std::size_t i) {
    links_[i].to_resync = pairs_of(i);
    if (!links_[i].to_resync.empty()) resync_at_ = std::min(resync_at_, now.steady);
}

void XmppTranslator::went_down(proto::Now now, std::size_t i, const ComponentDown& down) {
    host_->count("xmpp_streams", down.reason);
    if (stream(i).state() != ComponentState::stopped) link_status_[i].set(now, LinkState::down, down.reason);
    auto& link = links_[i];
    link.to_resync.clear();
    link.doubted = link.doubted || !link.again.empty() || (down.was_up && ended_by_network(down.reason));
    link.again.clear();
    if (down.was_up) link.hold_until = now.steady + settings_.outage_hold;
}

std::set<Pair> XmppTranslator::pairs_of(std::size_t i) const {
    std::set<Pair> pairs;
    for (const auto& [pair, entry] : subscriptions_.all()) pairs.insert(pairs.end(), pair);
    outgoing_.add_ended(pairs);
    std::erase_if(pairs, [&](const Pair& pair) {
        const auto address = wire_.addresses().of_user(pair.user);
        return !address || address->component != i;
    });
    return pairs;
}

void XmppTranslator::resync_some(proto::Now now) {
    auto left = std::max<std::size_t>(1, settings_.probes_per_second * resync_every / 1s);
    bool more = false;
    for (auto& link : links_) {
        for (; left > 0 && !link.to_resync.empty(); --left) {
            const auto pair = link.to_resync.extract(link.to_resync.begin()).value();
            outgoing_.resync(now, pair);
            incoming_.resync(now, pair);
        }
        more = more || !link.to_resync.empty();
    }
    resync_at_ = more ? now.steady + resync_every : proto::never;
}

// ---- stanzas

void XmppTranslator::handle_stanza(proto::Now now, std::size_t i, const Element& stanza) {
    const bool known =
        stanza.ns == ns_client && (stanza.name == "presence" || stanza.name == "iq" || stanza.name == "message");
    if (!known) return host_->count("xmpp_dropped", "unsupported_stanza");
    host_->count("xmpp_received", stanza.name);
    if (!permitted(now, i, stanza)) return;
    if (stanza.name == "presence") return handle_presence(now, i, stanza);
    const auto answer = stanza.name == "iq" ? answer_iq(stanza, target_of(i, stanza)) : answer_message(stanza);
    if (answer) wire_.send_raw(now, i, *answer);
}

/// One user's stanza over our bounds is that user's mistake: it is told so, and the stream, which is everyone's, goes
/// on.
void XmppTranslator::handle_oversize(proto::Now now, std::size_t i, const Element& head) {
    host_->count("xmpp_dropped", proto::to_string(proto::Reason::too_large));
    const bool known = head.name == "presence" || head.name == "iq" || head.name == "message";
    if (!known || head.ns != ns_client || !permitted(now, i, head)) return;
    const auto type = head.get("type");
    if (type != "error" && type != "result") wire_.send_raw(now, i, error_reply(head, "modify", "policy-violation"));
}

/// XEP-0114 trusts a component with its whole domain, and the server with everything else: what comes is checked here.
/// Only the served domain and its users speak to us, and only to this component's host.
bool XmppTranslator::permitted(proto::Now now, std::size_t i, const Element& stanza) {
    const auto from = proto::canonical_domain(cut_jid(stanza.get("from")).domain);
    const auto to = proto::canonical_domain(cut_jid(stanza.get("to")).domain);
    if (!to || *to != stream(i).name()) {
        host_->count("xmpp_refused", "foreign_to");
        // A server that mixes its components' streams sends ours elsewhere too, and in no order.
        if (to) link_status_[i].set(now, LinkState::up, "foreign-stanzas");
        return false;
    }
    if (from && *from == settings_.domain) return true;
    host_->count("xmpp_refused", proto::to_string(proto::Reason::foreign_domain));
    const auto type = stanza.get("type");
    const bool request = stanza.name == "presence" ? type == "subscribe" : type != "error" && type != "result";
    if (from && request) wire_.send_raw(now, i, error_reply(stanza, "cancel", "not-allowed"));
    return false;
}

Target XmppTranslator::target_of(std::size_t i, const Element& stanza) const {
    const auto parts = cut_jid(stanza.get("to"));
    if (parts.local.empty()) return Target::host;
    if (!wire_.addresses().user_at(i, stanza.get("to"))) return Target::nobody;
    return parts.resource.empty() ? Target::user : Target::resource;
}

void XmppTranslator::handle_presence(proto::Now now, std::size_t i, const Element& stanza) {
    const auto contact = wire_.addresses().contact(stanza.get("from"));
    const auto user = wire_.addresses().user_at(i, stanza.get("to"));
    if (contact && user) return dispatch(now, i, Pair{*contact, *user}, stanza);
    host_->count("xmpp_dropped", contact ? "no_such_user" : "no_contact");
    if (stanza.get("type") != "subscribe") return;
    const bool host = cut_jid(stanza.get("to")).local.empty();
    wire_.send_raw(now, i, error_reply(stanza, host ? "cancel" : "modify", host ? "item-not-found" : "jid-malformed"));
}

void XmppTranslator::dispatch(proto::Now now, std::size_t i, const Pair& pair, const Element& stanza) {
    const auto type = stanza.get("type");
    if (type.empty() || type == "unavailable") return incoming_.handle_presence(now, pair, stanza);
    if (type == "probe") return outgoing_.handle_probe(now, pair, stanza);
    if (type == "error") return incoming_.handle_error(now, pair, stanza);
    const auto kind = subscription_kind(type);
    if (!kind) {
        host_->count("xmpp_dropped", "presence_type");
        wire_.send_raw(now, i, error_reply(stanza, "modify", "bad-request"));
        return;
    }
    switch (*kind) {
        case SubscriptionKind::subscribe:
            return outgoing_.handle_subscribe(now, pair, stanza, i);
        case SubscriptionKind::unsubscribe:
            return outgoing_.handle_unsubscribe(now, pair);
        case SubscriptionKind::subscribed:
            return incoming_.handle_subscribed(now, pair);
        case SubscriptionKind::unsubscribed:
            return incoming_.handle_unsubscribed(now, pair);
    }
}

// ---- Translator

void XmppTranslator::start(proto::Now now, Host& host) {
    host_ = &host;
    wire_.set_host(host);
    subscriptions_.start(host, *this);
    outgoing_.start(now, host, *this);
    incoming_.start(now, host, *this);
    const auto rows = host.load(*this);
    const bool cut_off = std::ranges::any_of(rows, [](const auto& row) { return row.first == running_row; });
    if (!cut_off) host.save(*this, running_row, proto::as_bytes("1"));
    for (auto& link : links_) {
        link.hold_until = now.steady + settings_.outage_hold;
        link.doubted = cut_off;
    }
    for (auto& link : link_status_) link.since = now.wall;
    sweep_at_ = now.steady + sweep_every;
    for (auto& component : wire_.components()) component->start(now);
}

void XmppTranslator::stop(proto::Now now) {
    outgoing_.stop(now);
    for (auto& component : wire_.components()) component->stop(now);
    const auto in_doubt = [](const Link& link) { return link.doubted || !link.again.empty(); };
    if (std::ranges::none_of(links_, in_doubt)) host_->erase(*this, running_row);
}

void XmppTranslator::view_changed(proto::Now now, WatchId watch, const View& view) {
    outgoing_.view_changed(now, watch, view);
}

bool XmppTranslator::attends(const proto::PresentityUri& presentity) const {
    return presentity.domain() == settings_.domain;
}

void XmppTranslator::wanted(proto::Now now, const proto::PresentityUri& presentity,
                            const proto::PresentityUri& watcher) {
    // The server's own users are served by the server.
    if (!attends(presentity) || attends(watcher)) return;
    incoming_.wanted(now, {presentity, watcher});
}

void XmppTranslator::unwanted(proto::Now now, const proto::PresentityUri& presentity,
                              const proto::PresentityUri& watcher) {
    incoming_.unwanted(now, {presentity, watcher});
}

void XmppTranslator::handle_timeout(proto::Now now) {
    for (std::size_t i = 0; i < streams(); ++i) {
        wire_.components()[i]->handle_timeout(now);
        drain(now, i);
        if (links_[i].hold_until > now.steady) continue;
        links_[i].hold_until = proto::never;
        for (const auto& pair : pairs_of(i)) incoming_.forget(now, pair);
    }
    for (std::size_t i = 0; i < streams(); ++i) {
        auto& again = links_[i].again;
        if (again.empty() || again.back() > now.steady) continue;
        again.pop_back();
        resync_all(now, i);
    }
    if (resync_at_ <= now.steady) resync_some(now);
    outgoing_.handle_timeout(now);
    incoming_.handle_timeout(now);
    if (sweep_at_ <= now.steady) {
        sweep_at_ = now.steady + (incoming_.sweep(now) ? sweep_more : sweep_every);
    }
}

proto::SteadyTime XmppTranslator::next_timeout() const {
    auto next = std::min({outgoing_.next_timeout(), incoming_.next_timeout(), resync_at_, sweep_at_});
    for (const auto& component : wire_.components()) next = std::min(next, component->next_timeout());
    for (const auto& link : links_) {
        next = std::min(next, link.hold_until);
        if (!link.again.empty()) next = std::min(next, link.again.back());
    }
    return next;
}

std::size_t XmppTranslator::queued_bytes(std::size_t stream) const {
    return wire_.components()[stream]->queued_bytes();
}

}  // namespace presmesh::translators::xmpp
