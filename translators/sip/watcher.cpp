#include "translators/sip/watcher.hpp"

#include "proto/limits.hpp"
#include "translators/sip/digest.hpp"
#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {
namespace {

using std::chrono::seconds;

constexpr seconds first_back_off{5};
constexpr seconds longest_back_off{300};
/// A subscription that ends sooner was no success, however often the server accepts it.
constexpr seconds proven_after{5};
constexpr seconds shortest_refresh{5};
/// From the acceptance to the first NOTIFY: timer N of RFC 6665 section 4.1.2.4, 64*T1.
constexpr seconds first_notify{32};

std::string fresh(proto::Random& random) {
    std::array<std::uint8_t, 12> bytes{};
    random.fill(bytes);
    return proto::to_hex(bytes);
}

/// RFC 8048 section 5.2.2 and RFC 6665 section 4.1.2: these answers are for good.
std::string permanent_reason(int status) {
    switch (status) {
        case 403:
        case 489:
        case 603:
            return "rejected";
        case 404:
        case 410:
        case 604:
            return "noresource";
        default:
            return {};
    }
}

/// No user's own answer: the server does not take us, or is in no state to.
bool refuses_us(int status) {
    return status == 401 || status == 403 || status == 405 || status == 407 || status == 489 ||
           (status >= 500 && status < 600);
}

constexpr std::string_view silent = "no-answer";

}  // namespace

Watcher::Watcher(const SipSettings& settings, proto::Random& random, Outbox& outbox)
    : settings_(settings), random_(random), outbox_(outbox) {}

void Watcher::start(proto::Now now, Host& host, Translator& owner) {
    host_ = &host;
    owner_ = &owner;
    last_pong_ = now.steady;
    link_ = {settings_.name, LinkState::untried, {}, now.wall};
    if (settings_.mode == Mode::attach && settings_.ping_every.count() > 0)
        next_ping_ = now.steady + settings_.ping_every;
}

void Watcher::stop() {
    for (auto& [id, follow] : follows_) {
        timers_.erase(id);
        if (follow.established && follow.under_way == 0) send_subscribe(id, 0);
    }
}

std::string Watcher::identity_for(const proto::PresentityUri& watcher) const {
    return settings_.as_real_watcher || settings_.watcher.empty() ? watcher.sip() : settings_.watcher;
}

void Watcher::wanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) {
    const Key key{presentity, identity_for(watcher)};
    const auto known = by_key_.find(key);
    if (known == by_key_.end()) {
        const auto id = ++last_;
        auto& follow = follows_[id];
        follow.key = key;
        follow.watchers.insert(watcher);
        by_key_[key] = id;
        return subscribe_anew(now, id);
    }
    auto& follow = follows_.at(known->second);
    const bool is_new = follow.watchers.insert(watcher).second;
    if (is_new && (follow.state != WatchState::pending || follow.stopped))
        host_->decide(now, *owner_, presentity, watcher, follow.state, follow.reason);
    if (follow.stopped && is_new) subscribe_anew(now, known->second);  // someone new asks: so do we, once
}

void Watcher::unwanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) {
    const auto known = by_key_.find(Key{presentity, identity_for(watcher)});
    if (known == by_key_.end()) return;
    const auto id = known->second;
    auto& follow = follows_.at(id);
    follow.watchers.erase(watcher);
    if (!follow.watchers.empty()) return;
    if (follow.established && !follow.stopped) send_subscribe(id, 0);
    if (alone(id)) static_cast<void>(host_->set_publication(now, *owner_, presentity, nullptr, seconds{0}));
    remove(id);
}

/// Does no other identity's follow bring the state of that presentity? Only then it goes when this one's does.
bool Watcher::alone(Id id) const {
    const auto& presentity = follows_.at(id).key.first;
    auto other = by_key_.lower_bound(Key{presentity, std::string()});
    for (; other != by_key_.end() && other->first.first == presentity; ++other) {
        if (other->second != id && follows_.at(other->second).state == WatchState::active) return false;
    }
    return true;
}

void Watcher::remove(Id id) {
    const auto found = follows_.find(id);
    if (found == follows_.end()) return;
    if (found->second.under_way != 0) by_transaction_.erase(found->second.under_way);
    by_tag_.erase(found->second.dialog.local.tag);
    by_key_.erase(found->second.key);
    timers_.erase(id);
    follows_.erase(found);
}

void Watcher::subscribe_anew(proto::Now now, Id id) {
    auto& follow = follows_.at(id);
    by_tag_.erase(follow.dialog.local.tag);
    follow.dialog = Dialog{};
    follow.dialog.call_id = fresh(random_);
    follow.dialog.local = {follow.key.second, fresh(random_)};
    follow.dialog.remote.uri = follow.key.first.sip();
    follow.dialog.target = follow.dialog.remote.uri;
    follow.dialog.local_cseq = static_cast<std::uint32_t>(random_.below(1'000));
    follow.established = follow.stopped = follow.notified = false;
    follow.begun = now.steady;
    by_tag_[follow.dialog.local.tag] = id;
    subscribe(now, id);
}

void Watcher::subscribe(proto::Now, Id id) {
    auto& follow = follows_.at(id);
    timers_.erase(id);
    if (follow.under_way != 0) {
        follow.again = true;
        return;
    }
    const auto asked = static_cast<std::uint32_t>(settings_.subscribe_expires.count());
    send_subscribe(id, std::max(asked, follow.min_expires));
}

void Watcher::send_subscribe(Id id, std::uint32_t expires) {
    auto& follow = follows_.at(id);
    auto request = next_request(follow.dialog, Method::subscribe);
    request.event = presence_event;
    request.accept = std::vector<std::string>{std::string(pidf_type)};
    request.expires = expires;
    if (!follow.established) request.next_hop = settings_.server;
    follow.challenged = !follow.authorization.empty() || !follow.proxy_authorization.empty();
    if (!follow.authorization.empty()) request.authorization = {std::move(follow.authorization)};
    if (!follow.proxy_authorization.empty()) request.proxy_authorization = {std::move(follow.proxy_authorization)};
    follow.authorization.clear();
    follow.proxy_authorization.clear();
    follow.asked_expires = expires;
    if (follow.under_way != 0) by_transaction_.erase(follow.under_way);
    follow.under_way = outbox_.send(std::move(request));
    by_transaction_[follow.under_way] = id;
}

bool Watcher::handle_response(proto::Now now, const Response& response) {
    if (pings_.count(response.transaction) > 0) {
        handle_pong(now, response);
        return true;
    }
    const auto found = by_transaction_.find(response.transaction);
    if (found == by_transaction_.end()) return false;
    if (response.status < 200) return true;
    if (!response.local) last_pong_ = now.steady;
    const auto id = found->second;
    by_transaction_.erase(found);
    auto& follow = follows_.at(id);
    follow.under_way = 0;
    if (response.status < 300)
        handle_accepted(now, id, response);
    else if ((response.status == 401 || response.status == 407) && !follow.challenged)
        handle_challenge(now, id, response);
    else
        handle_refused(now, id, response);
    if (auto& after = follows_.at(id); after.again && after.under_way == 0) {
        after.again = false;
        subscribe(now, id);
    }
    return true;
}

void Watcher::handle_accepted(proto::Now now, Id id, const Response& response) {
    auto& follow = follows_.at(id);
    link_accepted(now);
    if (follow.asked_expires == 0) return;
    if (!follow.established) {
        follow.dialog.remote.tag = response.to_tag;
        if (!response.contact.empty()) follow.dialog.target = response.contact;
        follow.dialog.routes.assign(response.record_routes.rbegin(), response.record_routes.rend());
        follow.established = !response.to_tag.empty();
        follow.notify_by = now.steady + first_notify;
    } else if (!response.contact.empty()) {
        follow.dialog.target = response.contact;
    }
    forgive(now, follow);
    follow.confirmed = now.steady;
    const seconds granted{std::min(response.expires.value_or(follow.asked_expires), follow.asked_expires)};
    follow.lapses = now.steady + granted;
    if (granted.count() == 0) return back_off(now, id, 0);
    refresh_after(now, id, granted);
}

/// Well before the end, and not all together (RFC 8048 section 5.2.2: SHOULD refresh well before expiry).
void Watcher::refresh_after(proto::Now now, Id id, seconds granted) {
    ask_at(id, now.steady + random_.jitter(std::max<proto::Duration>(granted * 3 / 4, shortest_refresh), 0.1));
}

/// Wakes for the first NOTIFY too, which may be overdue sooner.
void Watcher::ask_at(Id id, proto::SteadyTime at) {
    auto& follow = follows_.at(id);
    follow.ask_at = at;
    timers_.set(id, awaits_notify(follow) ? std::min(at, follow.notify_by) : at);
}

void Watcher::forgive(proto::Now now, Follow& follow) {
    if (follow.notified && now.steady - follow.begun >= proven_after) follow.failures = 0;
}

bool Watcher::awaits_notify(const Follow& follow) {
    return follow.established && !follow.notified;
}

/// The server takes the subscription and its NOTIFYs do not come: most likely it sends them to an address that is not
/// ours.
void Watcher::handle_mute(proto::Now now, Id id) {
    auto& follow = follows_.at(id);
    host_->count("sip_no_notify", settings_.name, 1);
    follow.established = false;
    follow.lapses = now.steady;
    back_off(now, id, 0);
}

void Watcher::handle_challenge(proto::Now now, Id id, const Response& response) {
    auto& follow = follows_.at(id);
    const bool by_proxy = response.status == 407;
    auto answered = settings_.credentials.user.empty()
                        ? std::nullopt
                        : answer_challenge(by_proxy ? response.proxy_authenticate : response.www_authenticate,
                                           settings_.credentials, "SUBSCRIBE", follow.dialog.target, random_);
    host_->count("sip_challenges", answered ? "answered" : "no_credentials", 1);
    if (!answered) {
        link_failed(now, std::to_string(response.status));
        return back_off(now, id, 60);  // an operator's mistake, which a restart may mend
    }
    (by_proxy ? follow.proxy_authorization : follow.authorization) = std::move(*answered);
    send_subscribe(id, follow.asked_expires);
}

void Watcher::handle_refused(proto::Now now, Id id, const Response& response) {
    auto& follow = follows_.at(id);
    host_->count("sip_subscribe_failures", std::to_string(response.status), 1);
    server_away_ |= response.local;
    if (response.local || refuses_us(response.status))
        link_failed(now, response.local ? std::string(silent) : std::to_string(response.status));
    else
        link_answered(now);
    if (response.status == 423 && response.min_expires.value_or(0) > follow.asked_expires &&
        *response.min_expires <= 86'400) {
        follow.min_expires = *response.min_expires;
        return subscribe(now, id);
    }
    if (response.status == 481 && follow.established) return handle_forgotten(now, id);
    if (auto reason = permanent_reason(response.status); !reason.empty() && !response.local)
        return give_up(now, id, std::move(reason));
    back_off(now, id, response.retry_after.value_or(0));
}

void Watcher::give_up(proto::Now now, Id id, std::string reason) {
    auto& follow = follows_.at(id);
    follow.stopped = true;
    follow.established = false;
    timers_.erase(id);
    decide(now, follow, WatchState::terminated, std::move(reason));
    if (alone(id)) static_cast<void>(host_->set_publication(now, *owner_, follow.key.first, nullptr, seconds{0}));
}

void Watcher::back_off(proto::Now now, Id id, std::uint32_t at_least_s) {
    auto& follow = follows_.at(id);
    const auto doubled = first_back_off * (1u << std::min(follow.failures++, 6u));
    retry_after(
        now, id,
        std::max(std::min<seconds>(doubled, longest_back_off), std::min<seconds>(seconds{at_least_s}, seconds{3'600})));
}

void Watcher::retry_after(proto::Now now, Id id, seconds wait) {
    ask_at(id, now.steady + random_.jitter(wait, 0.25));
}

void Watcher::handle_timeout(proto::Now now) {
    if (now.steady >= next_ping_) ping(now);
    while (const auto id = timers_.pop(now.steady)) {
        auto& follow = follows_.at(*id);
        if (awaits_notify(follow) && now.steady >= follow.notify_by)
            handle_mute(now, *id);
        else if (now.steady < follow.ask_at)
            timers_.set(*id, follow.ask_at);  // woken for the NOTIFY, and it has come
        else if (follow.established && now.steady < follow.lapses)
            subscribe(now, *id);
        else
            subscribe_anew(now, *id);  // what the server has let lapse needs a dialog of its own again
    }
}

proto::SteadyTime Watcher::next_timeout() const {
    return std::min(timers_.next(), next_ping_);
}

void Watcher::ping(proto::Now now) {
    next_ping_ = now.steady + settings_.ping_every;
    const auto id = server_away_ ? 0 : next_to_ping(now);
    if (id != 0)
        subscribe(now, id);
    else
        send_options();
    if (now.steady - last_pong_ > 3 * settings_.ping_every) {
        server_away_ = true;
        link_.set(now, LinkState::down, silent);
    }
}

void Watcher::send_options() {
    if (pings_.size() >= 4) pings_.erase(pings_.begin());
    Request request;
    request.method = Method::options;
    request.uri = request.next_hop = settings_.server;
    request.from = {settings_.watcher.empty() ? settings_.server : settings_.watcher, fresh(random_)};
    request.to.uri = settings_.server;
    request.call_id = fresh(random_);
    request.cseq = ++ping_cseq_;
    pings_.insert(outbox_.send(std::move(request)));
}

Watcher::Id Watcher::next_to_ping(proto::Now now) {
    if (follows_.empty()) return 0;
    constexpr int most_looked_at = 64;  // a ping costs the same whatever the number of subscriptions
    auto at = follows_.upper_bound(last_pinged_);
    for (int i = 0; i < most_looked_at; ++i, ++at) {
        if (at == follows_.end()) at = follows_.begin();
        last_pinged_ = at->first;
        const auto& follow = at->second;
        if (follow.established && !follow.stopped && follow.under_way == 0 && now.steady < follow.lapses)
            return at->first;
    }
    return 0;
}

void Watcher::handle_pong(proto::Now now, const Response& response) {
    pings_.erase(response.transaction);
    if (response.local) {
        server_away_ = true;
        return link_.set(now, LinkState::down, silent);
    }
    link_answered(now);
    last_pong_ = now.steady;
    if (!server_away_) return;
    server_away_ = false;
    returned_ = true;
    host_->count("sip_server_returns", settings_.name, 1);
    for (auto& [id, follow] : follows_) {
        if (follow.stopped) continue;
        follow.established = false;  // a server that lost its memory knows the dialog no more
        follow.failures = 0;
        ask_at(id, spread(now));
    }
}

/// The server does not know a subscription it should: it may have forgotten others with it. They are refreshed, which
/// harms nothing when it has not, and each that is gone comes here too; only what the server has confirmed since the
/// last doubt shows that it forgot again.
void Watcher::handle_forgotten(proto::Now now, Id id) {
    const bool forgot_again = follows_.at(id).confirmed > doubted_;
    subscribe_anew(now, id);
    if (!forgot_again) return;
    doubted_ = now.steady;
    returned_ = true;
    host_->count("sip_server_forgot", settings_.name, 1);
    for (const auto& [other, follow] : follows_)
        if (other != id && follow.established && !follow.stopped) ask_at(other, spread(now));
}

/// Any answer shows that the server is there, not yet that it takes us.
void Watcher::link_answered(proto::Now now) {
    if (link_.state == LinkState::untried || link_.reason == silent) link_.set(now, LinkState::up);
}

void Watcher::link_accepted(proto::Now now) {
    accepted_ = now.steady;
    link_.set(now, LinkState::up);
}

/// One user may be denied to us, or one dialog lead nowhere, among many that are well. In the time after which each
/// subscription is refreshed, one that is well would have been.
void Watcher::link_failed(proto::Now now, std::string why) {
    const bool others_are_well = accepted_ && now.steady - *accepted_ <= settings_.subscribe_expires;
    if (!others_are_well) link_.set(now, LinkState::down, why);
}

/// A moment within the time that asking for everything may take.
proto::SteadyTime Watcher::spread(proto::Now now) {
    const auto spread_ms = 200 + follows_.size() * 1'000 / proto::limits::sip_resubscribes_per_second;
    return now.steady + std::chrono::milliseconds{random_.below(spread_ms)};
}

}  // namespace presmesh::translators::sip
