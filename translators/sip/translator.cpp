#include "translators/sip/translator.hpp"

#include <algorithm>

#include "proto/assert.hpp"
#include "translators/sip/publications.hpp"

namespace presmesh::translators::sip {
namespace {

Response about_us(const Request& request, Mode mode, int status, std::string phrase) {
    auto response = answer(request, status, std::move(phrase));
    response.allow = allowed_methods;
    response.allow_events = allowed_events(mode);
    response.accept = pidf_type;
    return response;
}

/// The account names a user of any domain, or one of a certain domain.
bool speaks_for(const std::string& account, const proto::PresentityUri& user) {
    const bool whole = account.find('@') != std::string::npos;
    const auto named = proto::PresentityUri::parse(whole ? account : account + "@" + user.domain());
    return named && *named == user;
}

}  // namespace

SipTranslator::SipTranslator(SipSettings settings, proto::Random& random)
    : settings_(std::move(settings)),
      digest_(settings_, random),
      notifier_(settings_, random, outbox_),
      watcher_(settings_, random, outbox_) {}

void SipTranslator::start(proto::Now now, Host& host) {
    host_ = &host;
    watcher_.start(now, host, *this);
    notifier_.start(now, host, *this);
}

void SipTranslator::stop(proto::Now) {
    watcher_.stop();
}

void SipTranslator::handle_input(proto::Now now, const Incoming& message) {
    PRESMESH_ASSERT(host_ != nullptr);
    if (const auto* request = std::get_if<Request>(&message))
        handle_request(now, *request);
    else
        handle_response(now, std::get<Response>(message));
}

void SipTranslator::handle_request(proto::Now now, const Request& request) {
    host_->count("sip_requests", to_string(request.method), 1);
    if (request.method == Method::options) return outbox_.send(about_us(request, settings_.mode, 200, "OK"));
    if (request.method == Method::other)
        return outbox_.send(about_us(request, settings_.mode, 405, "Method Not Allowed"));
    if (!request.require.empty()) {
        auto response = answer(request, 420, "Bad Extension");
        for (const auto& tag : request.require)
            response.unsupported += (response.unsupported.empty() ? "" : ", ") + tag;
        return outbox_.send(std::move(response));
    }
    if (request.method == Method::notify) return watcher_.handle_notify(now, request);
    if (auto refused = challenge(now, request)) return outbox_.send(std::move(*refused));
    if (request.method == Method::publish) return publish(now, request);
    notifier_.handle_subscribe(now, request);
}

std::optional<Response> SipTranslator::challenge(proto::Now now, const Request& request) {
    if (settings_.mode == Mode::attach) return refuse_stranger(request);
    if (!settings_.authenticate) return std::nullopt;
    const auto account = digest_.check(now, request);
    if (!account) {
        host_->count("sip_challenged", account.error().detail == "stale" ? "stale" : to_string(request.method), 1);
        if (account.error().reason != proto::Reason::unauthorized) return refusal(request, account.error());
        auto response = answer(request, 401, "Unauthorized");
        response.www_authenticate = digest_.challenges(now, account.error().detail == "stale");
        return response;
    }
    const auto sender = proto::PresentityUri::from_sip(request.from.uri);
    if (!sender || !speaks_for(*account, *sender)) return answer(request, 403, "Forbidden (From is someone else)");
    return std::nullopt;
}

/// The attached server has found out who its watchers are. Whoever comes past it could say any name.
std::optional<Response> SipTranslator::refuse_stranger(const Request& request) {
    if (settings_.is_server(request.source)) return std::nullopt;
    host_->count("sip_refused", "not_the_server", 1);
    return answer(request, 403, "Forbidden (not from the attached server)");
}

void SipTranslator::publish(proto::Now now, const Request& request) {
    if (settings_.mode == Mode::attach)
        return outbox_.send(about_us(request, settings_.mode, 405, "Method Not Allowed"));
    if (settings_.authenticate) {  // who proved to be From may publish From's presence, nobody else's
        const auto sender = proto::PresentityUri::from_sip(request.from.uri);
        const auto presentity = proto::PresentityUri::from_sip(request.uri);
        if (!presentity || *sender != *presentity) return outbox_.send(answer(request, 403, "Forbidden"));
    }
    outbox_.send(handle_publish(now, *host_, request));
}

void SipTranslator::handle_response(proto::Now now, const Response& response) {
    if (notifier_.handle_response(now, response)) return;
    if (!watcher_.handle_response(now, response)) return host_->count("sip_stray_responses", "response", 1);
    if (watcher_.take_return()) notifier_.server_returned(now);
}

void SipTranslator::view_changed(proto::Now now, WatchId watch, const View& view) {
    notifier_.view_changed(now, watch, view);
}

void SipTranslator::watchers_changed(proto::Now now, const proto::PresentityUri& presentity,
                                     const std::vector<WatcherChange>& changes) {
    notifier_.watchers_changed(now, presentity, changes);
}

bool SipTranslator::attends(const proto::PresentityUri& presentity) const {
    if (settings_.mode != Mode::attach) return false;
    return std::find(settings_.domains.begin(), settings_.domains.end(), presentity.domain()) !=
           settings_.domains.end();
}

void SipTranslator::wanted(proto::Now now, const proto::PresentityUri& presentity,
                           const proto::PresentityUri& watcher) {
    if (attends(presentity)) watcher_.wanted(now, presentity, watcher);
}

void SipTranslator::unwanted(proto::Now now, const proto::PresentityUri& presentity,
                             const proto::PresentityUri& watcher) {
    watcher_.unwanted(now, presentity, watcher);
}

void SipTranslator::handle_timeout(proto::Now now) {
    notifier_.handle_timeout(now);
    watcher_.handle_timeout(now);
}

proto::SteadyTime SipTranslator::next_timeout() const {
    return std::min(notifier_.next_timeout(), settings_.mode == Mode::attach ? watcher_.next_timeout() : proto::never);
}

}  // namespace presmesh::translators::sip
