#include "node/cli/view_text.hpp"

#include "node/daemon/printable.hpp"

namespace presmesh::cli {

std::string text_of(const Json& json, const char* key) {
    return json.contains(key) && json[key].is_string() ? daemon::quotable(json[key].get_ref<const std::string&>()) : "";
}

std::string line_of(const Json& view) {
    std::string line = text_of(view, "presentity");
    const auto liveness = text_of(view, "liveness");
    if (text_of(view, "state") != "active")
        line += "  " + text_of(view, "state") +
                (text_of(view, "reason").empty() ? "" : " (" + text_of(view, "reason") + ")");
    if (!view.contains("presence") || !view["presence"].is_object()) return line + "  nothing is known\n";
    if (liveness != "live") line += "  [" + liveness + "]";
    const auto& presence = view["presence"];
    if (!presence.contains("services")) return line + "  no service\n";
    for (const auto& service : presence["services"]) {
        line +=
            "  " + text_of(service, "basic") + (text_of(service, "show").empty() ? "" : " " + text_of(service, "show"));
        if (service.contains("notes") && !service["notes"].empty())
            line += " \"" + text_of(service["notes"][0], "text") + "\"";
        line += " (" + text_of(service, "id") + ")";
    }
    return line + "\n";
}

std::string rules_text(const Json& json) {
    std::string text;
    for (const auto* list : {"rules", "decisions"}) {
        if (!json.contains(list)) continue;
        for (const auto& rule : json[list])
            text += text_of(rule, "who") + "  " + text_of(rule, "handling") +
                    (std::string_view(list) == "decisions" ? "  (decided)" : "") + "\n";
    }
    return text.empty() ? "no rules of its own: the node's default holds\n" : text;
}

std::string watchers_text(const Json& json) {
    std::string text;
    if (!json.contains("watchers")) return text;
    for (const auto& one : json["watchers"])
        text += text_of(one, "watcher") + "  " + text_of(one, "state") + "  " + text_of(one, "handling") + "\n";
    return text.empty() ? "nobody watches\n" : text;
}

}  // namespace presmesh::cli
