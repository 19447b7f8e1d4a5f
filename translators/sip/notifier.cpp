#include "translators/sip/notifier.hpp"

#include "proto/limits.hpp"
#include "translators/sip/header_text.hpp"
#include "translators/sip/publications.hpp"

namespace presmesh::translators::sip {

namespace {

constexpr std::uint32_t default_expires = 3'600;  // RFC 3856 section 6.4, RFC 3857 section 4.4
constexpr std::uint32_t min_expires = 60;

/// None: we are not its notifier.
std::optional<Package> package_of(const Request& request, Mode mode) {
    if (is_presence(request)) return Package::presence;
    const auto event = read_parameterized(request.event);
    if (event && event->value == winfo_event && mode == Mode::serve) return Package::winfo;
    return std::nullopt;
}

bool takes(const Request& request, std::string_view document) {
    if (!request.accept) return true;  // RFC 3856 section 6.5, RFC 3857 section 4.5: the default of the package
    for (const auto& type : *request.accept)
        if (type == document || type == "application/*" || type == "*/*") return true;
    return false;
}

std::string event_id_of(const Request& request) {
    const auto event = read_parameterized(request.event);
    return event ? std::string(event->get("id")) : std::string();
}

proto::Result<AskedRate> rate_of(const Request& request) {
    const auto event = read_parameterized(request.event);
    return event ? AskedRate::read(*event) : AskedRate{};
}

/// RFC 6665 section 4.2.2: these end the dialog's subscription; anything else may be passing.
bool ends_subscription(int status) {
    constexpr std::array last_words{404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604};
    return std::find(last_words.begin(), last_words.end(), status) != last_words.end();
}

std::string new_tag(proto::Random& random) {
    std::array<std::uint8_t, 10> bytes{};
    random.fill(bytes);
    return proto::to_hex(bytes);
}

}  // namespace

Notifier::Notifier(const SipSettings& settings, proto::Random& random, Outbox& outbox)
    : settings_(settings), random_(random), outbox_(outbox) {}

void Notifier::handle_subscribe(proto::Now now, const Request& request) {
    const auto package = package_of(request, settings_.mode);
    if (!package) return outbox_.send(bad_event(request, settings_.mode));
    if (request.to.tag.empty()) return handle_initial(now, request, *package);
    const auto id = find(request, *package);
    if (id == 0) return outbox_.send(answer(request, 481, "Subscription Does Not Exist"));
    handle_refresh(now, request, id);
}

Notifier::Id Notifier::find(const Request& request, Package package) const {
    const auto found = by_tag_.find(request.to.tag);
    if (found == by_tag_.end()) return 0;
    const auto& subscription = subscriptions_.at(found->second);
    const auto& dialog = subscription.kept.dialog;
    const bool matches = dialog.call_id == request.call_id && dialog.remote.tag == request.from.tag &&
                         subscription.kept.package == package && subscription.kept.event_id == event_id_of(request);
    return matches && subscription.ending.empty() ? found->second : 0;
}

std::optional<Response> Notifier::refuse(const Request& request, Package package) const {
    if (!takes(request, media_type_of(package))) {
        auto response = answer(request, 406, "Not Acceptable");
        response.accept = media_type_of(package);
        return response;
    }
    if (request.expires && *request.expires != 0 && *request.expires < min_expires) {
        auto response = answer(request, 423, "Interval Too Brief");
        response.min_expires = min_expires;
        return response;
    }
    if (!rate_of(request)) return answer(request, 400, "Bad Request (max-rate or min-rate)");
    return std::nullopt;
}

std::uint32_t Notifier::grant(const Request& request) const {
    const auto most = std::max<std::int64_t>(settings_.max_expires.count(), min_expires);
    return static_cast<std::uint32_t>(std::min<std::int64_t>(request.expires.value_or(default_expires), most));
}

Response Notifier::accepted(const Request& request, const std::string& tag, std::uint32_t expires) const {
    auto response = answer(request, 200, "OK");
    response.to_tag = tag;
    response.expires = expires;
    response.with_contact = true;
    response.record_routes = request.routes;
    return response;
}

/// Who watches somebody is for nobody else to know, and a dialog is for nobody else to turn away to a Contact of
/// theirs. That the sender is who From says was proven as for a PUBLISH, or is believed as there.
bool Notifier::may_ask(const Request& request, const SavedSubscription& kept) const {
    const bool winfo = kept.package == Package::winfo;
    if (!winfo && !settings_.authenticate) return true;
    const auto sender = proto::PresentityUri::from_sip(request.from.uri);
    return sender && *sender == (winfo ? kept.presentity : kept.watcher);
}

void Notifier::handle_initial(proto::Now now, const Request& request, Package package) {
    if (auto refused = refuse(request, package)) return outbox_.send(std::move(*refused));
    auto presentity = proto::PresentityUri::from_sip(request.uri);
    if (!presentity) return outbox_.send(answer(request, 404, "Not Found"));
    auto watcher = proto::PresentityUri::from_sip(request.from.uri);
    if (!watcher || request.contact.empty() || request.from.tag.empty())
        return outbox_.send(answer(request, 400, "Bad Request (Contact or From)"));
    // What is the attached server's own is watched there, or its SUBSCRIBEs would come round to it again.
    if (settings_.mode == Mode::attach && host_->serves(*presentity))
        return outbox_.send(answer(request, 404, "Not Found (served by the attached server)"));

    SavedSubscription kept;
    kept.package = package;
    kept.watcher = std::move(*watcher);
    kept.presentity = std::move(*presentity);
    if (!may_ask(request, kept)) return outbox_.send(answer(request, 403, "Forbidden"));
    const auto id = ++last_;
    const auto watch = follow(now, id, kept);
    if (!watch) return outbox_.send(refusal(request, watch.error()));

    kept.dialog.call_id = request.call_id;
    kept.dialog.local = {request.to.uri, new_tag(random_)};
    kept.dialog.remote = request.from;
    kept.dialog.target = request.contact;
    kept.dialog.routes = request.routes;
    kept.dialog.remote_cseq = request.cseq;
    kept.event_id = event_id_of(request);
    kept.rate = *rate_of(request);
    open(now, request, id, kept, *watch);
}

/// From now on there is a view, or a list, for the subscription. The watch is 0 for watcher information.
proto::Result<WatchId> Notifier::follow(proto::Now now, Id id, const SavedSubscription& kept) {
    if (kept.package == Package::presence) return host_->watch(now, *owner_, kept.watcher, kept.presentity);
    return winfo_.add(id, kept.presentity).map([] { return WatchId{0}; });
}

void Notifier::open(proto::Now now, const Request& request, Id id, const SavedSubscription& kept, WatchId watch) {
    const auto expires = grant(request);
    auto& subscription = add(now, id, kept, watch);
    outbox_.send(accepted(request, kept.dialog.local.tag, expires));
    host_->step(now, "sip.subscribe", kept.presentity,
                "event=" + std::string(event_of(kept.package)) + " watcher=" + kept.watcher.pres());
    subscription.due = subscription.urgent = true;
    if (expires == 0) {
        subscription.fetch = true;
        subscription.ending = "timeout";
        winfo_.close(id);
        const auto view = view_of(subscription);
        if (kept.package == Package::presence && view.state != WatchState::terminated && !view.document)
            subscription.not_before = now.steady + settings_.fetch_wait;
    } else {
        subscription.deadline = now.steady + std::chrono::seconds{expires};
        subscription.kept.expires = now.wall + std::chrono::seconds{expires};
        save(now, subscription);
    }
    pump(now, id);
}

Notifier::Subscription& Notifier::add(proto::Now now, Id id, SavedSubscription kept, WatchId watch) {
    auto& subscription = subscriptions_[id];
    subscription.kept = std::move(kept);
    subscription.watch = watch;
    subscription.deadline = proto::never;
    subscription.not_before = now.steady;
    subscription.tokens = settings_.rate.burst;
    subscription.tokens_at = now.steady;
    by_tag_[subscription.kept.dialog.local.tag] = id;
    if (watch != 0) by_watch_[watch] = id;
    return subscription;
}

void Notifier::handle_refresh(proto::Now now, const Request& request, Id id) {
    auto& subscription = subscriptions_.at(id);
    auto& kept = subscription.kept;
    if (request.cseq <= kept.dialog.remote_cseq) return outbox_.send(answer(request, 500, "CSeq Out Of Order"));
    if (auto refused = refuse(request, kept.package)) return outbox_.send(std::move(*refused));
    if (!may_ask(request, kept)) return outbox_.send(answer(request, 403, "Forbidden"));
    kept.dialog.remote_cseq = request.cseq;
    kept.rate = *rate_of(request);  // RFC 6446 section 5.1: one that is not said again is gone
    if (!request.contact.empty() && request.contact != kept.dialog.target) {  // RFC 6665 section 4.4.1: target refresh
        kept.dialog.target = request.contact;
        subscription.reads = false;
        subscription.moved = true;
    }
    const auto expires = grant(request);
    outbox_.send(accepted(request, kept.dialog.local.tag, expires));
    winfo_.begin_again(id);
    if (expires == 0) return end(now, id, "timeout");
    subscription.deadline = now.steady + std::chrono::seconds{expires};
    kept.expires = now.wall + std::chrono::seconds{expires};
    subscription.due = subscription.urgent = true;
    subscription.failures = 0;  // whoever refreshes can be reached again
    subscription.not_before = now.steady;
    save(now, subscription);
    pump(now, id);
}

bool Notifier::handle_response(proto::Now now, const Response& response) {
    const auto found = by_transaction_.find(response.transaction);
    if (found == by_transaction_.end()) return false;
    if (response.status < 200) return true;
    const auto id = found->second;
    by_transaction_.erase(found);
    auto& subscription = subscriptions_.at(id);
    subscription.under_way = 0;
    if (response.status >= 300) {
        fail(now, id, response);
        return true;
    }
    subscription.failures = 0;
    subscription.reached = true;
    subscription.reads = !subscription.moved;
    if (subscription.last_sent)
        remove(now, id);
    else
        pump(now, id);
    return true;
}

void Notifier::fail(proto::Now now, Id id, const Response& response) {
    auto& subscription = subscriptions_.at(id);
    // Behind a proxy that was there, silence is more likely its restart than the watcher's end: the dialog outlives it.
    const bool proxy_away = response.local && subscription.reached && !subscription.kept.dialog.routes.empty();
    const auto most = proxy_away ? proto::limits::sip_notify_failures_proxy : proto::limits::sip_notify_failures;
    const bool ends = subscription.failures >= most || (!proxy_away && ends_subscription(response.status));
    if (response.local) subscription.reads = false;
    subscription.unanswered = response.local;
    host_->count("sip_notify_failures", std::to_string(response.status), 1);
    // The last word as well, as long as the watcher holds its subscription for alive.
    const bool over = subscription.closing && (!proxy_away || now.wall >= subscription.kept.expires);
    if (over || ends) return remove(now, id);
    constexpr auto longest = std::chrono::seconds{300};
    auto wait =
        std::min<std::chrono::seconds>(std::chrono::seconds{5} * (1u << std::min(subscription.failures, 6u)), longest);
    if (response.retry_after)
        wait = std::min<std::chrono::seconds>(std::chrono::seconds{*response.retry_after}, longest);
    ++subscription.failures;
    subscription.has_shown = false;  // the state did not arrive, and the newest is owed
    winfo_.begin_again(id);
    subscription.due = subscription.urgent = true;
    subscription.not_before = now.steady + random_.jitter(wait, 0.25);
    schedule(id, subscription);
}

void Notifier::server_returned(proto::Now now) {
    const auto spread_ms = 200 + subscriptions_.size() * 1'000 / proto::limits::sip_resubscribes_per_second;
    for (auto& [id, subscription] : subscriptions_) {
        if (subscription.failures == 0 || !subscription.unanswered || subscription.under_way != 0) continue;
        const auto soon = now.steady + std::chrono::milliseconds{random_.below(spread_ms)};
        subscription.not_before = std::min(subscription.not_before, soon);
        schedule(id, subscription);
    }
}

void Notifier::view_changed(proto::Now now, WatchId watch, const View& view) {
    const auto found = by_watch_.find(watch);
    if (found == by_watch_.end()) return;
    const auto id = found->second;
    auto& subscription = subscriptions_.at(id);
    const bool known = view.document || view.state == WatchState::terminated;
    if (known && subscription.failures == 0) subscription.not_before = now.steady;  // what was waited for is there
    if (subscription.fetch) {
        if (known) pump(now, id);
        return;
    }
    if (!is_news(subscription, view)) return;
    subscription.due = true;
    // RFC 6446 section 5.2: an approval does not wait; nor does the last one.
    const bool approved =
        subscription.has_shown && subscription.shown_state == WatchState::pending && view.state != WatchState::pending;
    subscription.urgent = subscription.urgent || approved || view.state == WatchState::terminated;
    pump(now, id);
}

void Notifier::watchers_changed(proto::Now now, const proto::PresentityUri& presentity,
                                const std::vector<WatcherChange>& changes) {
    const bool ends = !host_->serves(presentity);
    for (const auto id : winfo_.changed(presentity, changes)) {
        auto& subscription = subscriptions_.at(id);
        subscription.urgent = subscription.urgent || ends;
        // Not what was due before: that may have been who came and has gone again.
        if (subscription.ending.empty()) subscription.due = subscription.urgent || winfo_.owes(id);
        pump(now, id);
    }
}

bool Notifier::is_news(const Subscription& subscription, const View& view) const {
    if (!subscription.has_shown) return true;
    return view.state != subscription.shown_state || view.liveness != subscription.shown_liveness ||
           view.document != subscription.shown;
}

void Notifier::pump(proto::Now now, Id id) {
    auto& subscription = subscriptions_.at(id);
    const bool waits = subscription.under_way != 0 || now.steady < subscription.not_before;
    if (!subscription.due && now.steady >= next_repeat(subscription)) subscription.due = true;
    const bool may = subscription.urgent || (now.steady >= next_by_rate(id, subscription) &&
                                             (goes_on(id, subscription) || has_token(now, subscription)));
    if (subscription.due && !waits && may) send(now, id, subscription);
    schedule(id, subscription);
}

bool Notifier::has_token(proto::Now now, Subscription& subscription) const {
    if (settings_.rate.interval.count() <= 0) return true;
    const auto elapsed = std::chrono::duration<double>(now.steady - subscription.tokens_at);
    const auto interval = std::chrono::duration<double>(settings_.rate.interval);
    const double most = std::max<std::uint32_t>(settings_.rate.burst, 1);
    subscription.tokens = std::min(most, subscription.tokens + elapsed / interval);
    subscription.tokens_at = now.steady;
    return subscription.tokens >= 1 - 1e-6;
}

proto::SteadyTime Notifier::next_token(const Subscription& subscription) const {
    if (settings_.rate.interval.count() <= 0) return subscription.tokens_at;
    const auto missing =
        std::max(0.0, 1 - subscription.tokens) * std::chrono::duration<double>(settings_.rate.interval);
    return subscription.tokens_at + std::chrono::ceil<proto::Duration>(missing);
}

proto::SteadyTime Notifier::next_by_rate(Id id, const Subscription& subscription) const {
    if (!subscription.has_shown) return proto::SteadyTime::min();
    const auto& kept = subscription.kept;
    return subscription.sent_at + (goes_on(id, subscription) ? kept.rate.least_gap() : least_gap(kept));
}

/// There is more to say than the last NOTIFY could.
bool Notifier::goes_on(Id id, const Subscription& subscription) const {
    return subscription.withheld || winfo_.goes_on(id);
}

/// Between two NOTIFYs: as the watcher asked, and of watcher information as its package says.
proto::Duration Notifier::least_gap(const SavedSubscription& kept) {
    const auto asked = kept.rate.least_gap();
    return kept.package == Package::winfo ? std::max<proto::Duration>(asked, proto::limits::winfo_interval) : asked;
}

/// A watcher gets no more repeats than changes.
proto::Duration Notifier::repeat_floor(const SavedSubscription& kept) const {
    return std::max<proto::Duration>({settings_.rate.interval, std::chrono::seconds{1}, least_gap(kept)});
}

/// When the state is owed again although it is the same.
proto::SteadyTime Notifier::next_repeat(const Subscription& subscription) const {
    const auto gap = subscription.kept.rate.most_gap(repeat_floor(subscription.kept));
    return gap == AskedRate::no_gap || !subscription.has_shown ? proto::never : subscription.sent_at + gap;
}

void Notifier::schedule(Id id, const Subscription& subscription) {
    auto at = subscription.deadline;
    if (subscription.under_way == 0) {
        if (subscription.due)
            at = std::min(at, subscription.urgent ? subscription.not_before
                                                  : std::max({subscription.not_before, next_by_rate(id, subscription),
                                                              goes_on(id, subscription) ? proto::SteadyTime::min()
                                                                                        : next_token(subscription)}));
        else
            at = std::min(at, next_repeat(subscription));
    }
    timers_.set(id, at);
}

void Notifier::handle_timeout(proto::Now now) {
    while (const auto id = timers_.pop(now.steady)) wake(now, *id);
}

void Notifier::wake(proto::Now now, Id id) {
    auto& subscription = subscriptions_.at(id);
    if (now.steady >= subscription.deadline && subscription.ending.empty()) return end(now, id, "timeout");
    pump(now, id);
}

void Notifier::end(proto::Now now, Id id, std::string reason) {
    auto& subscription = subscriptions_.at(id);
    subscription.ending = std::move(reason);
    subscription.deadline = proto::never;
    subscription.due = subscription.urgent = true;
    if (subscription.failures == 0) subscription.not_before = now.steady;
    winfo_.close(id);
    host_->erase(*owner_, subscription.kept.dialog.local.tag);
    pump(now, id);
}

void Notifier::remove(proto::Now now, Id id) {
    auto& subscription = subscriptions_.at(id);
    const auto tag = subscription.kept.dialog.local.tag;
    if (subscription.watch != 0) {
        by_watch_.erase(subscription.watch);
        host_->unwatch(now, subscription.watch);
    }
    winfo_.remove(id);
    if (subscription.under_way != 0) by_transaction_.erase(subscription.under_way);
    if (!subscription.fetch) host_->erase(*owner_, tag);
    timers_.erase(id);
    by_tag_.erase(tag);
    subscriptions_.erase(id);
}

}  // namespace presmesh::translators::sip
