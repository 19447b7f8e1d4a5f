// The file an operator writes (node/CONFIG.md), checked whole: every fault at once, each with its line.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/pace.hpp"
#include "node/rules.hpp"
#include "proto/endpoint.hpp"
#include "proto/federation.hpp"
#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "translators/sip/settings.hpp"
#include "translators/xmpp/settings.hpp"

namespace presmesh::daemon {

struct NodeConfig {
    std::string domain;    ///< canonical
    std::string key_file;  ///< the node key's seed
    std::string certificate_file;
    std::string federation_file;
    std::string state_file;
    std::vector<proto::Endpoint> listen;     ///< at most one IPv4 and one IPv6
    std::vector<proto::Endpoint> advertise;  ///< at most 2, no wildcard, each port a multiple of 8
    std::uint8_t shards = 4;                 ///< 1..8
    proto::Duration crash_bound = std::chrono::seconds{30};
};

struct PresenceConfig {
    node::Handling default_handling = node::Handling::confirm;
    node::RuleSet rules;             ///< for every presentity, after its own
    bool follow_own_domains = true;  ///< are there other nodes of our domain?
    /// Changes of one presentity that go out as they come, then one every interval (zero: all).
    node::Allowance changes{proto::limits::change_burst, proto::limits::change_interval};
};

struct HttpConfig {
    bool enabled = true;
    std::vector<proto::Endpoint> listen;
    std::string token_file;  ///< may be empty: then only what needs no token answers
    bool allow_remote = false;
    std::uint32_t connections = 1000;
    std::uint32_t requests_per_second = 1000;  ///< of one connection, with a burst as large
};

enum class LogLevel : std::uint8_t { debug, info, warning, error };
enum class LogFormat : std::uint8_t { text, json };

struct LogConfig {
    LogLevel level = LogLevel::info;
    LogFormat format = LogFormat::text;
    std::string file;  ///< empty: standard error
};

/// Each key with its value, as they are written: "[node] shards" -> "4". What a section array has is numbered.
using WrittenKeys = std::map<std::string, std::string>;

struct Config {
    WrittenKeys written;
    NodeConfig node;
    PresenceConfig presence;
    HttpConfig http;
    LogConfig log;
    std::vector<translators::sip::SipSettings> sip;
    std::vector<translators::xmpp::XmppSettings> xmpp;
    /// Whole paths of those that [[sip]] and [[xmpp]] name, and the configuration's own where it holds a secret.
    std::set<std::string> secret_files;
};

/// An address that a section listens on.
struct Listening {
    std::string section;
    int line = 0;
    bool tcp = false;
    proto::Endpoint at;
};

struct ParsedConfig {
    Config config;
    bool holds_secret = false;  ///< a password, a secret or an account's hash stands in the text itself
    int state_line = 0;
    int log_file_line = 0;
    std::vector<proto::FileFault> faults;  ///< in the order of their lines; `config` is to be used only when empty
};

/// Relative paths are taken from `folder`, the one the file lies in. Reads secret files that it names, nothing else.
ParsedConfig parse_config(std::string_view toml, const std::string& folder);

/// What the file names and the daemon could not write: looked at, nothing is made.
std::vector<proto::FileFault> unusable_places(const ParsedConfig& parsed);

/// The keys, added and removed ones too, that differ and that only a start reads.
std::vector<std::string> keys_for_restart(const WrittenKeys& running, const WrittenKeys& file);

/// not_found, forbidden: the file cannot be read at all.
proto::Result<ParsedConfig> load_config(const std::string& path);

}  // namespace presmesh::daemon
