// presmesh status and doctor: how the node is, and what may be wrong with it.
#include "node/cli/client.hpp"
#include "node/cli/commands.hpp"
#include "node/daemon/bootstrap.hpp"
#include "node/daemon/material.hpp"
#include "node/daemon/system.hpp"
#include "node/daemon/udp_socket.hpp"

namespace presmesh::cli {

namespace {

std::string word(const Json& json, const char* key) {
    if (!json.contains(key)) return "-";
    return json[key].is_string() ? json[key].get<std::string>() : json[key].dump();
}

std::string status_text(const Json& json) {
    const Json empty = Json::object();
    const auto& service = json.contains("service") ? json["service"] : empty;
    const auto& overlay = json.contains("overlay") ? json["overlay"] : empty;
    const auto& dht = overlay.contains("dht") ? overlay["dht"] : empty;
    std::string text = "node " + word(json, "node") + " of " + word(json, "domain") + ", version " +
                       word(json, "version") + ", since " + word(json, "started") + "\n";
    text += "presentities " + word(service, "presentities") + "  publications " + word(service, "publications") +
            "  watches " + word(service, "watches") + "  watchers " + word(service, "watchers") + "  pending " +
            word(service, "pending") + "\n";
    text += "federation members " + word(json, "members") + "  dht peers " + word(dht, "good_peers") +
            "  records held " + word(dht, "stored_records") + "\n";
    if (!overlay.contains("peers")) return text;
    for (const auto& peer : overlay["peers"])
        text += "peer " + word(peer, "domain") + "  " + word(peer, "endpoint") + "  " + word(peer, "liveness") + "\n";
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
                 days < 0 ? "it ran out" : "good for " + std::to_string(days) + " more days");
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
    findings.add(members.size() < 2 || with_bootstrap > 0, "federation",
                 std::to_string(members.size()) + " members, " + std::to_string(with_bootstrap) +
                     " others with an address to start from");
}

void check_ports(const daemon::Config& config, bool running, Findings& findings) {
    for (const auto& endpoint : config.node.listen) {
        const auto socket = daemon::UdpSocket::open(endpoint);
        if (running) {
            findings.add(!socket, "port",
                         endpoint.to_string() + (socket ? " is not taken though the daemon runs" : " is the daemon's"));
        } else {
            findings.add(socket.has_value(), "port",
                         socket ? endpoint.to_string() + " is free" : socket.error().detail);
        }
    }
}

void check_daemon(const Json& node, const daemon::Loaded& loaded, Findings& findings) {
    findings.add(word(node, "domain") == loaded.config.node.domain, "daemon",
                 "runs for " + word(node, "domain") + ", version " + word(node, "version"));
    const auto& overlay = node.contains("overlay") ? node["overlay"] : node;
    const auto peers = overlay.contains("peers") ? overlay["peers"].size() : 0;
    const bool alone = !loaded.material.federation || loaded.material.federation->members.size() < 2;
    findings.add(alone || peers > 0, "peers",
                 peers > 0 ? std::to_string(peers) + " nodes answer"
                 : alone   ? "there is nobody else in the federation"
                           : "no other node answers: is UDP let through?");
    findings.add(node.contains("members") && loaded.material.federation &&
                     node["members"].get<std::size_t>() == loaded.material.federation->members.size(),
                 "reload",
                 "the daemon knows " + word(node, "members") + " members (SIGHUP makes it read the file again)");
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
    findings.add(proto::to_seconds(now) > 1'700'000'000, "clock",
                 "the system's clock reads " + std::to_string(proto::to_seconds(now)) + " s since 1970");
    check_certificate(loaded.material, now, findings);
    check_federation(loaded, findings);
    const auto client = Client::make(options);
    const auto reply = client ? client->ask("GET", "/v1/node") : tl::make_unexpected(client.error());
    const auto node = reply ? Json::parse(reply->body, nullptr, false) : Json();
    check_ports(loaded.config, node.is_object(), findings);
    if (node.is_object()) {
        check_daemon(node, loaded, findings);
    } else {
        findings.add(false, "daemon", reply ? "its answer is not JSON" : reply.error().detail);
    }
    return findings.finish(options);
}

}  // namespace

void add_node(CLI::App& app, const Options& options, Run& run) {
    app.add_subcommand("status", "how the running node is")->callback([&options, &run] {
        run = [&options] { return status(options); };
    });
    app.add_subcommand("doctor", "check config, keys, federation, ports and the running daemon")
        ->callback([&options, &run] { run = [&options] { return doctor(options); }; });
}

}  // namespace presmesh::cli
