#include "node/daemon/daemon.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "node/daemon/asio_runtime.hpp"
#include "node/daemon/bootstrap.hpp"
#include "node/daemon/delegation_timer.hpp"
#include "node/daemon/http_api.hpp"
#include "node/daemon/http_server.hpp"
#include "node/daemon/link_log.hpp"
#include "node/daemon/secrets.hpp"
#include "node/daemon/shells.hpp"
#include "node/daemon/sqlite_store.hpp"
#include "node/daemon/system.hpp"
#include "overlay/dht_node.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

using proto::Result;

namespace {

constexpr auto stop_check = std::chrono::milliseconds{10};

node::ServiceSettings service_settings(const Config& config, const proto::Federation& federation, proto::WallTime now) {
    node::ServiceSettings settings;
    settings.domains = {config.node.domain};
    for (const auto& [domain, member] : federation.members) {
        if (federation.may_publish(config.node.domain, domain, now)) settings.domains.insert(domain);
    }
    settings.rules = config.presence.rules;
    settings.default_handling = config.presence.default_handling;
    settings.follow_own_domains = config.presence.follow_own_domains;
    settings.limits.changes = config.presence.changes;
    if (config.presence.changes.interval == proto::Duration{0}) settings.limits.told.interval = proto::Duration{0};
    return settings;
}

std::string join(const std::vector<proto::Endpoint>& endpoints) {
    std::string text;
    for (const auto& endpoint : endpoints) text += (text.empty() ? "" : ",") + endpoint.to_string();
    return text;
}

}  // namespace

class Daemon::Impl {
  public:
    Impl(std::string config_path, Loaded loaded, Log& log)
        : config_path_(std::move(config_path)),
          config_(std::move(loaded.config)),
          material_(std::move(loaded.material)),
          log_(log),
          diagnostics_(log),
          runtime_(io_),
          bootstrap_(
              io_, [this](std::vector<proto::Endpoint> nodes) { bootstrap_found(std::move(nodes)); },
              [this](const std::string& entry, const std::string& why) {
                  log_.warning("a bootstrap address cannot be resolved", {{"entry", entry}, {"why", why}});
              }),
          signals_(io_, SIGTERM, SIGINT, SIGHUP),
          stop_timer_(io_),
          certificate_timer_(io_),
          delegations_(
              io_, [] { return system_now().wall; }, [this] { set_policy(); }) {}

    Result<void> start();
    void run();
    void reload();
    void stop();
    std::vector<proto::Endpoint> http_endpoints() const {
        return http_ ? http_->local() : std::vector<proto::Endpoint>{};
    }

  private:
    Result<void> open_store();
    std::unique_ptr<overlay::Dht> make_dht(proto::VerificationCachePtr verified) const;
    void make_node();
    Result<void> start_shells();
    Result<void> start_http();
    void flush_http();
    void bootstrap_found(std::vector<proto::Endpoint> nodes);
    void wait_for_signal();
    void wait_until_idle(std::chrono::steady_clock::time_point until);
    void watch_certificate();
    void warn_of_foreign_domains(proto::WallTime now);
    void warn_of_secrets();
    void compare_certificate(const std::optional<proto::Certificate>& in_file, proto::WallTime now);
    void tell_keys_for_restart(const Config& fresh);
    void set_policy();
    NodeReport report() const;

    std::string config_path_;
    Config config_;
    Material material_;
    Log& log_;
    LoggedDiagnostics diagnostics_;
    SystemRandom random_;
    proto::WallTime started_{};
    boost::asio::io_context io_{1};
    // In this order: the node uses the store, the shells' translators and HTTP's are known to the node.
    std::unique_ptr<SqliteStore> store_;
    AsioRuntime runtime_;
    std::vector<std::unique_ptr<Shell>> shells_;
    std::unique_ptr<HttpApi> http_api_;
    std::unique_ptr<HttpServer> http_;
    std::unique_ptr<node::Node> node_;
    Bootstrap bootstrap_;
    boost::asio::signal_set signals_;
    boost::asio::steady_timer stop_timer_;
    boost::asio::steady_timer certificate_timer_;
    DelegationTimer delegations_;
    bool stopping_ = false;
};

Result<void> Daemon::Impl::open_store() {
    auto store = SqliteStore::open(config_.node.state_file);
    if (!store) return tl::make_unexpected(store.error());
    store_ = std::move(*store);
    return {};
}

std::unique_ptr<overlay::Dht> Daemon::Impl::make_dht(proto::VerificationCachePtr verified) const {
    const auto& own = config_.node.advertise;
    overlay::DhtSettings settings;
    settings.node_key = material_.certificate->node_key;
    settings.federation = material_.federation;
    settings.own = own;
    settings.shards = config_.node.shards;
    settings.verified = std::move(verified);
    settings.ipv4 = std::any_of(own.begin(), own.end(), [](const auto& e) { return e.is_v4(); });
    settings.ipv6 = std::any_of(own.begin(), own.end(), [](const auto& e) { return !e.is_v4(); });
    return std::make_unique<overlay::DhtNode>(std::move(settings));
}

void Daemon::Impl::make_node() {
    const auto now = system_now();
    started_ = now.wall;
    node::NodeSettings settings{*material_.node_key,
                                *material_.certificate,
                                material_.federation,
                                config_.node.advertise,
                                config_.node.crash_bound,
                                service_settings(config_, *material_.federation, now.wall),
                                std::make_shared<proto::VerificationCache>()};
    auto dht = make_dht(settings.verified);
    node_ = std::make_unique<node::Node>(now, std::move(settings), std::move(dht), *store_, random_, diagnostics_);
}

Result<void> Daemon::Impl::start_shells() {
    for (const auto& settings : config_.sip) shells_.push_back(make_sip_shell(settings, io_, runtime_, random_, log_));
    for (const auto& settings : config_.xmpp)
        shells_.push_back(make_xmpp_shell(settings, io_, runtime_, random_, log_));
    for (auto& shell : shells_) {
        if (auto done = shell->start(); !done) return done;
        node_->add_translator(shell->translator());
        const auto link_log = std::make_shared<LinkLog>(log_, shell->links());
        runtime_.in_turn([&shell = *shell] { shell.tell(); });
        runtime_.after_turn([&shell = *shell, link_log] {
            shell.flush();
            link_log->tell(shell.links());
        });
    }
    return {};
}

Result<void> Daemon::Impl::start_http() {
    HttpApiSettings settings;
    settings.open_metrics = !config_.http.allow_remote;
    http_api_ = std::make_unique<HttpApi>(settings, node_->service(), [this] { return report(); });
    http_api_->set_tokens(system_now(), std::move(*material_.tokens));
    node_->add_translator(*http_api_);
    if (!config_.http.enabled) return {};
    http_ = std::make_unique<HttpServer>(
        io_, HttpServerSettings{config_.http.connections, config_.http.requests_per_second},
        [this](ExchangeId exchange, HttpRequest request) {
            runtime_.run_turn([this, exchange, request = std::move(request)](proto::Now now) {
                http_api_->handle_request(now, exchange, request);
            });
        },
        [this](ExchangeId exchange) {
            runtime_.run_turn([this, exchange](proto::Now now) { http_api_->handle_closed(now, exchange); });
        },
        [this](unsigned status, std::string_view reason) { http_api_->server_refused(status, reason); });
    for (const auto& endpoint : config_.http.listen) {
        if (auto done = http_->listen(endpoint); !done) return done;
    }
    runtime_.after_turn([this] { flush_http(); });
    return {};
}

void Daemon::Impl::flush_http() {
    while (auto output = http_api_->poll_output()) http_->output(std::move(*output));
}

Result<void> Daemon::Impl::start() {
    if (auto done = open_store(); !done) return done;
    for (const auto& endpoint : config_.node.listen) {
        if (auto done = runtime_.listen(endpoint); !done) return done;
    }
    make_node();
    if (auto done = start_shells(); !done) return done;
    if (auto done = start_http(); !done) return done;
    log_.info("presmeshd starts", {{"version", version},
                                   {"domain", config_.node.domain},
                                   {"node", proto::to_hex(node_->id())},
                                   {"epoch", std::to_string(node_->epoch())},
                                   {"config", config_path_}});
    runtime_.start(*node_);
    log_.info("overlay is listening",
              {{"listen", join(runtime_.local())}, {"advertise", join(config_.node.advertise)}});
    if (http_) log_.info("http is listening", {{"listen", join(http_->local())}});
    for (const auto& shell : shells_)
        log_.info("translator is running", {{"name", std::string(shell->translator().name())}});
    bootstrap_.set(*material_.federation, config_.node.advertise);
    watch_certificate();
    warn_of_foreign_domains(started_);
    warn_of_secrets();
    delegations_.watch(material_.federation);
    wait_for_signal();
    log_.info("ready");
    return {};
}

void Daemon::Impl::bootstrap_found(std::vector<proto::Endpoint> nodes) {
    log_.info("bootstrap addresses", {{"nodes", join(nodes)}});
    runtime_.run_turn([this, nodes = std::move(nodes)](proto::Now now) { node_->set_bootstrap(now, nodes); });
}

void Daemon::Impl::watch_certificate() {
    const auto now = system_now().wall;
    const auto left = material_.certificate->not_after - now;
    if (left < proto::limits::certificate_warning) {
        const auto days = std::to_string(std::chrono::duration_cast<std::chrono::hours>(left).count() / 24);
        log_.warning(
            "the certificate that the node runs with runs out soon; make a new one with presmesh node-cert, and "
            "restart the node",
            {{"days", days}});
    }
    certificate_timer_.expires_after(proto::limits::certificate_check);
    certificate_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) watch_certificate();
    });
}

void Daemon::Impl::warn_of_foreign_domains(proto::WallTime now) {
    for (const auto& domain : domains_not_ours(config_, *material_.federation, now))
        log_.warning("a translator's domain is not delegated to this node: its users are not published",
                     {{"domain", domain}});
}

void Daemon::Impl::warn_of_secrets() {
    for (const auto& exposed : exposed_secrets(config_)) log_.warning(exposed);
    if (const auto key = domain_key_here(config_); !key.empty())
        log_.warning("the domain key lies on the node, which does not need it: keep it elsewhere", {{"file", key}});
}

/// The node keeps the certificate it started with, whatever the new files say.
void Daemon::Impl::compare_certificate(const std::optional<proto::Certificate>& in_file, proto::WallTime now) {
    const auto& running = *material_.certificate;
    if (auto admitted = material_.federation->admit(running, now); !admitted) {
        log_.error("restart the node: the certificate it runs with is refused by every member now",
                   {{"why", std::string(proto::to_string(admitted.error().reason))}});
    } else if (in_file && *in_file != running) {
        log_.warning("restart the node: it runs with another certificate than the file holds",
                     {{"file", config_.node.certificate_file}});
    }
}

/// A domain whose delegation ends is served no longer, without anybody reading the file again.
void Daemon::Impl::set_policy() {
    runtime_.run_turn(
        [this](proto::Now now) { node_->set_policy(now, service_settings(config_, *material_.federation, now.wall)); });
}

void Daemon::Impl::wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
        if (error) return;
        if (signal == SIGHUP) {
            reload();
        } else if (stopping_) {
            log_.warning("a second signal: stopping at once");
            return io_.stop();
        } else {
            log_.info("stopping", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
            stop();
        }
        wait_for_signal();
    });
}

/// Each file by itself: one with a fault stays as it was, and keeps no other from being read (a token that is to be
/// taken back, a log that was rotated).
void Daemon::Impl::reload() {
    const auto read_at = system_now().wall;
    std::vector<FileFaultAt> faults;
    std::string parts;
    const auto fresh = load_config(config_path_, faults);
    if (fresh) {
        config_.presence = fresh->presence;
        config_.log = fresh->log;
        config_.node.federation_file = fresh->node.federation_file;
        config_.http.token_file = fresh->http.token_file;
        parts = "[presence], [log]";
    }
    if (auto done = log_.configure(config_.log); !done) log_.error("the log stays as it is: " + done.error().detail);
    if (fresh) tell_keys_for_restart(*fresh);
    auto material = load_material(fresh ? *fresh : config_, read_at);
    faults.insert(faults.end(), material.faults.begin(), material.faults.end());
    for (const auto& fault : faults) log_.error("not reloaded: " + fault.to_string());
    const bool federation = material.federation && material.federation->find(config_.node.domain) != nullptr;
    if (federation) material_.federation = material.federation;
    if (federation) parts += parts.empty() ? "federation, delegations" : ", federation, delegations";
    if (material.tokens) parts += parts.empty() ? "tokens" : ", tokens";
    compare_certificate(material.certificate, read_at);
    runtime_.run_turn([this, tokens = std::move(material.tokens)](proto::Now now) {
        if (tokens) http_api_->set_tokens(now, *tokens);
        node_->set_federation(now, material_.federation);
        node_->set_policy(now, service_settings(config_, *material_.federation, now.wall));
    });
    bootstrap_.set(*material_.federation, config_.node.advertise);
    delegations_.watch(material_.federation);
    warn_of_foreign_domains(read_at);
    log_.info("reloaded", {{"parts", parts.empty() ? "none" : parts},
                           {"members", std::to_string(material_.federation->members.size())}});
}

void Daemon::Impl::tell_keys_for_restart(const Config& fresh) {
    std::string keys;
    for (const auto& key : keys_for_restart(config_.written, fresh.written)) keys += (keys.empty() ? "" : ", ") + key;
    if (!keys.empty()) log_.warning("restart the node: these settings take effect only then", {{"keys", keys}});
}

/// What cannot be saved is not acknowledged, and the node ends: whoever asked is told so first.
void Daemon::Impl::run() {
    try {
        io_.run();
    } catch (...) {
        if (http_) http_->give_up();
        throw;
    }
}

void Daemon::Impl::stop() {
    if (std::exchange(stopping_, true)) return;
    bootstrap_.stop();
    certificate_timer_.cancel();
    delegations_.stop();
    runtime_.stop();
    if (http_) http_->stop();
    for (auto& shell : shells_) shell->stop();
    wait_until_idle(std::chrono::steady_clock::now() + proto::limits::stop_time);
}

void Daemon::Impl::wait_until_idle(std::chrono::steady_clock::time_point until) {
    const bool busy = (http_ && http_->connections() > 0) ||
                      std::any_of(shells_.begin(), shells_.end(), [](const auto& s) { return !s->idle(); });
    if (!busy || std::chrono::steady_clock::now() >= until) {
        log_.info("stopped");
        return io_.stop();
    }
    stop_timer_.expires_after(stop_check);
    stop_timer_.async_wait([this, until](const boost::system::error_code& error) {
        if (!error) wait_until_idle(until);
    });
}

NodeReport Daemon::Impl::report() const {
    NodeReport report;
    report.version = version;
    report.domain = config_.node.domain;
    report.id = node_->id();
    report.epoch = node_->epoch();
    report.advertised = config_.node.advertise;
    for (const auto& shell : shells_) {
        report.translators.emplace_back(shell->translator().name());
        for (const auto& link : shell->links()) report.links.push_back(link);
    }
    report.members = material_.federation->members.size();
    report.federation = federation_digest(*material_.federation);
    const auto now = system_now();
    report.now = now.wall;
    report.steady = now.steady;
    report.started = started_;
    report.certificate_not_after = material_.certificate->not_after;
    report.overlay = node_->overlay_status();
    report.service = node_->service().status();
    report.counters = diagnostics_.counters();
    report.counters[{"udp_datagrams_lost", "send"}] = runtime_.lost_datagrams();
    report.http_connections = http_ ? http_->connections() : 0;
    for (const auto& shell : shells_) shell->tell(report.counters, report.fills);
    report.fills.push_back({"http_connections", report.http_connections, config_.http.connections});
    report.fills.push_back({"http_streams", http_api_->streams(), proto::limits::http_streams});
    report.fills.push_back({"counters", report.counters.size(), proto::limits::counters});
    return report;
}

Daemon::Daemon(std::string config_path, Loaded loaded, Log& log)
    : impl_(std::make_unique<Impl>(std::move(config_path), std::move(loaded), log)) {}
Daemon::~Daemon() = default;
Result<void> Daemon::start() {
    return impl_->start();
}
void Daemon::run() {
    impl_->run();
}
void Daemon::reload() {
    impl_->reload();
}
void Daemon::stop() {
    impl_->stop();
}
std::vector<proto::Endpoint> Daemon::http_endpoints() const {
    return impl_->http_endpoints();
}

}  // namespace presmesh::daemon
