#include "node/daemon/config.hpp"

#include <algorithm>
#include <sstream>

#include "node/daemon/config_sections.hpp"
#include "node/daemon/files.hpp"
#include "proto/uri.hpp"

namespace presmesh::daemon {

namespace {

using proto::FileFault;

constexpr std::uint16_t default_port = 4000;
constexpr std::uint16_t default_http_port = 8470;

/// Nobody is reached at it alone.
bool is_for_many(const proto::Endpoint& e) {
    if (!e.is_v4()) return e.address[0] == 0xff;
    const bool broadcast =
        std::all_of(e.address.begin() + 12, e.address.end(), [](std::uint8_t b) { return b == 0xff; });
    return broadcast || (e.address[12] & 0xf0) == 0xe0;
}

void check_overlay_address(TomlSection& section, std::string_view key, const proto::Endpoint& endpoint) {
    if (is_for_many(endpoint))
        section.fault(key, std::string(key) + " must be one node's address, and " + endpoint.to_string() +
                               " is a multicast or broadcast address");
    if (endpoint.port != 0 && endpoint.port % 8 == 0) return;
    section.fault(
        key,
        std::string(key) +
            " needs a port that is a multiple of 8 (the seven after it stand for the node's DHT shards), and has " +
            std::to_string(endpoint.port));
}

void read_listen(TomlSection& section, NodeConfig& node) {
    node.listen = read_endpoints(section, "listen", {"0.0.0.0:" + std::to_string(default_port)});
    for (const auto& endpoint : node.listen) check_overlay_address(section, "listen", endpoint);
    const auto v4 = std::count_if(node.listen.begin(), node.listen.end(), [](const auto& e) { return e.is_v4(); });
    if (v4 > 1 || static_cast<long>(node.listen.size()) - v4 > 1)
        section.fault("listen", "listen takes one IPv4 and one IPv6 address at most");
}

void read_advertise(TomlSection& section, NodeConfig& node) {
    node.advertise = read_endpoints(section, "advertise", {});
    for (const auto& endpoint : node.advertise) {
        check_overlay_address(section, "advertise", endpoint);
        if (is_wildcard(endpoint))
            section.fault("advertise",
                          "advertise must say an address that others can reach, not " + endpoint.to_string());
        const bool heard = std::any_of(node.listen.begin(), node.listen.end(),
                                       [&](const auto& own) { return own.is_v4() == endpoint.is_v4(); });
        if (!heard && !node.listen.empty())
            section.fault("advertise", "advertise names " + endpoint.to_string() + ", and listen no address of " +
                                           (endpoint.is_v4() ? "IPv4" : "IPv6"));
    }
    if (node.advertise.size() > 2) section.fault("advertise", "advertise takes two addresses at most");
    if (section.has("advertise")) return;
    for (const auto& endpoint : node.listen) {
        if (!is_wildcard(endpoint)) node.advertise.push_back(endpoint);
    }
    if (node.advertise.empty())
        section.fault("advertise",
                      "needs advertise, the address where other nodes reach this one (listen names every address)");
}

NodeConfig read_node(TomlSection section, const std::string& folder, ParsedConfig& parsed,
                     std::vector<Listening>& listens) {
    parsed.state_line = section.line_of("state");
    NodeConfig node;
    const auto domain = section.required_text("domain");
    if (!domain.empty()) node.domain = read_domain(section, "domain", domain);
    node.key_file = resolve_path(folder, section.required_text("key"));
    node.certificate_file = resolve_path(folder, section.required_text("certificate"));
    node.federation_file = resolve_path(folder, section.required_text("federation"));
    const auto state = section.text_or("state", "state.sqlite");
    if (state.empty()) section.fault("state", "state must not be empty");
    node.state_file = resolve_path(folder, state);
    read_listen(section, node);
    for (const auto& at : node.listen) listens.push_back({section.name(), section.line_of("listen"), false, at});
    read_advertise(section, node);
    node.shards = static_cast<std::uint8_t>(section.number("shards", 1, 8, node.shards));
    node.crash_bound =
        section.duration("crash_bound", std::chrono::seconds{3}, std::chrono::minutes{10}, node.crash_bound);
    section.finish();
    return node;
}

void read_rules(TomlSection& section, std::string_view key, node::Handling handling, std::vector<node::Rule>& rules) {
    for (const auto& who : section.texts(key)) {
        auto rule = node::Rule::make(who, handling);
        if (rule) {
            rules.push_back(std::move(*rule));
        } else {
            section.fault(key,
                          std::string(key) + " must name user@domain, a domain, or \"*\", and says \"" + who + "\"");
        }
    }
}

PresenceConfig read_presence(TomlSection section) {
    PresenceConfig presence;
    constexpr node::Handling handlings[] = {node::Handling::allow, node::Handling::confirm,
                                            node::Handling::polite_block, node::Handling::block};
    presence.default_handling =
        handlings[section.choice("default_rule", {"allow", "confirm", "polite-block", "block"}, 1)];
    std::vector<node::Rule> rules;
    read_rules(section, "allow", node::Handling::allow, rules);
    read_rules(section, "confirm", node::Handling::confirm, rules);
    read_rules(section, "polite_block", node::Handling::polite_block, rules);
    read_rules(section, "block", node::Handling::block, rules);
    auto set = node::RuleSet::make(rules);
    if (set) {
        presence.rules = std::move(*set);
    } else {
        section.fault("allow", "holds more rules than a node keeps: " + set.error().detail);
    }
    presence.follow_own_domains = section.flag("follow_own_domains", true);
    presence.changes.burst =
        static_cast<unsigned>(section.number("change_burst", 1, 1'000'000, proto::limits::change_burst));
    presence.changes.interval = section.duration("change_interval", std::chrono::seconds{0}, std::chrono::hours{1},
                                                 proto::limits::change_interval);
    section.finish();
    return presence;
}

HttpConfig read_http(TomlSection section, const std::string& folder, std::vector<Listening>& listens) {
    HttpConfig http;
    http.enabled = section.flag("enabled", true);
    http.listen = read_endpoints(section, "listen", {"127.0.0.1:" + std::to_string(default_http_port)});
    http.token_file = resolve_path(folder, section.text_or("token_file", ""));
    http.allow_remote = section.flag("allow_remote", false);
    http.connections = static_cast<std::uint32_t>(section.number("connections", 1, 100'000, http.connections));
    http.requests_per_second =
        static_cast<std::uint32_t>(section.number("requests_per_second", 1, 1'000'000, http.requests_per_second));
    for (const auto& endpoint : http.listen) {
        if (http.enabled) listens.push_back({section.name(), section.line_of("listen"), true, endpoint});
        if (endpoint.port == 0)
            section.fault("listen", "listen needs a port, and " + endpoint.to_string() + " has none");
        if (!http.allow_remote && !is_loopback(endpoint)) {
            section.fault(
                "listen",
                "listen names " + endpoint.to_string() +
                    ", which others can reach: say allow_remote = true if that is meant (and put TLS in front)");
        }
    }
    section.finish();
    return http;
}

LogConfig read_log(TomlSection section, const std::string& folder, ParsedConfig& parsed) {
    parsed.log_file_line = section.line_of("file");
    LogConfig log;
    log.level = static_cast<LogLevel>(section.choice("level", {"debug", "info", "warning", "error"}, 1));
    log.format = static_cast<LogFormat>(section.choice("format", {"text", "json"}, 0));
    log.file = resolve_path(folder, section.text_or("file", ""));
    section.finish();
    return log;
}

/// The sections of the file's first level; knows which names there are, to suggest one for a misspelt one.
class Sections {
  public:
    Sections(const toml::table& root, std::vector<FileFault>& faults) : root_(root), faults_(faults) {}

    TomlSection table(const char* name, bool required) {
        known_.insert(name);
        const std::string shown = "[" + std::string(name) + "]";
        const auto* node = root_.get(name);
        if (node == nullptr && required) faults_.push_back({0, "the section " + shown + " is missing"});
        const int line = node != nullptr ? static_cast<int>(node->source().begin.line) : 0;
        if (node != nullptr && !node->is_table())
            faults_.push_back({line, std::string(name) + " must be a section, written " + shown});
        // A missing required section has been named; its keys are not listed one by one on top of that.
        const toml::table* table = node != nullptr ? node->as_table() : nullptr;
        return TomlSection(table != nullptr ? table : &empty_, shown, line,
                           table != nullptr || !required ? faults_ : ignored_);
    }

    std::vector<TomlSection> tables(const char* name) {
        known_.insert(name);
        return TomlSection(&root_, "", 0, faults_).tables(name);
    }

    void finish() {
        for (const auto& [key, node] : root_) {
            if (known_.contains(key.str())) continue;
            const auto nearest = proto::nearest_name(key.str(), known_);
            faults_.push_back({static_cast<int>(key.source().begin.line),
                               "there is no section " + std::string(key.str()) +
                                   (nearest.empty() ? "" : "; is " + nearest + " meant?")});
        }
    }

  private:
    const toml::table& root_;
    std::vector<FileFault>& faults_;
    std::vector<FileFault> ignored_;
    toml::table empty_;
    std::set<std::string, std::less<>> known_;
};

void write_down(const std::string& section, const toml::table& table, WrittenKeys& into) {
    for (const auto& [key, node] : table) {
        std::ostringstream value;
        node.visit([&](const auto& one) { value << one; });
        into[section + " " + std::string(key.str())] = value.str();
    }
}

WrittenKeys written_keys(const toml::table& root) {
    WrittenKeys keys;
    for (const auto& [name, node] : root) {
        const std::string section(name.str());
        if (const auto* table = node.as_table()) write_down("[" + section + "]", *table, keys);
        const auto* list = node.as_array();
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
            const auto number = list->size() > 1 ? " " + std::to_string(i + 1) : std::string();
            if (const auto* table = list->get(i)->as_table()) write_down("[[" + section + "]]" + number, *table, keys);
        }
    }
    return keys;
}

/// What a reload reads again; the rest holds from the next start on.
bool is_reloaded(std::string_view key) {
    return key.starts_with("[presence] ") || key.starts_with("[log] ") || key == "[node] federation" ||
           key == "[http] token_file";
}

}  // namespace

bool is_wildcard(const proto::Endpoint& e) {
    const auto zero = [](std::uint8_t b) { return b == 0; };
    const bool low = std::all_of(e.address.begin() + 12, e.address.end(), zero);
    return low && (e.is_v4() || std::all_of(e.address.begin(), e.address.begin() + 12, zero));
}

bool is_loopback(const proto::Endpoint& e) {
    if (e.is_v4()) return e.address[12] == 127;
    return std::all_of(e.address.begin(), e.address.begin() + 15, [](std::uint8_t b) { return b == 0; }) &&
           e.address[15] == 1;
}

std::string read_domain(TomlSection& section, std::string_view key, const std::string& text) {
    auto domain = proto::canonical_domain(text);
    if (domain) return *domain;
    section.fault(key, std::string(key) + " must be a domain name, and is \"" + text + "\": " + domain.error().detail);
    return {};
}

std::vector<proto::Endpoint> read_endpoints(TomlSection& section, std::string_view key,
                                            std::vector<std::string> fallback) {
    auto texts = section.texts(key);
    if (!section.has(key)) texts = std::move(fallback);
    std::vector<proto::Endpoint> endpoints;
    for (const auto& text : texts) {
        auto endpoint = proto::Endpoint::parse(text);
        if (endpoint) {
            endpoints.push_back(*endpoint);
        } else {
            section.fault(
                key,
                std::string(key) +
                    " must be an address and port such as \"192.0.2.1:4000\" or \"[2001:db8::1]:4000\", and is \"" +
                    text + "\"");
        }
    }
    if (section.has(key) && texts.empty()) section.fault(key, std::string(key) + " must not be empty");
    return endpoints;
}

std::string read_secret(TomlSection& section, const std::string& name, SecretFiles& files) {
    const std::string file_key = name + "_file";
    const auto direct = section.text(name);
    const auto file = section.text(file_key);
    if (direct && file) section.fault(file_key, "has both " + name + " and " + file_key);
    if (direct && direct->empty()) section.fault(name, name + " must not be empty");
    files.direct = files.direct || direct;
    if (direct || !file) return direct.value_or("");
    const auto path = resolve_path(files.folder, *file);
    files.named.insert(path);
    auto text = read_file(path);
    if (!text) {
        section.fault(file_key, file_key + ": " + text.error().detail);
        return {};
    }
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (text->empty()) section.fault(file_key, file_key + " names an empty file");
    return std::move(*text);
}

std::chrono::seconds in_seconds(proto::Duration duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration);
}

ParsedConfig parse_config(std::string_view text, const std::string& folder) {
    ParsedConfig parsed;
    toml::table root;
    try {
        root = toml::parse(text);
    } catch (const toml::parse_error& error) {
        parsed.faults.push_back({static_cast<int>(error.source().begin.line), std::string(error.description())});
        return parsed;
    }
    Sections sections(root, parsed.faults);
    auto& config = parsed.config;
    std::vector<Listening> listens;
    config.node = read_node(sections.table("node", true), folder, parsed, listens);
    config.presence = read_presence(sections.table("presence", false));
    config.http = read_http(sections.table("http", false), folder, listens);
    config.log = read_log(sections.table("log", false), folder, parsed);
    SecretFiles secrets{folder, {}};
    config.sip = read_sip(sections.tables("sip"), secrets, config.node.domain, listens);
    config.xmpp = read_xmpp(sections.tables("xmpp"), secrets);
    config.secret_files = std::move(secrets.named);
    parsed.holds_secret =
        secrets.direct || std::ranges::any_of(config.sip, [](const auto& sip) { return !sip.accounts.empty(); });
    sections.finish();
    config.written = written_keys(root);
    check_listens(listens, parsed.faults);
    std::stable_sort(parsed.faults.begin(), parsed.faults.end(),
                     [](const auto& a, const auto& b) { return a.line < b.line; });
    return parsed;
}

std::vector<std::string> keys_for_restart(const WrittenKeys& running, const WrittenKeys& file) {
    std::set<std::string> keys;
    for (const auto& [key, value] : running) {
        const auto now = file.find(key);
        if (now == file.end() || now->second != value) keys.insert(key);
    }
    for (const auto& [key, value] : file)
        if (!running.contains(key)) keys.insert(key);
    std::erase_if(keys, is_reloaded);
    return {keys.begin(), keys.end()};
}

proto::Result<ParsedConfig> load_config(const std::string& path) {
    auto text = read_file(path);
    if (!text) return tl::make_unexpected(text.error());
    auto parsed = parse_config(*text, folder_of(path));
    if (parsed.holds_secret) parsed.config.secret_files.insert(path);
    return parsed;
}

}  // namespace presmesh::daemon
