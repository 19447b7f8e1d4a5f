#include "node/daemon/http_api.hpp"

#include <algorithm>

#include "node/daemon/presence_json.hpp"
#include "node/daemon/view_json.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

using proto::Reason;
using translators::View;
using translators::WatchId;
using translators::WatchState;

namespace {

/// A presentity may have sources whose answers are still on the way when the look-up itself has ended.
constexpr proto::Duration answer_grace = std::chrono::milliseconds{700};
/// How often a waiting fetch asks whether the look-up has ended.
constexpr proto::Duration settle_check = std::chrono::milliseconds{50};
constexpr proto::Duration sweep_every = std::chrono::minutes{5};

}  // namespace

HttpApi::HttpApi(HttpApiSettings settings, node::PresenceService& service, std::function<NodeReport()> report)
    : settings_(settings), service_(service), report_(std::move(report)) {}

HttpApi::~HttpApi() = default;

void HttpApi::set_tokens(proto::Now now, Tokens tokens) {
    tokens_ = std::move(tokens);
    std::vector<WatchId> over;
    for (const auto& [watch, reader] : readers_) {
        if (!still_granted(reader)) over.push_back(watch);
    }
    for (const auto watch : over)
        end_reader(take_reader(now, watch), {Reason::unauthorized, "the token was taken back"});
}

bool HttpApi::still_granted(const Reader& reader) const {
    const auto* grant = tokens_.find(reader.token);
    return grant != nullptr && grant->may_act_for(reader.watcher);
}

void HttpApi::start(proto::Now now, translators::Host& host) {
    slots_.start(now, host, *this);
    next_sweep_ = now.steady + sweep_every;
}

void HttpApi::stop(proto::Now now) {
    while (!readers_.empty()) {
        const auto reader = take_reader(now, readers_.begin()->first);
        end_reader(reader, {Reason::unavailable, "the node is being stopped"});
    }
}

// ---- answering

void HttpApi::respond(ExchangeId exchange, HttpResponse response) {
    service_.count("http_responses", std::to_string(response.status));
    outputs_.push_back({exchange, HttpOutput::Kind::response, std::move(response), {}});
}

void HttpApi::server_refused(unsigned status, std::string_view reason) {
    service_.count("http_responses", std::to_string(status));
    service_.count("http_refused", reason);
}

void HttpApi::respond_json(const Call& call, std::string json) {
    HttpResponse response;
    response.content_type = "application/json";
    response.body = std::move(json) + "\n";
    respond(call.exchange, std::move(response));
}

void HttpApi::refuse(const Call& call, const proto::Error& error) {
    respond(call.exchange, problem(error));
}

std::optional<HttpOutput> HttpApi::poll_output() {
    if (outputs_.empty()) return std::nullopt;
    auto output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
}

// ---- finding who answers

void HttpApi::handle_request(proto::Now now, ExchangeId exchange, const HttpRequest& request) {
    auto target = read_target(request.target);
    Call call{now, exchange, request, {}, nullptr, {}, {}};
    if (!target) return refuse(call, target.error());
    call.target = std::move(*target);
    route(call);
}

void HttpApi::route(Call& call) {
    const auto& path = call.target.path;
    if (path.size() == 1 && path[0] == "healthz") return dispatch(call, {{"GET", Access::read, &HttpApi::get_health}});
    if (path.size() == 1 && path[0] == "metrics") return dispatch(call, {{"GET", Access::read, &HttpApi::get_metrics}});
    if (path.size() == 2 && path[0] == "v1" && path[1] == "node")
        return dispatch(call, {{"GET", Access::admin, &HttpApi::get_node}});
    if ((path.size() == 3 || path.size() == 4) && path[0] == "v1") return route_presentity(call);
    refuse(call, {Reason::not_found, "no such path"});
}

void HttpApi::route_presentity(Call& call) {
    const auto& path = call.target.path;
    auto presentity = proto::PresentityUri::parse(path[2]);
    const std::string& what = path[1];
    const bool known = what == "presence" || what == "rules" || what == "watchers";
    const bool events = path.size() == 4 && what == "presence" && path[3] == "events";
    if (!known || (path.size() == 4 && !events)) return refuse(call, {Reason::not_found, "no such path"});
    if (!presentity)
        return refuse(call, {presentity.error().reason, "not a presentity URI: " + presentity.error().detail});
    call.presentity = std::move(*presentity);
    if (events) return dispatch(call, {{"GET", Access::read, &HttpApi::get_events, "watcher"}});
    if (what == "presence") {
        return dispatch(call, {{"GET", Access::read, &HttpApi::get_presence, "watcher wait"},
                               {"PUT", Access::write, &HttpApi::put_presence, "publication expires"},
                               {"DELETE", Access::write, &HttpApi::delete_presence, "publication"}});
    }
    if (what == "rules")
        return dispatch(call,
                        {{"GET", Access::write, &HttpApi::get_rules}, {"PUT", Access::write, &HttpApi::put_rules}});
    dispatch(call, {{"GET", Access::write, &HttpApi::get_watchers}, {"POST", Access::write, &HttpApi::post_watchers}});
}

void HttpApi::dispatch(Call& call, std::initializer_list<Method> methods) {
    std::string allowed;
    for (const auto& method : methods) {
        const bool has_head = method.name == "GET" && method.handler != &HttpApi::get_events;
        if (call.request.method == method.name || (has_head && call.request.method == "HEAD")) {
            if (authorize(call, method.access) && takes_parameters(call, method.parameters))
                (this->*method.handler)(call);
            return;
        }
        allowed += (allowed.empty() ? "" : ", ") + std::string(method.name) + (has_head ? ", HEAD" : "");
    }
    auto response = problem(405, to_string(Reason::unsupported), "this path takes " + allowed);
    response.headers.emplace_back("Allow", allowed);
    respond(call.exchange, std::move(response));
}

/// A misspelt one would be a request that means something else.
bool HttpApi::takes_parameters(Call& call, std::string_view known) {
    const std::string names = " " + std::string(known) + " ";
    for (const auto& [name, value] : call.target.query) {
        if (!name.empty() && name.find(' ') == std::string::npos && names.find(" " + name + " ") != std::string::npos)
            continue;
        refuse(call, {Reason::malformed, "the parameter \"" + name + "\" is not known here" +
                                             (known.empty() ? "" : "; this method takes " + std::string(known))});
        return false;
    }
    return true;
}

bool HttpApi::authorize(Call& call, Access wanted) {
    const auto& first = call.target.path[0];
    if (first == "healthz" || (first == "metrics" && settings_.open_metrics)) return true;
    const auto token = bearer_token(call.request.header("authorization"));
    call.token = Tokens::digest_of(token);
    call.grant = token.empty() ? nullptr : tokens_.find(call.token);
    if (call.grant == nullptr) {
        refuse(call, {Reason::unauthorized, token.empty() ? "a bearer token is wanted" : "the token is not known"});
        return false;
    }
    // What changes or shows a user's own affairs is for that user; reading presence is decided by the presentity's
    // rules.
    const bool own_affair = wanted == Access::write && !call.presentity.empty();
    if (call.grant->access < wanted || (own_affair && !call.grant->may_act_for(call.presentity))) {
        refuse(call, {Reason::forbidden, "the token does not allow this"});
        return false;
    }
    return true;
}

// ---- the node

void HttpApi::get_health(Call& call) {
    HttpResponse response;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "ok\n";
    respond(call.exchange, std::move(response));
}

void HttpApi::get_metrics(Call& call) {
    HttpResponse response;
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    response.body = report_to_prometheus(report_());
    respond(call.exchange, std::move(response));
}

void HttpApi::get_node(Call& call) {
    respond_json(call, report_to_json(report_()));
}

// ---- reading

proto::Result<proto::PresentityUri> HttpApi::watcher_of(const Call& call) const {
    const auto named = call.target.parameter("watcher");
    if (!named.empty()) {
        auto watcher = proto::PresentityUri::parse(named);
        if (watcher && !call.grant->may_act_for(*watcher))
            return proto::refuse(Reason::forbidden, "the token is not this watcher's");
        return watcher;
    }
    if (call.grant->user) return *call.grant->user;
    if (service_.serves(call.presentity)) return call.presentity;
    return proto::refuse(
        Reason::malformed,
        "this token is nobody's in particular: say who reads, with ?watcher=user@domain, or presmesh --as user@domain");
}

void HttpApi::get_presence(Call& call) {
    Reader reader;
    reader.media = choose_media(call.request.header("accept"), {media_json, media_pidf});
    if (reader.media.empty()) {
        return respond(call.exchange, problem(406, to_string(Reason::unsupported_type),
                                              "application/json and application/pidf+xml are to be had"));
    }
    const auto asked = call.target.parameter("wait");
    const auto seconds = whole_number(asked);
    if (!asked.empty() && (!seconds || std::chrono::seconds(*seconds) > proto::limits::http_fetch_wait_max)) {
        return refuse(call, {Reason::malformed, "wait must be 0 to 30 seconds"});
    }
    reader.deadline = call.now.steady + (seconds ? std::chrono::seconds(*seconds) : proto::limits::http_fetch_wait);
    reader.asked = call.now.steady;
    start_reader(call, std::move(reader));
}

void HttpApi::get_events(Call& call) {
    if (choose_media(call.request.header("accept"), {"text/event-stream"}).empty()) {
        return respond(call.exchange,
                       problem(406, to_string(Reason::unsupported_type), "text/event-stream is to be had"));
    }
    Reader reader;
    reader.streaming = true;
    start_reader(call, std::move(reader));
}

void HttpApi::start_reader(Call& call, Reader reader) {
    if (readers_.size() >= proto::limits::http_streams)
        return refuse(call, {Reason::quota, "too many event streams are open"});
    auto watcher = watcher_of(call);
    if (!watcher) return refuse(call, watcher.error());
    const auto watch = service_.watch(call.now, *this, *watcher, call.presentity);
    if (!watch) return refuse(call, watch.error());
    reader.exchange = call.exchange;
    reader.token = call.token;
    reader.watcher = *watcher;
    reader.presentity = call.presentity;
    if (reader.streaming) {
        HttpResponse head;
        head.content_type = "text/event-stream";
        head.headers.emplace_back("Cache-Control", "no-store");
        head.body = "retry: " + std::to_string(std::chrono::milliseconds(proto::limits::http_retry).count()) + "\n\n";
        outputs_.push_back({call.exchange, HttpOutput::Kind::stream_begin, std::move(head), {}});
        next_heartbeat_ = std::min(next_heartbeat_, call.now.steady + settings_.heartbeat);
    }
    if (!reader.streaming) ++fetches_;
    watch_of_[call.exchange] = *watch;
    readers_.emplace(*watch, std::move(reader));
}

void HttpApi::view_changed(proto::Now now, WatchId watch, const View& view) {
    const auto reader = readers_.find(watch);
    if (reader == readers_.end()) return;
    if (reader->second.streaming) {
        send_event(reader->second, view);
    } else if (view.document || view.state == WatchState::terminated) {
        answer_fetch(now, watch, view);
    }
}

void HttpApi::send_event(Reader& reader, const View& view) {
    HttpOutput output{reader.exchange, HttpOutput::Kind::event, {}, {}};
    output.text = "id: " + std::to_string(++reader.events) +
                  "\nevent: presence\ndata: " + view_to_json(reader.presentity, view) + "\n\n";
    outputs_.push_back(std::move(output));
}

/// Nothing is kept of it, and its watch ends.
HttpApi::Reader HttpApi::take_reader(proto::Now now, WatchId watch) {
    auto reader = std::move(readers_.extract(watch).mapped());
    if (!reader.streaming) --fetches_;
    watch_of_.erase(reader.exchange);
    service_.unwatch(now, watch);
    return reader;
}

/// Before its client wanted so: a stream can only end, a waiting fetch is told why.
void HttpApi::end_reader(const Reader& reader, const proto::Error& why) {
    if (!reader.streaming) return respond(reader.exchange, problem(why));
    outputs_.push_back({reader.exchange, HttpOutput::Kind::stream_end, {}, {}});
}

void HttpApi::answer_fetch(proto::Now now, WatchId watch, const View& view) {
    const auto reader = take_reader(now, watch);
    respond(reader.exchange, view_response(reader.presentity, view, reader.media));
}

void HttpApi::handle_closed(proto::Now now, ExchangeId exchange) {
    const auto found = watch_of_.find(exchange);
    if (found != watch_of_.end()) take_reader(now, found->second);
}

// ---- time

void HttpApi::handle_timeout(proto::Now now) {
    if (fetches_ > 0 && now.steady >= fetch_check_) check_fetches(now);
    if (now.steady >= next_heartbeat_) send_heartbeats(now);
    if (now.steady < next_sweep_) return;
    slots_.sweep(now);
    next_sweep_ = now.steady + sweep_every;
}

void HttpApi::check_fetches(proto::Now now) {
    std::vector<WatchId> due;
    for (const auto& [watch, reader] : readers_) {
        if (reader.streaming) continue;
        const bool settled = service_.settled(watch);
        const bool nothing_there = settled && service_.view(watch).state == WatchState::active;
        const bool waited = settled && now.steady >= reader.asked + answer_grace;
        if (nothing_there || waited || now.steady >= reader.deadline) due.push_back(watch);
    }
    for (const auto watch : due) answer_fetch(now, watch, service_.view(watch));
    fetch_check_ = now.steady + settle_check;
}

void HttpApi::send_heartbeats(proto::Now now) {
    next_heartbeat_ = proto::never;
    for (const auto& [watch, reader] : readers_) {
        if (!reader.streaming) continue;
        outputs_.push_back({reader.exchange, HttpOutput::Kind::heartbeat, {}, {}});
        next_heartbeat_ = now.steady + settings_.heartbeat;
    }
}

proto::SteadyTime HttpApi::next_timeout() const {
    const auto next = std::min(next_heartbeat_, next_sweep_);
    return fetches_ > 0 ? std::min(next, fetch_check_) : next;
}

}  // namespace presmesh::daemon
