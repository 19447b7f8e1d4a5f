// presmesh init: a provider's keys, its first node, and a config that starts. presmesh node-cert: further nodes.
#include <filesystem>

#include "node/cli/commands.hpp"
#include "node/daemon/config.hpp"
#include "node/daemon/files.hpp"
#include "node/daemon/material.hpp"
#include "node/daemon/system.hpp"
#include "proto/uri.hpp"

namespace presmesh::cli {

namespace {

using daemon::FileMode;

struct InitOptions {
    std::string domain;
    std::string folder = ".";
    std::string advertise = "127.0.0.1:4000";
    std::string http = "127.0.0.1:8470";
    int days = 365;
};
struct CertOptions {
    std::string domain_key = "domain.key";
    std::string domain;
    std::string node_key = "node.key";
    std::string out = "node.cert";
    int days = 365;
};

std::string random_token(proto::Random& random) {
    std::array<std::uint8_t, 24> bytes{};
    random.fill(bytes);
    return proto::to_hex(bytes);
}

std::string config_text(const std::string& domain, const InitOptions& init, const proto::Endpoint& advertise) {
    const std::string listen = (advertise.is_v4() ? "0.0.0.0:" : "[::]:") + std::to_string(advertise.port);
    const bool loopback = init.advertise.starts_with("127.") || init.advertise.starts_with("[::1]");
    return "# presmeshd of " + domain + "; node/CONFIG.md tells every key.\n[node]\ndomain = \"" + domain +
           "\"\nkey = \"node.key\"\ncertificate = \"node.cert\"\nfederation = \"federation.toml\"\nstate = "
           "\"state.sqlite\"\nlisten = \"" +
           (loopback ? init.advertise : listen) + "\"\nadvertise = \"" + init.advertise + "\"\n\n[http]\nlisten = \"" +
           init.http +
           "\"\ntoken_file = \"tokens\"\n\n[presence]\ndefault_rule = \"confirm\"\n\n[log]\nlevel = \"info\"\n";
}

proto::Certificate issue(const proto::SigningKey& domain_key, const std::string& domain,
                         const proto::SigningKey& node_key, int days) {
    // An hour back: the other nodes' clocks may be behind ours.
    const auto now = proto::wall_from_seconds(proto::to_seconds(daemon::system_now().wall) - 3600);
    return proto::Certificate::issue(domain_key, domain, node_key.public_key(), proto::role_store | proto::role_publish,
                                     now, now + std::chrono::hours{24 * days});
}

std::string member_entry(const proto::Member& member) {
    proto::Federation one;
    one.add(member);
    const auto whole = one.to_toml();
    const auto at = whole.find("[[member");
    return at == std::string::npos ? whole : whole.substr(at);
}

int init(const Options& options, const InitOptions& asked) {
    auto domain = proto::canonical_domain(asked.domain);
    if (!domain) return misused(options, domain.error());
    const auto advertise = proto::Endpoint::parse(asked.advertise);
    if (!advertise || advertise->port == 0 || advertise->port % 8 != 0) {
        return misused(options,
                       "--advertise must be an address with a port that is a multiple of 8, such as 192.0.2.1:4000");
    }
    if (!proto::Endpoint::parse(asked.http))
        return misused(options, "--http must be an address and port, such as 127.0.0.1:8470");
    const auto config = config_text(*domain, asked, *advertise);
    if (const auto faults = daemon::parse_config(config, asked.folder).faults; !faults.empty())
        return misused(options, "presmeshd would refuse such a config: " + faults.front().text);
    std::error_code error;
    std::filesystem::create_directories(asked.folder, error);
    const auto file = [&](const char* name) { return asked.folder + "/" + name; };
    for (const auto* name : {"domain.key", "node.key", "node.cert", "presmesh.toml", "tokens", "federation.toml"}) {
        if (daemon::file_exists(file(name)))
            return refused(options, file(name) + " exists already; nothing was changed");
    }
    daemon::SystemRandom random;
    const auto domain_key = proto::SigningKey::generate(random);
    const auto node_key = proto::SigningKey::generate(random);
    proto::Federation federation;
    random.fill(federation.key);
    proto::Member member;
    member.domain = *domain;
    member.key = domain_key.public_key();
    member.bootstrap = {asked.advertise};
    federation.add(member);
    const std::vector<std::tuple<const char*, std::string, FileMode>> files = {
        {"domain.key",
         daemon::key_file_text(domain_key, "presmesh: the domain key of " + *domain +
                                               ". Secret; keep it off the node once it has its certificate."),
         FileMode::secret},
        {"node.key", daemon::key_file_text(node_key, "presmesh: a node key of " + *domain + ". Secret."),
         FileMode::secret},
        {"node.cert", daemon::certificate_file_text(issue(domain_key, *domain, node_key, asked.days)),
         FileMode::ordinary},
        {"federation.toml", federation.to_toml(), FileMode::secret},
        {"tokens", "# TOKEN user@domain|* [read|write|admin]\n" + random_token(random) + " * admin\n",
         FileMode::secret},
        {"presmesh.toml", config, FileMode::ordinary}};
    for (const auto& [name, text, mode] : files) {
        if (auto written = daemon::write_file(file(name), text, mode, false); !written)
            return refused(options, written.error());
    }
    const auto entry = member_entry(member);
    return done(
        options,
        {{"domain", *domain},
         {"folder", asked.folder},
         {"config", file("presmesh.toml")},
         {"domain_key", proto::to_hex(member.key)},
         {"bootstrap", asked.advertise},
         {"entry", entry}},
        "made keys, certificate, config and a token in " + asked.folder + "\nstart with: presmeshd --config " +
            file("presmesh.toml") + "\n\n" + file("federation.toml") +
            " has this provider alone, to try the node by itself. A federation has one file, the same at every "
            "member: give the entry below to whoever keeps it, then put that file in the place of this one and restart "
            "the node, or send it SIGHUP.\n\n" +
            entry);
}

int node_cert(const Options& options, const CertOptions& asked) {
    auto domain = proto::canonical_domain(asked.domain);
    if (!domain) return misused(options, domain.error());
    const auto domain_key = daemon::read_key(asked.domain_key, "domain key");
    if (!domain_key) return refused(options, asked.domain_key + ": " + domain_key.error().detail);
    const bool fresh = !daemon::file_exists(asked.node_key);
    daemon::SystemRandom random;
    auto node_key = fresh ? proto::Result<proto::SigningKey>(proto::SigningKey::generate(random))
                          : daemon::read_key(asked.node_key, "node key");
    if (!node_key) return refused(options, asked.node_key + ": " + node_key.error().detail);
    if (fresh) {
        auto written = daemon::write_file(
            asked.node_key, daemon::key_file_text(*node_key, "presmesh: a node key of " + *domain + ". Secret."),
            FileMode::secret, false);
        if (!written) return refused(options, written.error());
    }
    const auto certificate = issue(*domain_key, *domain, *node_key, asked.days);
    if (auto written =
            daemon::write_file(asked.out, daemon::certificate_file_text(certificate), FileMode::ordinary, true);
        !written)
        return refused(options, written.error());
    const auto id = proto::to_hex(proto::node_id(certificate.node_key));
    return done(options, {{"domain", *domain}, {"node", id}, {"certificate", asked.out}, {"new_key", fresh}},
                "certificate of node " + id + " is in " + asked.out + "\n");
}

}  // namespace

void add_init(CLI::App& app, const Options& options, Run& run) {
    const auto asked = std::make_shared<InitOptions>();
    auto* command =
        app.add_subcommand("init", "make a provider's keys, its first node's certificate, a config and a token");
    command->add_option("DOMAIN", asked->domain, "the provider's domain")->required();
    command->add_option("--dir", asked->folder, "the folder for the files")->capture_default_str();
    command->add_option("--advertise", asked->advertise, "where other nodes reach this one; the port a multiple of 8")
        ->capture_default_str();
    command->add_option("--http", asked->http, "where the daemon answers HTTP")->capture_default_str();
    command->add_option("--days", asked->days, "how long the certificate is good")
        ->capture_default_str()
        ->check(CLI::Range(1, 3650));
    command->callback([&options, &run, asked] { run = [&options, asked] { return init(options, *asked); }; });

    const auto cert = std::make_shared<CertOptions>();
    auto* further = app.add_subcommand("node-cert", "certify a node key (a new one, or the one that is there)");
    further->add_option("DOMAIN", cert->domain, "the provider's domain")->required();
    further->add_option("--domain-key", cert->domain_key, "file with the provider's secret key")->capture_default_str();
    further->add_option("--node-key", cert->node_key, "made when it is not there")->capture_default_str();
    further->add_option("--out", cert->out, "where the certificate goes; one that is there is replaced")
        ->capture_default_str();
    further->add_option("--days", cert->days, "how long the certificate is good")
        ->capture_default_str()
        ->check(CLI::Range(1, 3650));
    further->callback([&options, &run, cert] { run = [&options, cert] { return node_cert(options, *cert); }; });
}

}  // namespace presmesh::cli
