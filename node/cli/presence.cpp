// presmesh publish, get, watch, rules, watchers, approve, deny: what users do, through the daemon's HTTP.
#include "node/cli/arguments.hpp"
#include "node/cli/client.hpp"
#include "node/cli/commands.hpp"
#include "node/cli/view_text.hpp"
#include "node/daemon/files.hpp"
#include "node/daemon/http_target.hpp"
#include "node/daemon/presence_json.hpp"
#include "node/rules.hpp"

namespace presmesh::cli {

namespace {

struct Asked {
    std::string uri;
    std::vector<std::string> uris;  ///< of watch
    std::string show;
    std::string note;
    std::string lang;
    std::string activity;
    std::string file;
    std::string publication = "default";
    std::string watcher;
    std::vector<std::string> rules;
    int priority = 0;
    bool has_priority = false;
    bool polite = false;
    int expires = 0;
    int events = 0;
};

std::string path_of(const std::string& what, const std::string& uri) {
    return "/v1/" + what + "/" + daemon::percent_encode(uri);
}
std::string as_query(const Options& options, const char* separator = "?") {
    return options.watcher.empty() ? "" : separator + ("watcher=" + daemon::percent_encode(options.watcher));
}

std::string document_of(const Asked& asked) {
    Json service = {{"id", asked.publication == "default" ? "presmesh" : asked.publication},
                    {"basic", asked.show == "offline" ? "closed" : "open"}};
    if (!asked.show.empty() && asked.show != "available" && asked.show != "offline") service["show"] = asked.show;
    if (asked.has_priority) service["priority"] = asked.priority;
    if (!asked.note.empty()) service["notes"] = {Json{{"lang", asked.lang}, {"text", asked.note}}};
    if (!asked.activity.empty()) service["activities"] = {{"names", {asked.activity}}};
    return dump({{"services", {service}}});
}

/// What the daemon would find wrong with it.
std::optional<proto::Error> fault_of(const std::string& document) {
    const auto presence = daemon::presence_from_json(document);
    if (!presence) return presence.error();
    const auto made = proto::Document::make(*presence);
    return made ? std::nullopt : std::optional(made.error());
}

/// A request whose answer is printed as it is, or as `text` makes it.
int ask(const Options& options, const std::string& method, const std::string& target, const std::string& body,
        const std::function<std::string(const Json&)>& text, const std::string& content_type = "application/json") {
    const auto client = Client::make(options);
    if (!client) return no_client(options, client.error());
    const auto reply = client->ask(method, target, body, content_type);
    if (!reply) return refused(options, reply.error());
    const auto json = reply->body.empty() ? Json::object() : Json::parse(reply->body, nullptr, false);
    if (!json.is_object()) return refused(options, not_json);
    return done(options, json, text(json));
}

int publish(const Options& options, const Asked& asked) {
    std::string query = "?publication=" + daemon::percent_encode(asked.publication);
    if (asked.expires > 0) query += "&expires=" + std::to_string(asked.expires);
    std::string body = document_of(asked);
    std::string type = "application/json";
    if (!asked.file.empty()) {
        auto text = daemon::read_file(asked.file);
        if (!text) return refused(options, text.error());
        body = std::move(*text);
        if (body.find_first_not_of(" \t\r\n\xEF\xBB\xBF") != std::string::npos &&
            body[body.find_first_not_of(" \t\r\n\xEF\xBB\xBF")] == '<')
            type = "application/pidf+xml";
    } else if (const auto wrong = fault_of(body)) {
        return misused(options, *wrong);
    }
    return ask(
        options, "PUT", path_of("presence", asked.uri) + query, body,
        [](const Json& json) {
            return "published for " + std::to_string(json.value("expires", 0)) + " s, entity tag " +
                   text_of(json, "etag") + "\n";
        },
        type);
}

int withdraw(const Options& options, const Asked& asked) {
    return ask(options, "DELETE",
               path_of("presence", asked.uri) + "?publication=" + daemon::percent_encode(asked.publication), {},
               [](const Json&) { return std::string("withdrawn\n"); });
}

int get(const Options& options, const Asked& asked) {
    return ask(options, "GET", path_of("presence", asked.uri) + as_query(options), {}, line_of);
}

int watch(const Options& options, const Asked& asked) {
    const auto client = Client::make(options);
    if (!client) return no_client(options, client.error());
    std::vector<std::string> targets;
    for (const auto& uri : asked.uris) targets.push_back(path_of("presence", uri) + "/events" + as_query(options));
    int left = asked.events;
    int status = exit_ok;
    client->follow(
        targets,
        [&](const std::string& data) {
            const auto json = Json::parse(data, nullptr, false);
            const int printed = json.is_object() ? done(options, json, line_of(json)) : refused(options, not_json);
            if (printed != exit_ok) status = printed;
            return printed == exit_ok && (asked.events == 0 || --left > 0);
        },
        [&](const proto::Error& why) { status = refused(options, why); },
        [&](const std::string& text) { remark(options, text); });
    return status;
}

int rules(const Options& options, const Asked& asked) {
    if (asked.rules.empty()) return ask(options, "GET", path_of("rules", asked.uri), {}, rules_text);
    Json list = Json::array();
    for (const auto& rule : asked.rules) {
        const auto equals = rule.rfind('=');
        if (rule == "none") continue;
        if (equals == std::string::npos || !node::parse_handling(rule.substr(equals + 1)))
            return misused(options, "a rule is WHO=allow|confirm|polite-block|block, or none");
        if (const auto made = node::Rule::make(rule.substr(0, equals), node::Handling::allow); !made)
            return misused(options, "WHO is user@domain, a domain or \"*\", not \"" + rule.substr(0, equals) + "\"");
        list.push_back({{"who", rule.substr(0, equals)}, {"handling", rule.substr(equals + 1)}});
    }
    return ask(options, "PUT", path_of("rules", asked.uri), dump({{"rules", list}}), rules_text);
}

int watchers(const Options& options, const Asked& asked) {
    return ask(options, "GET", path_of("watchers", asked.uri), {}, watchers_text);
}

int decide(const Options& options, const Asked& asked, const char* decision) {
    return ask(options, "POST", path_of("watchers", asked.uri),
               dump({{"watcher", asked.watcher}, {"decision", decision}}), watchers_text);
}

int approve(const Options& options, const Asked& asked) {
    return decide(options, asked, "allow");
}
int deny(const Options& options, const Asked& asked) {
    return decide(options, asked, asked.polite ? "polite-block" : "block");
}

using Action = int (*)(const Options&, const Asked&);

}  // namespace

void add_presence(CLI::App& app, const Options& options, Run& run) {
    const auto asked = std::make_shared<Asked>();
    const auto command = [&](const char* name, const char* about, Action action) {
        auto* made = app.add_subcommand(name, about);
        made->callback(
            [&options, &run, asked, action] { run = [&options, asked, action] { return action(options, *asked); }; });
        return made;
    };
    const auto user = CLI::Validator(is_user, "");
    const auto one_uri = [&](CLI::App* made) {
        return made->add_option("URI", asked->uri, "pres:user@domain, or any spelling of it")->required()->check(user);
    };
    const auto named = [&](CLI::App* made) {
        made->add_option("--publication", asked->publication, "a name: what is published under it again replaces it")
            ->capture_default_str()
            ->check(CLI::Validator(is_publication, ""));
    };

    auto* publishing = command("publish", "say a user's presence", publish);
    one_uri(publishing);
    named(publishing);
    publishing->add_option("--show", asked->show, "how the user is; without it: available")
        ->check(CLI::IsMember({"available", "away", "chat", "dnd", "xa", "offline"}));
    publishing->add_option("--note", asked->note, "a line for people to read");
    publishing->add_option("--lang", asked->lang, "the note's language");
    publishing->add_option("--activity", asked->activity, "an RPID activity, such as on-the-phone");
    publishing
        ->add_option("--priority", asked->priority,
                     "of this publication among the user's others, -128 to 127, as XMPP has it")
        ->check(CLI::Range(-128, 127))
        ->each([asked](const std::string&) { asked->has_priority = true; });
    publishing
        ->add_option("--expires", asked->expires, "how long it holds, in seconds; without it: what the node grants")
        ->check(CLI::Range(1, 86400));
    publishing->add_option("--file", asked->file, "a PIDF or JSON document instead");
    auto* withdrawing = command("withdraw", "take a publication back", withdraw);
    one_uri(withdrawing);
    named(withdrawing);
    one_uri(command("get", "what is known of a user now", get));
    auto* watching = command("watch", "follow users until stopped, over restarts of the daemon too", watch);
    watching->add_option("URI", asked->uris, "one or more users")->required()->check(user);
    watching->add_option("--events", asked->events, "end after so many, of all users together")
        ->check(CLI::PositiveNumber);
    auto* ruling = command("rules", "show or set who may see a user", rules);
    one_uri(ruling);
    ruling->add_option(
        "RULE", asked->rules,
        "WHO=allow|confirm|polite-block|block, WHO being user@domain, a domain or \"*\"; replaces all the user's "
        "rules; the word none takes all away; nothing here: show them");
    one_uri(command("watchers", "who watches a user", watchers));
    auto* approving = command("approve", "let a watcher see a user", approve);
    one_uri(approving);
    approving->add_option("WATCHER", asked->watcher, "user@domain")->required()->check(user);
    auto* denying = command("deny", "refuse a watcher", deny);
    one_uri(denying);
    denying->add_option("WATCHER", asked->watcher, "user@domain")->required()->check(user);
    denying->add_flag("--polite", asked->polite, "without telling: the user looks offline");
}

}  // namespace presmesh::cli
