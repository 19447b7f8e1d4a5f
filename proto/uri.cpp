#include "proto/uri.hpp"

#include <sodium.h>

#include <cctype>
#include <optional>

#include "proto/escaping.hpp"
#include "proto/limits.hpp"
#include "proto/user_part.hpp"

namespace presmesh::proto {

namespace {

struct Parts {
    std::string_view user;
    std::string_view domain;
};

bool take_scheme(std::string_view& text, std::string_view scheme) {
    if (text.size() <= scheme.size() || text[scheme.size()] != ':') return false;
    for (std::size_t i = 0; i < scheme.size(); ++i)
        if (std::tolower(static_cast<unsigned char>(text[i])) != scheme[i]) return false;
    text.remove_prefix(scheme.size() + 1);
    return true;
}

bool take_sip_scheme(std::string_view& text) {
    return take_scheme(text, "sip") || take_scheme(text, "sips") || take_scheme(text, "pres") ||
           take_scheme(text, "im");
}

// A ':' may stand in a user part, so not everything that looks like a scheme is one; these are never the start of a
// name.
std::string_view other_scheme(std::string_view text) {
    for (const std::string_view scheme : {"mailto", "tel", "acct", "h323", "http", "https", "urn"})
        if (std::string_view rest = text; take_scheme(rest, scheme)) return scheme;
    return {};
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::size_t after_quoted_string(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            return i + 1;
    }
    return std::string_view::npos;
}

// The addr-spec of a name-addr (RFC 3261 section 20.10), or the text itself when it is none.
Result<std::string_view> inside_angles(std::string_view text) {
    text = trimmed(text);
    std::size_t from = 0;
    if (!text.empty() && text.front() == '"') from = after_quoted_string(text);
    if (from == std::string_view::npos) return refuse(Reason::malformed, "a display name without its end");
    std::size_t open = text.find('<', from);
    if (open == std::string_view::npos && from == 0) return text;
    if (open == std::string_view::npos) return refuse(Reason::malformed, "a display name without an address");
    std::size_t close = text.find('>', open);
    if (close == std::string_view::npos) return refuse(Reason::malformed, "an address without its '>'");
    return trimmed(text.substr(open + 1, close - open - 1));
}

Result<Parts> split(std::string_view text, std::size_t at) {
    if (at == std::string_view::npos) return refuse(Reason::malformed, "no '@'");
    if (at == 0) return refuse(Reason::malformed, "no user");
    if (text.size() > limits::uri_bytes) return refuse(Reason::too_large, "URI");
    return Parts{text.substr(0, at), text.substr(at + 1)};
}

bool is_port(std::string_view text) {
    return text.size() <= 5 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Result<std::string> domain_of_uri(std::string_view host) {
    std::size_t colon = host.find(':');
    if (colon != std::string_view::npos && !is_port(host.substr(colon + 1)))
        return refuse(Reason::malformed, "not a host and port");
    auto decoded = percent_decode(host.substr(0, colon));
    if (!decoded) return tl::make_unexpected(decoded.error());
    return canonical_domain(*decoded);
}

using Hash20 = DhtKey;

// BLAKE2b-256 keyed with the federation's key and made for one purpose (FORMAT.md: keys), its first 20 bytes.
Hash20 keyed_hash(const SymmetricKey& key, std::string_view purpose, std::string_view message) {
    std::array<std::uint8_t, crypto_generichash_blake2b_PERSONALBYTES> personal{};
    std::copy(purpose.begin(), purpose.end(), personal.begin());
    Digest whole;
    crypto_generichash_blake2b_salt_personal(whole.data(), whole.size(), as_bytes(message).data(), message.size(),
                                             key.data(), key.size(), nullptr, personal.data());
    Hash20 out;
    std::copy_n(whole.begin(), out.size(), out.begin());
    return out;
}

}  // namespace

Result<PresentityUri> PresentityUri::from_parts(const std::string& user, const std::string& domain) {
    auto name = canonical_user(user);
    if (!name) return tl::make_unexpected(name.error());
    return PresentityUri(std::move(*name), domain);
}

Result<PresentityUri> PresentityUri::from_sip(std::string_view text) {
    auto address = inside_angles(text);
    if (!address) return tl::make_unexpected(address.error());
    std::string_view uri = *address;
    if (!take_sip_scheme(uri)) return refuse(Reason::malformed, "not a SIP URI");
    std::size_t at = uri.find('@');
    std::size_t end = at == std::string_view::npos ? at : uri.find_first_of(";?", at);
    auto parts = split(uri.substr(0, end), at);
    if (!parts) return tl::make_unexpected(parts.error());
    auto user = percent_decode(parts->user.substr(0, parts->user.find(':')));  // a password is no part of a name
    if (!user) return tl::make_unexpected(user.error());
    auto domain = domain_of_uri(parts->domain);
    if (!domain) return tl::make_unexpected(domain.error());
    return from_parts(*user, *domain);
}

Result<PresentityUri> PresentityUri::from_local_part(std::string_view local, std::string_view domain) {
    auto user = jid_unescape(local);
    if (!user) return tl::make_unexpected(user.error());
    auto name = canonical_domain(domain);
    if (!name) return tl::make_unexpected(name.error());
    return from_parts(*user, *name);
}

Result<PresentityUri> PresentityUri::from_jid(std::string_view jid) {
    std::string_view bare = jid.substr(0, jid.find('/'));
    auto parts = split(bare, bare.find('@'));
    if (!parts) return tl::make_unexpected(parts.error());
    return from_local_part(parts->user, parts->domain);
}

// RFC 5122: an optional "//account@host/" before the address, then resource, query and fragment, which name no
// presentity.
Result<PresentityUri> PresentityUri::from_xmpp_uri(std::string_view rest) {
    if (rest.substr(0, 2) == "//") {
        std::size_t slash = rest.find('/', 2);
        rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
    }
    rest = rest.substr(0, rest.find_first_of("/?#"));
    auto parts = split(rest, rest.find('@'));
    if (!parts) return tl::make_unexpected(parts.error());
    auto local = percent_decode(parts->user);
    if (!local) return tl::make_unexpected(local.error());
    auto domain = percent_decode(parts->domain);
    if (!domain) return tl::make_unexpected(domain.error());
    return from_local_part(*local, *domain);
}

Result<PresentityUri> PresentityUri::parse(std::string_view text) {
    std::string_view rest = text;
    if (take_sip_scheme(rest)) return from_sip(text);
    if (take_scheme(rest, "xmpp")) return from_xmpp_uri(rest);
    if (const auto scheme = other_scheme(text); !scheme.empty())
        return refuse(Reason::malformed, "a " + std::string(scheme) + ": URI names no presentity");
    auto parts = split(text, text.rfind('@'));
    if (!parts) return tl::make_unexpected(parts.error());
    auto domain = canonical_domain(parts->domain);
    if (!domain) return tl::make_unexpected(domain.error());
    return from_parts(std::string(parts->user), *domain);
}

Result<PresentityUri> PresentityUri::from_canonical(std::string_view canonical) {
    auto parts = split(canonical, canonical.rfind('@'));
    if (!parts) return tl::make_unexpected(parts.error());
    auto user = canonical_user(parts->user);
    if (!user) return tl::make_unexpected(user.error());
    auto domain = canonical_domain(parts->domain);
    if (!domain) return tl::make_unexpected(domain.error());
    if (*user != parts->user || *domain != parts->domain) return refuse(Reason::not_canonical, "name");
    return PresentityUri(std::move(*user), std::string(parts->domain));
}

std::string PresentityUri::pres() const {
    return "pres:" + percent_encode(user(), UserGrammar::pres) + "@" + domain();
}
std::string PresentityUri::sip() const {
    return "sip:" + percent_encode(user(), UserGrammar::sip) + "@" + domain();
}
std::string PresentityUri::jid() const {
    const auto local = jid_escape(user());
    auto host = unicode_domain(domain());
    if (local.size() + 1 + host.size() > limits::uri_bytes) host = domain();  // in A-labels any name fits
    return local + "@" + host;
}

DhtKey presentity_key(const SymmetricKey& federation_key, const PresentityUri& presentity) {
    return keyed_hash(federation_key, "presmesh-uri-1", presentity.canonical());
}

DhtKey dht_key(const SymmetricKey& federation_key, std::string_view domain, const DhtKey& presentity_key) {
    std::string message(domain);
    message += '\0';
    message += as_text(presentity_key);
    return keyed_hash(federation_key, "presmesh-place-1", message);
}

DhtKey domain_dht_key(const SymmetricKey& federation_key, std::string_view domain) {
    return keyed_hash(federation_key, "presmesh-nodes-1", domain);
}

}  // namespace presmesh::proto
