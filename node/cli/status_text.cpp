#include "node/cli/status_text.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "node/daemon/printable.hpp"

namespace presmesh::cli {

std::string word(const Json& json, const char* key) {
    if (!json.contains(key)) return "-";
    return json[key].is_string() ? daemon::quotable(json[key].get_ref<const std::string&>()) : json[key].dump();
}

const Json& part(const Json& json, const char* key) {
    static const Json empty = Json::object();
    return json.is_object() && json.contains(key) ? json[key] : empty;
}

namespace {

/// "1 watcher", "2 watchers"
std::string counted(const Json& json, const char* key, const std::string& one, const std::string& many) {
    const auto number = word(json, key);
    return number + " " + (number == "1" ? one : many);
}

std::string line(std::string title, const std::string& text) {
    title.resize(13, ' ');
    return title + text + "\n";
}

std::string names_of(const Json& list) {
    std::string text;
    for (const auto& name : list) text += (text.empty() ? "" : ", ") + daemon::quotable(name.get<std::string>());
    return text.empty() ? "none" : text;
}

bool any(const Json& json) {
    return std::any_of(json.begin(), json.end(), [](const Json& value) { return value != 0; });
}

std::string leases_text(const Json& leases) {
    return word(leases, "live") + " live, " + word(leases, "stale") + " in doubt, " + word(leases, "unknown") +
           " unknown (told within " + std::to_string(leases.value("bound_ms", 0) / 1000) + " s of a crash)";
}

std::string repair_text(const Json& repair) {
    if (!any(repair)) return "nothing to be done";
    return word(repair, "asking") + " digests to compare, " + word(repair, "sending") + " documents to send, " +
           word(repair, "records_waiting") + " records to write, " + word(repair, "lookups") + " look-ups";
}

/// Those that hold something, the fullest first.
std::string queues_text(const Json& queues) {
    std::vector<std::pair<double, std::string>> used;
    for (const auto& [name, fill] : queues.items()) {
        const auto bound = std::max(1.0, fill.value("bound", 1.0));
        if (fill.value("used", 0.0) > 0)
            used.emplace_back(-fill.value("used", 0.0) / bound,
                              daemon::quotable(name) + " " + word(fill, "used") + " of " + word(fill, "bound"));
    }
    std::sort(used.begin(), used.end());
    std::string text;
    for (const auto& [fullness, one] : used) text += line(text.empty() ? "queues" : "", one);
    return text.empty() ? line("queues", "all empty") : text;
}

std::string refused_text(const Json& refused) {
    std::string text;
    for (const auto& [part, reasons] : refused.items())
        for (const auto& [reason, count] : reasons.items())
            text += line(text.empty() ? "refused" : "", daemon::quotable(part + " " + reason) + ": " + count.dump());
    return text.empty() ? line("refused", "nothing") : text;
}

std::string coalesced_text(const Json& coalesced, const Json& service) {
    return word(coalesced, "changes") + " changes, " + word(coalesced, "views") + " views, " +
           word(coalesced, "channel_documents") +
           " documents on their way; held back now: " + word(service, "changes_held") + " changes, " +
           word(service, "views_held") + " views";
}

std::string link_text(const Json& link) {
    auto text = word(link, "name") + ": " + word(link, "state") + " since " + word(link, "since");
    if (link.contains("reason")) text += ", " + word(link, "reason");
    return text;
}

std::string peer_text(const Json& peer) {
    std::string text = word(peer, "domain");
    text += peer.contains("endpoint") ? " at " + word(peer, "endpoint") : ", no session";
    text += ": " + word(peer, "liveness");
    if (peer.contains("silent_ms"))
        text += ", heard " + std::to_string(peer["silent_ms"].get<long>() / 1000) + " s ago";
    if (peer.value("asking", 0) > 0) text += ", " + word(peer, "asking") + " digests to compare";
    if (peer.value("sending", 0) > 0) text += ", " + word(peer, "sending") + " documents to send";
    return text;
}

}  // namespace

std::string status_text(const Json& json) {
    const auto& service = part(json, "service");
    const auto& overlay = part(json, "overlay");
    const auto& dht = part(overlay, "dht");
    auto text = line("node", word(json, "node") + " of " + word(json, "domain"));
    text += line("running", "version " + word(json, "version") + " since " + word(json, "started"));
    text += line("certificate", "good until " + word(json, "certificate_not_after"));
    text += line("reached at", names_of(part(json, "advertised")));
    text += line("translators", names_of(part(json, "translators")));
    for (const auto& link : part(json, "links")) text += line("  link", link_text(link));
    text += line("publishing", counted(service, "presentities", "user", "users") + " with " +
                                   counted(service, "publications", "publication", "publications"));
    text += line("watching", counted(service, "watches", "watch", "watches") + " of our users");
    text += line("watched by", counted(service, "watchers", "watcher", "watchers") + ", of which " +
                                   word(service, "pending") + " wait to be approved");
    text += line("DHT", counted(dht, "good_peers", "peer", "peers") + " in the routing tables, " +
                            counted(dht, "stored_records", "record", "records") + " held");
    text += line("federation", counted(json, "members", "member", "members") + ", this one included; digest " +
                                   word(json, "federation"));
    text += line("leases", leases_text(part(json, "leases")));
    text += line("repair", repair_text(part(json, "repair")));
    text += queues_text(part(json, "queues"));
    text += line("coalesced", coalesced_text(part(json, "coalesced"), service));
    text += refused_text(part(json, "refused"));
    for (const auto& peer : part(overlay, "peers")) text += line("  node", peer_text(peer));
    return text;
}

}  // namespace presmesh::cli
