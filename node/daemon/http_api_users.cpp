// HttpApi: what a user publishes, and who may see it.
#include <algorithm>

#include "node/daemon/http_api.hpp"
#include "node/daemon/presence_json.hpp"
#include "node/daemon/view_json.hpp"
#include "proto/limits.hpp"
#include "translators/sip/pidf.hpp"

namespace presmesh::daemon {

using proto::Reason;
using proto::Result;

namespace {

Result<proto::DocumentPtr> read_document(const HttpRequest& request, const proto::PresentityUri& presentity) {
    if (request.body.empty()) return proto::DocumentPtr{};
    const auto type = media_type(request.header("content-type"));
    if (type == media_json) {
        auto presence = presence_from_json(request.body);
        if (!presence) return tl::make_unexpected(presence.error());
        return proto::Document::make(std::move(*presence));
    }
    if (type != media_pidf)
        return proto::refuse(Reason::unsupported_type, "application/json and application/pidf+xml are taken");
    auto pidf = translators::sip::read_pidf(proto::as_bytes(request.body), request.header("content-language"));
    if (!pidf) return tl::make_unexpected(pidf.error());
    if (pidf->entity != presentity)
        return proto::refuse(Reason::conflict, "the document is about another entity than the path");
    return proto::Document::make(std::move(pidf->presence));
}

Result<std::optional<std::chrono::seconds>> read_expires(const Target& target) {
    const auto text = target.parameter("expires");
    if (text.empty()) return std::optional<std::chrono::seconds>{};
    const auto value = whole_number(text);
    if (!value || *value == 0)
        return proto::refuse(Reason::malformed,
                             "expires must be a number of seconds above 0 (DELETE takes a publication away)");
    return std::optional(std::chrono::seconds(*value));
}

Result<std::string> read_slot(const Target& target) {
    const auto name = target.parameter("publication");
    if (name.size() > proto::limits::http_slot_name_bytes)
        return proto::refuse(Reason::too_large, "the publication's name is longer than 64 bytes");
    return std::string(name.empty() ? "default" : name);
}

HttpResponse receipt_response(bool created, const translators::PublishReceipt& receipt) {
    HttpResponse response;
    response.status = created ? 201 : 200;
    response.headers.emplace_back("ETag", "\"" + receipt.etag + "\"");
    response.content_type = std::string(media_json);
    response.body = "{\"etag\":\"" + receipt.etag + "\",\"expires\":" + std::to_string(receipt.expires.count()) + "}\n";
    return response;
}

}  // namespace

/// Which publication a request is about: the one of its entity tag, or else the one last put into its slot.
Result<HttpApi::Chosen> HttpApi::choose(const Call& call) const {
    auto slot = read_slot(call.target);
    if (!slot) return tl::make_unexpected(slot.error());
    Chosen chosen{std::move(*slot), {}, false};
    chosen.etag = slots_.etag(call.now, call.presentity, chosen.slot);
    // The slot's publication may be gone: taken away by its tag over SIP, say, or run out as the wall clock was set.
    const auto published = service_.publications(call.presentity);
    if (std::none_of(published.begin(), published.end(), [&](const auto& p) { return p.etag == chosen.etag; }))
        chosen.etag.clear();
    const auto if_match = call.request.header("if-match");
    if (!if_match.empty()) {
        auto tag = entity_tag(if_match);
        if (!tag) return tl::make_unexpected(tag.error());
        if (*tag == "*" && chosen.etag.empty())
            return proto::refuse(Reason::condition_failed, "nothing is published under this name");
        if (*tag != "*") chosen.etag = std::move(*tag);
        chosen.conditional = true;
    }
    const auto if_none_match = call.request.header("if-none-match");
    if (if_none_match.empty()) return chosen;
    if (if_none_match != "*") return proto::refuse(Reason::malformed, "If-None-Match must be *");
    if (!chosen.etag.empty())
        return proto::refuse(Reason::condition_failed, "something is published under this name already");
    return chosen;
}

void HttpApi::put_presence(Call& call) {
    auto chosen = choose(call);
    if (!chosen) return refuse(call, chosen.error());
    const auto expires = read_expires(call.target);
    if (!expires) return refuse(call, expires.error());
    auto document = read_document(call.request, call.presentity);
    if (!document) return refuse(call, document.error());
    if (!*document && chosen->etag.empty())
        return refuse(call, {Reason::malformed, "a document is wanted: there is no publication to refresh"});
    if (*document) service_.step(call.now, "http.publish", call.presentity, "publication=" + chosen->slot);

    const std::string before = chosen->etag;
    auto receipt = service_.publish(call.now, {call.presentity, before, *document, *expires});
    if (!receipt) return refuse(call, receipt.error());
    if (chosen->conditional) {
        slots_.replace(call.now, call.presentity, before, receipt->etag, receipt->expires);
    } else {
        slots_.set(call.now, call.presentity, chosen->slot, receipt->etag, receipt->expires);
    }
    respond(call.exchange, receipt_response(before.empty(), *receipt));
}

void HttpApi::delete_presence(Call& call) {
    const auto chosen = choose(call);
    if (!chosen) return refuse(call, chosen.error());
    if (chosen->etag.empty()) return refuse(call, {Reason::not_found, "nothing is published under this name"});
    const auto receipt = service_.publish(call.now, {call.presentity, chosen->etag, nullptr, std::chrono::seconds{0}});
    slots_.replace(call.now, call.presentity, chosen->etag, {}, std::chrono::seconds{0});
    if (!receipt) return refuse(call, receipt.error());
    service_.step(call.now, "http.withdraw", call.presentity, "publication=" + chosen->slot);
    HttpResponse response;
    response.status = 204;
    respond(call.exchange, std::move(response));
}

void HttpApi::get_rules(Call& call) {
    if (!service_.serves(call.presentity)) return refuse(call, {Reason::not_found, "not a presentity of this node"});
    respond_json(call,
                 rules_to_json(call.presentity, service_.rules(call.presentity), service_.decisions(call.presentity)));
}

void HttpApi::put_rules(Call& call) {
    if (media_type(call.request.header("content-type")) != media_json)
        return refuse(call, {Reason::unsupported_type, "application/json is taken"});
    auto rules = rules_from_json(call.request.body);
    if (!rules) return refuse(call, rules.error());
    const auto done = service_.set_rules(call.now, call.presentity, std::move(*rules));
    if (!done) return refuse(call, done.error());
    get_rules(call);
}

void HttpApi::get_watchers(Call& call) {
    if (!service_.serves(call.presentity)) return refuse(call, {Reason::not_found, "not a presentity of this node"});
    respond_json(call, watchers_to_json(call.presentity, service_.watchers(call.presentity)));
}

void HttpApi::post_watchers(Call& call) {
    if (media_type(call.request.header("content-type")) != media_json)
        return refuse(call, {Reason::unsupported_type, "application/json is taken"});
    const auto decision = decision_from_json(call.request.body);
    if (!decision) return refuse(call, decision.error());
    const auto done = service_.decide(call.now, call.presentity, decision->watcher, decision->handling);
    if (!done) return refuse(call, done.error());
    get_watchers(call);
}

}  // namespace presmesh::daemon
