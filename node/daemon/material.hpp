// What the config file points to, loaded and checked against each other: keys, certificate, federation, tokens.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/daemon/config.hpp"
#include "node/daemon/tokens.hpp"
#include "proto/federation.hpp"
#include "proto/identity.hpp"

namespace presmesh::daemon {

/// A fault with the file it is in.
struct FileFaultAt {
    std::string file;
    int line = 0;  ///< 0: the file as a whole
    std::string text;
    std::string to_string() const;  ///< "FILE:LINE: text"
};

struct Material {
    std::optional<proto::SigningKey> node_key;
    std::optional<proto::Certificate> certificate;
    std::shared_ptr<const proto::Federation> federation;
    std::optional<Tokens> tokens;
    std::vector<FileFaultAt> faults;  ///< all must be set and this empty, for a start
};

Material load_material(const Config& config, proto::WallTime now);
/// The parts that a reload reads again.
std::shared_ptr<const proto::Federation> load_federation(const std::string& path, std::vector<FileFaultAt>& faults);
/// The same for everybody who has the same file, and tells nothing about its key.
std::string federation_digest(const proto::Federation& federation);
/// The domains of [[sip]] and [[xmpp]] sections whose users this node may not publish for: neither its own nor, now,
/// delegated to it.
std::set<std::string> domains_not_ours(const Config& config, const proto::Federation& federation, proto::WallTime now);
std::optional<Tokens> load_tokens(const HttpConfig& http, std::vector<FileFaultAt>& faults);

/// Key files: one line of hexadecimal digits; lines that start with # are for people.
/// `what` it is, for the fault: "node key".
proto::Result<proto::SigningKey> read_key(const std::string& path, std::string_view what);
std::string key_file_text(const proto::SigningKey& key, std::string_view about);
proto::Result<proto::Certificate> read_certificate(const std::string& path);
std::string certificate_file_text(const proto::Certificate& certificate);

/// The whole check of a config file and everything it names; `config` is usable when there are no faults.
struct Loaded {
    Config config;
    Material material;
    std::vector<FileFaultAt> faults;
};
/// The config file and the places it names; none when there is a fault.
std::optional<Config> load_config(const std::string& path, std::vector<FileFaultAt>& faults);
Loaded load_all(const std::string& config_path, proto::WallTime now);

}  // namespace presmesh::daemon
