// The watcher's other half: what the attached server tells us.
#include <string>

#include "proto/limits.hpp"
#include "translators/sip/header_text.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/sip/publications.hpp"
#include "translators/sip/watcher.hpp"

namespace presmesh::translators::sip {

using std::chrono::seconds;

Watcher::Id Watcher::find(const Request& request) const {
    const auto found = by_tag_.find(request.to.tag);
    if (found == by_tag_.end()) return 0;
    const auto& follow = follows_.at(found->second);
    return follow.dialog.call_id == request.call_id && !follow.stopped ? found->second : 0;
}

/// A NOTIFY may come before the 200 and then makes the dialog (RFC 6665 section 4.4.1). False: it is of another dialog,
/// a fork.
bool Watcher::adopt(Id id, const Request& request) {
    auto& follow = follows_.at(id);
    auto& dialog = follow.dialog;
    if (follow.established && dialog.remote.tag != request.from.tag) return false;
    if (!follow.established) {
        dialog.remote.tag = request.from.tag;
        dialog.routes = request.routes;
        follow.established = !request.from.tag.empty();
    }
    follow.notified = true;
    if (!request.contact.empty()) dialog.target = request.contact;
    return true;
}

void Watcher::handle_notify(proto::Now now, const Request& request) {
    if (!is_presence(request)) return outbox_.send(bad_event(request, settings_.mode));
    const auto id = find(request);
    if (id == 0 || !adopt(id, request)) return outbox_.send(answer(request, 481, "Subscription Does Not Exist"));
    auto& dialog = follows_.at(id).dialog;
    if (request.cseq <= dialog.remote_cseq) return outbox_.send(answer(request, 500, "CSeq Out Of Order"));
    dialog.remote_cseq = request.cseq;
    const auto state = read_parameterized(request.subscription_state);
    if (!state) return outbox_.send(answer(request, 400, "Bad Request (Subscription-State)"));
    const bool has_body = request.body && !request.body->empty();
    if (has_body && request.content_type != pidf_type) {
        auto response = answer(request, 415, "Unsupported Media Type");
        response.accept = pidf_type;
        return outbox_.send(std::move(response));
    }
    outbox_.send(answer(request, 200, "OK"));
    take_state(now, id, *state, request);
}

void Watcher::take_state(proto::Now now, Id id, const ParameterizedValue& state, const Request& request) {
    auto& follow = follows_.at(id);
    host_->step(now, "sip.notified", follow.key.first, "state=" + state.value);
    if (const auto expires = read_number(state.get("expires"), 86'400); expires && state.value != "terminated") {
        const auto lapses = now.steady + seconds{*expires};
        // The NOTIFY that a refresh causes may come before its 200.
        const bool refreshing = follow.under_way != 0 && follow.asked_expires != 0;
        if (lapses < follow.lapses || follow.lapses < now.steady || refreshing) {
            follow.lapses = lapses;
            refresh_after(now, id, seconds{*expires});
        }
    }
    if (state.value == "terminated") return take_end(now, id, state);
    if (state.value != "active")
        return decide(now, follow, WatchState::pending, {});  // "pending", and what may come yet
    decide(now, follow, WatchState::active, {});
    take_body(now, id, request);
}

void Watcher::take_body(proto::Now now, Id id, const Request& request) {
    const auto& follow = follows_.at(id);
    const auto& presentity = follow.key.first;
    proto::DocumentPtr document;
    if (request.body && !request.body->empty()) {
        auto parsed = read_pidf(proto::as_bytes(*request.body), request.content_language);
        auto made = parsed ? proto::Document::make(std::move(parsed->presence)) : tl::make_unexpected(parsed.error());
        if (!made) return host_->count("sip_bad_documents", proto::to_string(made.error().reason), 1);
        document = std::move(*made);
    } else if (!alone(id)) {
        return;
    }
    const auto left = std::max<seconds>(std::chrono::ceil<seconds>(follow.lapses - now.steady), seconds{0});
    const auto lifetime = std::max<seconds>(left + settings_.state_grace, proto::limits::publication_min_expires);
    const auto set = host_->set_publication(now, *owner_, presentity, std::move(document), lifetime);
    if (!set) host_->count("sip_bad_documents", proto::to_string(set.error().reason), 1);
}

/// RFC 6665 section 4.1.3, reason by reason. None of the passing ones takes an authorization back.
void Watcher::take_end(proto::Now now, Id id, const ParameterizedValue& state) {
    auto& follow = follows_.at(id);
    const auto reason = lower_case(state.get("reason"));
    const auto wait = read_number(state.get("retry-after"), 3'600);
    follow.established = false;
    follow.lapses = now.steady;
    if (reason == "rejected" || reason == "noresource") return give_up(now, id, reason);
    if (reason == "invariant") {  // it will never change: what was brought stays
        follow.stopped = true;
        return timers_.erase(id);
    }
    if (wait && reason != "deactivated" && reason != "timeout") return back_off(now, id, *wait);
    if ((reason == "deactivated" || reason == "timeout") && follow.failures == 0) {
        follow.failures = 1;  // once at once; a server that ends it again and again is met with back-off
        return ask_at(id, now.steady);
    }
    back_off(now, id, 0);
}

void Watcher::decide(proto::Now now, Follow& follow, WatchState state, std::string reason) {
    if (state == WatchState::active) forgive(now, follow);
    if (follow.state == state && follow.reason == reason) return;
    follow.state = state;
    follow.reason = reason;
    for (const auto& watcher : follow.watchers) host_->decide(now, *owner_, follow.key.first, watcher, state, reason);
}

}  // namespace presmesh::translators::sip
