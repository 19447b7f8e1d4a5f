#include "node/daemon/material.hpp"

#include <sodium.h>

#include <algorithm>

#include "node/daemon/files.hpp"

namespace presmesh::daemon {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

std::string_view trimmed(std::string_view line) {
    const auto begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

/// The one line of a key or certificate file that is not a comment, as bytes.
Result<proto::Bytes> read_hex_file(const std::string& path, const std::string& what) {
    auto text = read_file(path);
    if (!text) {
        const auto* how = text.error().reason == Reason::not_found ? " is missing: " : " cannot be read: ";
        return refuse(text.error().reason, what + how + text.error().detail);
    }
    proto::Bytes bytes;
    std::string_view rest = *text;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto line = trimmed(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (line.empty() || line.front() == '#') continue;
        if (!bytes.empty()) return refuse(Reason::malformed, what + " holds more than one line");
        bytes = proto::from_hex(line);
        if (bytes.empty()) return refuse(Reason::malformed, what + " is not hexadecimal");
    }
    sodium_memzero(text->data(), text->size());
    if (bytes.empty()) return refuse(Reason::malformed, what + " is empty");
    return bytes;
}

template <typename T>
std::optional<T> or_fault(Result<T> result, const std::string& path, std::vector<FileFaultAt>& faults) {
    if (result) return std::move(*result);
    faults.push_back({path, 0, result.error().detail});
    return std::nullopt;
}

void check_together(const Config& config, proto::WallTime now, Material& material) {
    const auto& path = config.node.certificate_file;
    auto& faults = material.faults;
    if (!material.certificate) return;
    const auto& certificate = *material.certificate;
    if (!config.node.domain.empty() && certificate.domain != config.node.domain)
        faults.push_back(
            {path, 0, "is for the domain " + certificate.domain + ", and the config says " + config.node.domain});
    if (material.node_key && certificate.node_key != material.node_key->public_key())
        faults.push_back({path, 0, "is for another node key than " + config.node.key_file});
    if (!material.federation) return;
    if (material.federation->find(certificate.domain) == nullptr) {
        faults.push_back({config.node.federation_file, 0, "does not list our own domain " + certificate.domain});
    } else if (auto admitted = material.federation->admit(certificate, now); !admitted) {
        faults.push_back({path, 0,
                          "would be refused by every node (" + std::string(proto::to_string(admitted.error().reason)) +
                              ")" + (admitted.error().detail.empty() ? "" : ": " + admitted.error().detail)});
    }
}

}  // namespace

std::string FileFaultAt::to_string() const {
    return file + ":" + (line > 0 ? std::to_string(line) + ":" : std::string()) + " " + text;
}

Result<proto::SigningKey> read_key(const std::string& path, std::string_view what) {
    const auto name = "the " + std::string(what);
    auto bytes = read_hex_file(path, name);
    if (!bytes) return tl::make_unexpected(bytes.error());
    proto::SymmetricKey seed{};
    if (proto::Certificate::decode(*bytes))
        return refuse(Reason::malformed, name + " is wanted here, and this is a certificate");
    if (bytes->size() != seed.size()) return refuse(Reason::malformed, name + " must have 64 hexadecimal digits");
    std::copy(bytes->begin(), bytes->end(), seed.begin());
    auto key = proto::SigningKey::from_seed(seed);
    sodium_memzero(seed.data(), seed.size());
    sodium_memzero(bytes->data(), bytes->size());
    return key;
}

std::string key_file_text(const proto::SigningKey& key, std::string_view about) {
    return "# " + std::string(about) + "\n" + proto::to_hex(key.seed()) + "\n";
}

Result<proto::Certificate> read_certificate(const std::string& path) {
    auto bytes = read_hex_file(path, "the certificate");
    if (!bytes) return tl::make_unexpected(bytes.error());
    auto certificate = proto::Certificate::decode(*bytes);
    if (certificate) return certificate;
    const bool key = bytes->size() == proto::SymmetricKey{}.size();
    sodium_memzero(bytes->data(), bytes->size());
    if (key) return refuse(Reason::malformed, "the certificate is wanted here, and this is a key");
    return refuse(certificate.error().reason, "the certificate cannot be read: " + certificate.error().detail);
}

std::string certificate_file_text(const proto::Certificate& certificate) {
    return "# presmesh: a node certificate of " + certificate.domain + "; not secret\n" +
           proto::to_hex(certificate.encode()) + "\n";
}

std::shared_ptr<const proto::Federation> load_federation(const std::string& path, std::vector<FileFaultAt>& faults) {
    auto text = read_file(path);
    if (!text) {
        faults.push_back({path, 0, text.error().detail});
        return nullptr;
    }
    auto federation = proto::Federation::parse(*text);
    if (federation) return std::make_shared<const proto::Federation>(std::move(*federation));
    for (const auto& fault : federation.error()) faults.push_back({path, fault.line, fault.text});
    return nullptr;
}

std::string federation_digest(const proto::Federation& federation) {
    constexpr std::size_t digits = 16;
    return proto::to_hex(proto::blake2b_256(proto::as_bytes(federation.to_toml()))).substr(0, digits);
}

std::set<std::string> domains_not_ours(const Config& config, const proto::Federation& federation, proto::WallTime now) {
    std::set<std::string> domains;
    for (const auto& section : config.sip) domains.insert(section.domains.begin(), section.domains.end());
    for (const auto& section : config.xmpp) domains.insert(section.domain);
    std::erase_if(domains, [&](const std::string& domain) {
        return domain == config.node.domain || federation.may_publish(config.node.domain, domain, now);
    });
    return domains;
}

std::optional<Tokens> load_tokens(const HttpConfig& http, std::vector<FileFaultAt>& faults) {
    if (!http.enabled || http.token_file.empty()) return Tokens();
    auto text = read_file(http.token_file);
    if (!text) {
        faults.push_back({http.token_file, 0, text.error().detail});
        return std::nullopt;
    }
    auto tokens = Tokens::parse(*text);
    sodium_memzero(text->data(), text->size());
    if (tokens) return std::move(*tokens);
    for (const auto& fault : tokens.error()) faults.push_back({http.token_file, fault.line, fault.text});
    return std::nullopt;
}

Material load_material(const Config& config, proto::WallTime now) {
    Material material;
    if (!config.node.key_file.empty())
        material.node_key = or_fault(read_key(config.node.key_file, "node key"), config.node.key_file, material.faults);
    if (!config.node.certificate_file.empty()) {
        material.certificate =
            or_fault(read_certificate(config.node.certificate_file), config.node.certificate_file, material.faults);
    }
    if (!config.node.federation_file.empty())
        material.federation = load_federation(config.node.federation_file, material.faults);
    material.tokens = load_tokens(config.http, material.faults);
    check_together(config, now, material);
    return material;
}

namespace {

/// Usable or not.
Config read_config(const std::string& path, std::vector<FileFaultAt>& faults) {
    auto parsed = load_config(path);
    if (!parsed) {
        faults.push_back({path, 0, parsed.error().detail});
        return {};
    }
    auto found = std::move(parsed->faults);
    const auto places = unusable_places(*parsed);
    found.insert(found.end(), places.begin(), places.end());
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
    for (const auto& fault : found) faults.push_back({path, fault.line, fault.text});
    return std::move(parsed->config);
}

}  // namespace

std::optional<Config> load_config(const std::string& path, std::vector<FileFaultAt>& faults) {
    const auto before = faults.size();
    auto config = read_config(path, faults);
    return faults.size() == before ? std::optional(std::move(config)) : std::nullopt;
}

Loaded load_all(const std::string& config_path, proto::WallTime now) {
    Loaded loaded;
    loaded.config = read_config(config_path, loaded.faults);
    loaded.material = load_material(loaded.config, now);
    loaded.faults.insert(loaded.faults.end(), loaded.material.faults.begin(), loaded.material.faults.end());
    return loaded;
}

}  // namespace presmesh::daemon
