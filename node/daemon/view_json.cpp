#include "node/daemon/view_json.hpp"

#include <nlohmann/json.hpp>

#include "node/daemon/presence_json.hpp"
#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "translators/sip/pidf.hpp"

namespace presmesh::daemon {

using proto::Reason;
using translators::View;
using translators::WatchState;

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

HttpResponse pidf_response(const proto::PresentityUri& presentity, const View& view) {
    HttpResponse response;
    response.headers.emplace_back("Presence-State", std::string(proto::to_string(view.state)));
    response.headers.emplace_back("Presence-Liveness", std::string(proto::to_string(view.liveness)));
    if (!view.document) {
        response.status = 204;
        return response;
    }
    response.content_type = std::string(media_pidf);
    response.body = translators::sip::write_pidf(presentity, view.document->presence());
    return response;
}

Json rules_array(const std::vector<node::Rule>& rules) {
    Json array = Json::array();
    for (const auto& rule : rules)
        array.push_back({{"who", rule.who()}, {"handling", node::to_string(rule.handling())}});
    return array;
}

/// An object of texts with exactly these members.
proto::Result<Json> read_object(std::string_view text, std::initializer_list<std::string_view> members) {
    if (text.size() > proto::limits::http_body_bytes) return proto::refuse(Reason::too_large, "the body is too large");
    int depth = 0;
    for (const char c : text) {
        // Brackets within texts are counted too: no member of these bodies has any.
        if ((c == '{' || c == '[') && ++depth > 8)
            return proto::refuse(Reason::malformed, "the body is nested too deeply");
        if (c == '}' || c == ']') --depth;
    }
    auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return proto::refuse(Reason::malformed, "the body must be a JSON object");
    for (const auto& [key, value] : json.items()) {
        if (std::find(members.begin(), members.end(), key) == members.end()) {
            return proto::refuse(Reason::malformed, key.substr(0, 64) + " is not a member that is known");
        }
    }
    return json;
}

proto::Result<node::Rule> rule_from_json(const Json& json) {
    const bool fits = json.is_object() && json.size() == 2 && json.contains("who") && json.contains("handling") &&
                      json["who"].is_string() && json["handling"].is_string();
    if (!fits) return proto::refuse(Reason::malformed, "each rule must be {\"who\": ..., \"handling\": ...}");
    auto handling = node::parse_handling(json["handling"].get<std::string>());
    if (!handling) return proto::refuse(Reason::malformed, "handling must be allow, confirm, polite-block or block");
    return node::Rule::make(json["who"].get<std::string>(), *handling);
}

}  // namespace

std::string view_to_json(const proto::PresentityUri& presentity, const View& view) {
    // The document is spliced in as text: it is written once per view that way, and stays in its own member order.
    Json head = {{"presentity", presentity.pres()}, {"state", proto::to_string(view.state)}};
    if (!view.reason.empty()) head["reason"] = view.reason;
    head["liveness"] = proto::to_string(view.liveness);
    auto text = dump(head);
    text.pop_back();
    return text + ",\"presence\":" + (view.document ? presence_to_json(view.document->presence()) : "null") + "}";
}

HttpResponse view_response(const proto::PresentityUri& presentity, const View& view, std::string_view media) {
    if (view.state == WatchState::terminated && view.reason == "rejected") {
        return problem(403, to_string(Reason::forbidden), "the presentity does not show itself to this watcher");
    }
    if (media == media_pidf) return pidf_response(presentity, view);
    HttpResponse response;
    response.content_type = std::string(media_json);
    response.body = view_to_json(presentity, view) + "\n";
    return response;
}

std::string rules_to_json(const proto::PresentityUri& presentity, const node::RuleSet& rules,
                          const std::vector<node::Rule>& decisions) {
    return dump({{"presentity", presentity.pres()},
                 {"rules", rules_array(rules.rules())},
                 {"decisions", rules_array(decisions)}});
}

proto::Result<node::RuleSet> rules_from_json(std::string_view text) {
    auto json = read_object(text, {"rules"});
    if (!json) return tl::make_unexpected(json.error());
    if (!json->contains("rules") || !(*json)["rules"].is_array())
        return proto::refuse(Reason::malformed, "rules must be an array");
    std::vector<node::Rule> rules;
    for (const auto& one : (*json)["rules"]) {
        auto rule = rule_from_json(one);
        if (!rule) return tl::make_unexpected(rule.error());
        rules.push_back(std::move(*rule));
    }
    return node::RuleSet::make(rules);
}

std::string watchers_to_json(const proto::PresentityUri& presentity, const std::vector<node::WatcherInfo>& watchers) {
    Json array = Json::array();
    for (const auto& info : watchers) {
        array.push_back({{"watcher", info.watcher.pres()},
                         {"state", proto::to_string(info.state)},
                         {"handling", node::to_string(info.handling)},
                         {"remote", info.remote},
                         {"attended", info.attended},
                         {"since", to_rfc3339(info.since)}});
    }
    return dump({{"presentity", presentity.pres()}, {"watchers", std::move(array)}});
}

proto::Result<Decision> decision_from_json(std::string_view text) {
    auto json = read_object(text, {"watcher", "decision"});
    if (!json) return tl::make_unexpected(json.error());
    if (!json->contains("watcher") || !(*json)["watcher"].is_string())
        return proto::refuse(Reason::malformed, "watcher must be a presentity URI");
    auto watcher = proto::PresentityUri::parse((*json)["watcher"].get<std::string>());
    if (!watcher) return tl::make_unexpected(watcher.error());
    if (!json->contains("decision")) return proto::refuse(Reason::malformed, "decision is missing");
    const auto& word = (*json)["decision"];
    if (word.is_null()) return Decision{std::move(*watcher), std::nullopt};
    if (!word.is_string())
        return proto::refuse(Reason::malformed, "decision must be allow, polite-block, block, confirm or null");
    auto handling = node::parse_handling(word.get<std::string>());
    if (!handling)
        return proto::refuse(Reason::malformed, "decision must be allow, polite-block, block, confirm or null");
    return Decision{std::move(*watcher), *handling};
}

}  // namespace presmesh::daemon
