// presmesh status and doctor: how the node is, and what may be wrong with it.
#include <algorithm>

#include "node/cli/client.hpp"
#include "node/cli/commands.hpp"
#include "node/daemon/bootstrap.hpp"
#include "node/daemon/material.hpp"
#include "node/daemon/system.hpp"
#include "node/daemon/udp_socket.hpp"
#include "overlay/dht_node.hpp"
#include "proto/rfc3339.hpp"

namespace presmesh::cli {

namespace {

std::string word(const Json& json, const char* key) {
    if (!json.contains(key)) return "-";
    return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

const Json& part(const Json& json, const char* key) {
    static const Json empty = Json::object();
    return json.is_object() && json.contains(key) ? json[key] : empty;
}

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
    for (const auto& name : list) text += (text.empty() ? "" : ", ") + name.get<std::string>();
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
                              name + " " + word(fill, "used") + " of " + word(fill, "bound"));
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
            text += line(text.empty() ? "refused" : "", part + " " + reason + ": " + count.dump());
    return text.empty() ? line("refused", "nothing") : text;
}

std::string coalesced_text(const Json& coalesced, const Json& service) {
    return word(coalesced, "changes") + " changes, " + word(coalesced, "views") + " views, " +
           word(coalesced, "channel_documents") +
           " documents on their way; held back now: " + word(service, "changes_held") + " changes, " +
           word(service, "views_held") + " views";
}

std::string peer_text(const Json& peer) {
    std::string text = word(peer, "domain") + " at " + word(peer, "endpoint") + ": " + word(peer, "liveness");
    if (peer.contains("silent_ms"))
        text += ", heard " + std::to_string(peer["silent_ms"].get<long>() / 1000) + " s ago";
    if (peer.value("asking", 0) > 0) text += ", " + word(peer, "asking") + " digests to compare";
    if (peer.value("sending", 0) > 0) text += ", " + word(peer, "sending") + " documents to send";
    return text;
}

std::string status_text(const Json& json) {
    const auto& service = part(json, "service");
    const auto& overlay = part(json, "overlay");
    const auto& dht = part(overlay, "dht");
    auto text = line("node", word(json, "node") + " of " + word(json, "domain"));
    text += line("running", "version " + word(json, "version") + " since " + word(json, "started"));
    text += line("certificate", "good until " + word(json, "certificate_not_after"));
    text += line("reached at", names_of(part(json, "advertised")));
    text += line("translators", names_of(part(json, "translators")));
    text += line("publishing", counted(service, "presentities", "user", "users") + " with " +
                                   counted(service, "publications", "publication", "publications"));
    text += line("watching", counted(service, "watches", "watch", "watches") + " of our users");
    text += line("watched by", counted(service, "watchers", "watcher", "watchers") + ", of which " +
                                   word(service, "pending") + " wait to be approved");
    text += line("DHT", counted(dht, "good_peers", "peer", "peers") + " in the routing tables, " +
                            counted(dht, "stored_records", "record", "records") + " held");
    text += line("federation", counted(json, "members", "member", "members") + ", this one included");
    text += line("leases", leases_text(part(json, "leases")));
    text += line("repair", repair_text(part(json, "repair")));
    text += queues_text(part(json, "queues"));
    text += line("coalesced", coalesced_text(part(json, "coalesced"), service));
    text += refused_text(part(json, "refused"));
    for (const auto& peer : part(overlay, "peers")) text += line("  node", peer_text(peer));
    return text;
}

int status(const Options& options) {
    const auto client = Client::make(options);
    if (!client) return refused(options, client.error());
    const auto reply = client->ask("GET", "/v1/node");
    if (!reply) return refused(options, reply.error());
    const auto json = Json::parse(reply->body, nullptr, false);
    return done(options, json, status_text(json));
}

/// The findings of the doctor, in the order they were made.
class Findings {
  public:
    void add(bool ok, const std::string& what, const std::string& text) {
        list_.push_back({{"ok", ok}, {"check", what}, {"text", text}});
        text_ += std::string(ok ? "ok    " : "FAULT ") + what + ": " + text + "\n";
        healthy_ = healthy_ && ok;
    }
    int finish(const Options& options) const {
        done(options, {{"healthy", healthy_}, {"findings", list_}}, text_);
        return healthy_ ? exit_ok : exit_refused;
    }

  private:
    Json list_ = Json::array();
    std::string text_;
    bool healthy_ = true;
};

void check_certificate(const daemon::Material& material, proto::WallTime now, Findings& findings) {
    if (!material.certificate) return;
    const auto days =
        std::chrono::duration_cast<std::chrono::hours>(material.certificate->not_after - now).count() / 24;
    findings.add(days >= 14, "certificate",
                 (days < 0 ? "it ran out" : "good for " + std::to_string(days) + " more days") +
                     std::string(days < 14 ? "; make a new one with presmesh node-cert, and restart the node" : ""));
}

void check_federation(const daemon::Loaded& loaded, Findings& findings) {
    if (!loaded.material.federation) return;
    const auto& members = loaded.material.federation->members;
    std::size_t with_bootstrap = 0;
    for (const auto& [domain, member] : members) {
        with_bootstrap += domain != loaded.config.node.domain && !member.bootstrap.empty() ? 1 : 0;
        for (const auto& entry : member.bootstrap) {
            if (!daemon::split_host_port(entry))
                findings.add(false, "federation", domain + " has a bootstrap entry that is not host:port: " + entry);
        }
    }
    const auto size = std::to_string(members.size());
    if (members.size() < 2) return findings.add(true, "federation", "this provider is its only member so far");
    findings.add(with_bootstrap > 0, "federation",
                 size + " members; of the others, " + std::to_string(with_bootstrap) +
                     (with_bootstrap > 0 ? " with an address to start from"
                                         : " with a bootstrap address: this node can only wait until one calls"));
}

void check_ports(const daemon::Config& config, bool running, Findings& findings) {
    for (const auto& endpoint : config.node.listen) {
        const auto socket = daemon::UdpSocket::open(endpoint);
        if (running) {
            findings.add(!socket, "port",
                         "UDP " + endpoint.to_string() +
                             (socket ? " is free, so the daemon that runs was started with another config"
                                     : " is in use by the running daemon"));
        } else {
            findings.add(socket.has_value(), "port",
                         socket ? "UDP " + endpoint.to_string() + " is free"
                                : socket.error().detail + "; another program, or a daemon that does not answer HTTP");
        }
    }
}

void check_daemon(const Json& node, const daemon::Loaded& loaded, Findings& findings) {
    findings.add(word(node, "domain") == loaded.config.node.domain, "daemon",
                 "runs for " + word(node, "domain") + ", version " + word(node, "version"));
    const auto& peers = part(part(node, "overlay"), "peers");
    const auto live =
        std::count_if(peers.begin(), peers.end(), [](const Json& peer) { return word(peer, "liveness") == "live"; });
    const auto members = loaded.material.federation ? loaded.material.federation->members.size() : 0;
    findings.add(members < 2 || live > 0, "peers",
                 live > 0      ? std::to_string(live) + (live == 1 ? " other node answers" : " other nodes answer")
                 : members < 2 ? "there is nobody else in the federation"
                               : "no other node answers: does a firewall keep UDP out, and is the address in "
                                 "[node] advertise the one where others reach this node?");
    const auto users = part(node, "service").value("presentities", std::size_t{0});
    const auto shards = overlay::shards_for(users);
    findings.add(loaded.config.node.shards >= shards, "shards",
                 std::to_string(users) + " users want " + std::to_string(shards) + " shards, and [node] shards is " +
                     std::to_string(loaded.config.node.shards));
    const bool same = word(node, "members") == std::to_string(members);
    findings.add(same, "reload",
                 same ? "the daemon uses the federation file as it is"
                      : "the daemon knows " + word(node, "members") + " members and the file names " +
                            std::to_string(members) + ": send the daemon SIGHUP");
}

int doctor(const Options& options) {
    Findings findings;
    const auto now = daemon::system_now().wall;
    const auto path = options.config.empty() ? "presmesh.toml" : options.config;
    const auto loaded = daemon::load_all(path, now);
    for (const auto& fault : loaded.faults) findings.add(false, "config", fault.to_string());
    if (!loaded.faults.empty()) return findings.finish(options);
    findings.add(true, "config", path + " and the files it names are fine");
    // A clock far behind would have every record of ours refused; this year is the least that can be told without a
    // network.
    findings.add(
        proto::to_seconds(now) > 1'700'000'000, "clock",
        "it reads " + proto::to_rfc3339(now) + "; nodes more than 5 minutes apart refuse each other's records");
    check_certificate(loaded.material, now, findings);
    check_federation(loaded, findings);
    const auto client = Client::make(options);
    const auto reply = client ? client->ask("GET", "/v1/node") : tl::make_unexpected(client.error());
    const auto node = reply ? Json::parse(reply->body, nullptr, false) : Json();
    const bool answers = reply || reply.error().reason == proto::Reason::forbidden;
    check_ports(loaded.config, answers, findings);
    if (node.is_object()) {
        check_daemon(node, loaded, findings);
    } else {
        findings.add(false, "daemon", reply ? "its answer is not JSON" : reply.error().detail);
    }
    return findings.finish(options);
}

}  // namespace

void add_node(CLI::App& app, const Options& options, Run& run) {
    app.add_subcommand("status", "what the running node does, and which others it knows")->callback([&options, &run] {
        run = [&options] { return status(options); };
    });
    app.add_subcommand(
           "doctor",
           "look for what may be wrong: config, keys, clock, federation, ports, the running daemon; exit status 1 when "
           "something is")
        ->callback([&options, &run] { run = [&options] { return doctor(options); }; });
}

}  // namespace presmesh::cli
