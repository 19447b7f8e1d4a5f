// presmesh status and doctor: how the node is, and what may be wrong with it.
#include <algorithm>
#include <filesystem>

#include "node/cli/checks.hpp"
#include "node/cli/client.hpp"
#include "node/cli/commands.hpp"
#include "node/cli/status_text.hpp"
#include "node/daemon/bootstrap.hpp"
#include "node/daemon/files.hpp"
#include "node/daemon/material.hpp"
#include "node/daemon/printable.hpp"
#include "node/daemon/secrets.hpp"
#include "node/daemon/system.hpp"
#include "node/daemon/udp_socket.hpp"
#include "overlay/dht_node.hpp"
#include "proto/rfc3339.hpp"

namespace presmesh::cli {

namespace {

int status(const Options& options) {
    const auto client = Client::make(options);
    if (!client) return no_client(options, client.error());
    const auto reply = client->ask("GET", "/v1/node");
    if (!reply) return refused(options, reply.error());
    const auto json = Json::parse(reply->body, nullptr, false);
    if (!json.is_object()) return refused(options, not_json);
    return done(options, json, status_text(json));
}

/// The findings of the doctor, in the order they were made.
class Findings {
  public:
    void add(bool ok, const std::string& what, const std::string& text) {
        list_.push_back({{"ok", ok}, {"check", what}, {"text", text}});
        text_ += std::string(ok ? "ok    " : "FAULT ") + what + ": " + daemon::printable(text) + "\n";
        healthy_ = healthy_ && ok;
    }
    /// Nothing to mend, and yet to be known.
    void note(const std::string& what, const std::string& text) {
        list_.push_back({{"ok", true}, {"check", what}, {"text", text}, {"note", true}});
        text_ += "note  " + what + ": " + daemon::printable(text) + "\n";
    }
    int finish(const Options& options) const {
        const int printed = done(options, {{"healthy", healthy_}, {"findings", list_}}, text_);
        return healthy_ ? printed : static_cast<int>(exit_refused);
    }

  private:
    Json list_ = Json::array();
    std::string text_;
    bool healthy_ = true;
};

void check_certificate(const daemon::Material& material, proto::WallTime now, Findings& findings) {
    if (!material.certificate) return;
    const auto left = material.certificate->not_after - now;
    const auto days = std::chrono::duration_cast<std::chrono::hours>(left).count() / 24;
    const bool long_enough = left >= proto::limits::certificate_warning;
    findings.add(long_enough, "certificate",
                 (left.count() < 0 ? "it ran out" : "good for " + std::to_string(days) + " more days") +
                     std::string(!long_enough ? "; make a new one with presmesh node-cert, and restart the node" : ""));
}

void check_federation(const daemon::Loaded& loaded, Findings& findings) {
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

void check_domains(const daemon::Loaded& loaded, proto::WallTime now, Findings& findings) {
    for (const auto& domain : daemon::domains_not_ours(loaded.config, *loaded.material.federation, now)) {
        findings.add(false, "domain",
                     "a translator is for " + domain + ", which the federation file does not delegate to " +
                         loaded.config.node.domain + ": its users are not published");
    }
}

void check_secrets(const daemon::Config& config, Findings& findings) {
    const auto exposed = daemon::exposed_secrets(config);
    for (const auto& one : exposed) findings.add(false, "secrets", one);
    if (exposed.empty())
        findings.add(true, "secrets",
                     "others cannot read the keys, the tokens, the federation file, the attached servers' secrets");
    if (const auto key = daemon::domain_key_here(config); !key.empty())
        findings.note("domain.key", key +
                                        " lies on this node, which does not need it: who breaks in here could make "
                                        "nodes of the domain. Keep it elsewhere");
}

void check_space(const daemon::Config& config, Findings& findings) {
    const auto folder = daemon::folder_of(config.node.state_file);
    std::error_code error;
    const auto free = std::filesystem::space(folder, error).available;
    if (error) return findings.add(false, "space", "nothing can be said of " + folder + ": " + error.message());
    const auto fault = space_fault(folder, free);
    findings.add(fault.empty(), "space",
                 fault.empty() ? std::to_string(free >> 20) + " MB are free in " + folder : fault);
}

void check_ports(const daemon::Config& config, bool running, Findings& findings) {
    for (const auto& endpoint : config.node.listen) {
        const auto socket = daemon::UdpSocket::open(endpoint);
        const bool taken = !socket && socket.error().reason == proto::Reason::conflict;
        std::string text = socket ? "UDP " + endpoint.to_string() + " is free" : socket.error().detail;
        if (running && socket) text += ", so the daemon that runs was started with another config";
        if (running && taken) text = "UDP " + endpoint.to_string() + " is in use by the running daemon";
        if (!running && taken) text += "; another program, or a daemon that does not answer HTTP";
        findings.add(running ? taken : socket.has_value(), "port", text);
    }
}

/// The daemon keeps the certificate it started with.
void check_running_certificate(const Json& node, const daemon::Loaded& loaded, Findings& findings) {
    const auto& file = loaded.config.node.certificate_file;
    const auto& certificate = *loaded.material.certificate;
    const bool same = word(node, "node") == proto::to_hex(proto::node_id(certificate.node_key)) &&
                      word(node, "certificate_not_after") == proto::to_rfc3339(certificate.not_after);
    findings.add(same, "restart",
                 same ? "the daemon runs with the certificate in " + file
                      : "the daemon runs with another certificate than " + file + ", that of node " +
                            word(node, "node") + " until " + word(node, "certificate_not_after") + ": restart it");
}

void check_federation_in_use(const Json& node, const proto::Federation& federation, Findings& findings) {
    const auto digest = daemon::federation_digest(federation);
    const bool same = word(node, "federation") == digest;
    findings.add(same, "reload",
                 same ? "the daemon uses the federation file as it is"
                      : "the daemon uses another federation file, with digest " + word(node, "federation") +
                            "; the file has " + digest + ": send the daemon SIGHUP");
}

void check_links(const Json& node, Findings& findings) {
    for (const auto& link : part(node, "links")) {
        const auto state = word(link, "state");
        auto text = word(link, "name") + " is " + state + " since " + word(link, "since");
        if (state == "down")
            text += " (" + word(link, "reason") + "): is the attached server there, and does it take us?";
        if (state == "untried")
            text = word(link, "name") + ": the attached server was not asked anything yet, or has still time to answer";
        const bool amiss = state == "up" && link.contains("reason");
        if (amiss)
            text += " (" + word(link, "reason") +
                    "): it sends here what is for other hosts, and perhaps what is for ours elsewhere. An ejabberd "
                    "needs \"global_routes: false\" beside its hosts";
        findings.add(state != "down" && !amiss, "link", text);
    }
}

void check_daemon(const Json& node, const daemon::Loaded& loaded, Findings& findings) {
    findings.add(word(node, "domain") == loaded.config.node.domain, "daemon",
                 "runs for " + word(node, "domain") + ", version " + word(node, "version"));
    if (const auto clock = clock_fault(node); !clock.empty()) findings.add(false, "clock", clock);
    check_running_certificate(node, loaded, findings);
    const auto& peers = part(part(node, "overlay"), "peers");
    const auto live =
        std::count_if(peers.begin(), peers.end(), [](const Json& peer) { return word(peer, "liveness") == "live"; });
    const auto members = loaded.material.federation->members.size();
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
    check_federation_in_use(node, *loaded.material.federation, findings);
    check_links(node, findings);
}

int doctor(const Options& options) {
    Findings findings;
    const auto now = daemon::system_now().wall;
    const auto path = config_path(options);
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
    check_secrets(loaded.config, findings);
    check_space(loaded.config, findings);
    check_federation(loaded, findings);
    check_domains(loaded, now, findings);
    const auto client = Client::make(options);
    const auto reply = client ? client->request("GET", "/v1/node") : tl::make_unexpected(client.error());
    check_ports(loaded.config, reply.has_value(), findings);
    const auto node = reply ? Json::parse(reply->body, nullptr, false) : Json();
    if (!reply || reply->status >= 400) {
        findings.add(false, "daemon", reply ? problem_of(*reply).detail : reply.error().detail);
    } else if (!node.is_object()) {
        findings.add(false, "daemon", not_json);
    } else {
        check_daemon(node, loaded, findings);
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
