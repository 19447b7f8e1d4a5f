// The notifier's other half: what a NOTIFY says, and what is kept over a restart.
#include <string>

#include "proto/limits.hpp"
#include "translators/sip/notifier.hpp"
#include "translators/sip/pidf.hpp"

namespace presmesh::translators::sip {
namespace {

/// How many CSeq numbers one save reserves: a crash skips at most these, which RFC 3261 section 12.2.2 allows.
constexpr std::uint32_t reserved_cseq = 256;
/// A restored subscription's first states come in one by one while the node finds its peers again; until one is known,
/// or this has passed, the watcher is left with what it was shown.
constexpr auto settle_time = std::chrono::seconds{10};

/// Pending too: nobody who may be asked is there (RFC 6665 section 4.2.2 leaves open what a pending NOTIFY holds).
bool is_unknown(const View& view) {
    return view.state != WatchState::active || !view.document || view.liveness == Liveness::unknown;
}

/// For a watcher that has been shown a state: no tuple, so neither online nor offline, and a note for people.
proto::Presence unknown_presence() {
    proto::Presence presence;
    presence.notes.push_back({"en", "presence unknown"});
    return presence;
}

}  // namespace

/// Nobody has to allow a user its own watcher information.
View Notifier::view_of(const Subscription& subscription) const {
    if (subscription.kept.package == Package::presence)
        return subscription.watch != 0 ? host_->view(subscription.watch) : View{};
    View view;
    const bool serves = host_->serves(subscription.kept.presentity);
    view.state = serves ? WatchState::active : WatchState::terminated;
    if (!serves) view.reason = "noresource";
    return view;
}

void Notifier::send(proto::Now now, Id id, Subscription& subscription) {
    const auto view = view_of(subscription);
    if (view.state == WatchState::terminated) {
        subscription.ending = view.reason.empty() ? "rejected" : view.reason;
        subscription.deadline = proto::never;
    }
    if (!goes_on(id, subscription) && subscription.tokens >= 1) subscription.tokens -= 1;
    auto request = compose(now, id, subscription, view);
    const bool more = goes_on(id, subscription);
    subscription.closing = !subscription.ending.empty();
    subscription.last_sent = subscription.closing && !more;
    subscription.due = more || winfo_.owes(id);
    subscription.urgent = more && (subscription.withheld || subscription.closing);
    subscription.moved = false;
    subscription.has_shown = true;
    subscription.sent_at = now.steady;
    subscription.shown_state = view.state;
    subscription.shown_liveness = view.liveness;
    subscription.shown = view.document;
    const bool first_body = request.body && !subscription.kept.body_sent;
    subscription.kept.body_sent |= request.body != nullptr;
    if (!subscription.closing && (first_body || subscription.kept.dialog.local_cseq > subscription.saved_cseq))
        save(now, subscription);
    // Of one that ends, and of one saved in this turn, with its CSeq perhaps, the watcher hears when that is committed.
    const bool rests_on_turn = subscription.closing || subscription.saved_at == now.steady;
    subscription.under_way = rests_on_turn ? outbox_.send(std::move(request)) : outbox_.tell(std::move(request));
    host_->step(now, "sip.notify", subscription.kept.presentity,
                subscription.last_sent ? "last" : to_string(view.state));
    by_transaction_[subscription.under_way] = id;
}

Request Notifier::compose(proto::Now now, Id id, Subscription& subscription, const View& view) {
    auto request = next_request(subscription.kept.dialog, Method::notify);
    request.event = event_of(subscription.kept.package);
    if (!subscription.kept.event_id.empty()) request.event += ";id=" + subscription.kept.event_id;
    put_body(now, id, subscription, view, request);
    const bool ends = !subscription.ending.empty();
    if (ends && !goes_on(id, subscription)) {
        request.subscription_state = "terminated;reason=" + subscription.ending;
    } else {
        const auto deadline = ends ? now.steady + proto::limits::sip_last_parts : subscription.deadline;
        const auto left = std::chrono::ceil<std::chrono::seconds>(deadline - now.steady).count();
        request.subscription_state = std::string(to_string(view.state)) +
                                     ";expires=" + std::to_string(std::max<std::int64_t>(left, 0)) +
                                     subscription.kept.rate.reflected(repeat_floor(subscription.kept));
    }
    return request;
}

void Notifier::put_body(proto::Now now, Id id, Subscription& subscription, const View& view, Request& request) {
    namespace limits = proto::limits;
    subscription.withheld = false;
    if (view.state == WatchState::terminated) return winfo_.begin_again(id);  // what is left of a list is not told
    const bool tcp = names_tcp(hop_of(request));
    const auto headers = header_bytes(request) + 2 * settings_.advertised.size();
    const auto room = limits::sip_udp_message_bytes - std::min(headers, limits::sip_udp_message_bytes);
    if (subscription.kept.package == Package::winfo) {
        // A document for every NOTIFY: its CSeq numbers them too, and goes on rising over a restart.
        request.body = winfo_.write(now.wall, id, request.cseq - 1, tcp ? limits::winfo_document_bytes : room);
    } else {
        request.body = body_for(subscription, view);
        subscription.withheld = request.body && request.body->size() > room && !tcp && !subscription.reads;
        if (subscription.withheld) request.body = nullptr;
    }
    if (request.body) request.content_type = media_type_of(subscription.kept.package);
}

Body Notifier::body_for(const Subscription& subscription, const View& view) {
    const auto& presentity = subscription.kept.presentity;
    if (is_unknown(view)) {
        if (!subscription.kept.body_sent) return nullptr;  // RFC 6665's neutral state
        return std::make_shared<const std::string>(write_pidf(presentity, unknown_presence()));
    }
    if (last_body_.document != view.document || last_body_.presentity != presentity)
        last_body_ = {presentity, view.document,
                      std::make_shared<const std::string>(write_pidf(presentity, view.document->presence()))};
    return last_body_.body;
}

void Notifier::save(proto::Now now, Subscription& subscription) {
    subscription.saved_at = now.steady;
    auto kept = subscription.kept;
    kept.dialog.local_cseq += reserved_cseq;
    kept.expires = std::chrono::time_point_cast<proto::Duration>(std::chrono::ceil<std::chrono::seconds>(kept.expires));
    subscription.saved_cseq = kept.dialog.local_cseq;
    host_->save(*owner_, kept.dialog.local.tag, kept.encode());
}

void Notifier::start(proto::Now now, Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
    winfo_.start(host, owner);
    for (const auto& [key, value] : host.load(owner)) restore(now, key, value);
}

void Notifier::restore(proto::Now now, const std::string& key, proto::BytesView value) {
    auto kept = SavedSubscription::decode(value);
    if (!kept || kept->dialog.local.tag != key) {
        host_->count("sip_restore_failures", kept ? "key" : std::string(proto::to_string(kept.error().reason)), 1);
        return host_->erase(*owner_, key);
    }
    const auto id = ++last_;
    const auto watch = follow(now, id, *kept);
    const auto left = kept->expires - now.wall;
    auto& subscription = add(now, id, std::move(*kept), watch.value_or(0));
    save(now, subscription);
    if (left <= proto::Duration::zero()) return end(now, id, "timeout");
    if (!watch) {  // the domain is no longer ours, or not in the federation any more
        host_->count("sip_restore_failures", to_string(watch.error().reason), 1);
        return end(now, id, watch.error().reason == proto::Reason::quota ? "giveup" : "noresource");
    }
    subscription.deadline = now.steady + left;
    subscription.due = true;
    subscription.reached = subscription.reads = true;  // more likely than not: it may have lasted for hours
    if (!view_of(subscription).document) subscription.not_before = now.steady + settle_time;
    pump(now, id);
}

}  // namespace presmesh::translators::sip
