// Presentity URIs (RFC 3859): one canonical form for pres:, sip:, sips:, im:, xmpp: and bare user@domain.
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <string_view>

#include "proto/bytes.hpp"
#include "proto/result.hpp"

namespace presmesh::proto {

/// A domain name in canonical form: lower case, IDNA A-labels (UTS 46 non-transitional), no trailing dot.
Result<std::string> canonical_domain(std::string_view domain);
/// Of the form canonical_domain() gives: labels of lower-case letters, digits and hyphens. Cheap; for names in signed
/// bytes.
bool has_canonical_form(std::string_view domain);
/// A canonical domain as JIDs have it (RFC 7622 section 3.2): in U-labels. As it is where an XMPP server would read
/// another domain there: their nameprep is that of IDNA 2003, to which a sharp s is "ss".
std::string unicode_domain(const std::string& canonical);

/// A presentity's canonical name: user part lower-case NFC UTF-8 with every escape undone; domain as canonical_domain
/// gives it. No scheme, no parameters, no resource. FORMAT.md (names) says what is refused and why case is folded.
/// Copies share the text: a node keeps a dozen of each name.
class PresentityUri {
  public:
    PresentityUri() = default;

    /// Reads any spelling: "pres:", "sip:", "sips:", "im:", "xmpp:" URIs, or a bare "user@domain" (taken as unescaped).
    /// Refuses (malformed, too_large): no user, no domain, bad UTF-8, control characters, bad escapes, URIs of other
    /// schemes ("mailto:", "tel:", ...).
    static Result<PresentityUri> parse(std::string_view text);
    /// A SIP or SIPS URI, name-addr and parameters allowed (RFC 7247 section 6.4's percent-decoding; "pres:" and "im:"
    /// are read too).
    static Result<PresentityUri> from_sip(std::string_view text);
    /// A JID, bare or full; XEP-0106 escapes undone (RFC 7247 section 6.5). The resource is dropped.
    static Result<PresentityUri> from_jid(std::string_view jid);
    /// The inverse of canonical(): not_canonical when that would spell it otherwise. parse() cannot stand in, for it
    /// would take a user part that begins with "sip:" for a URI.
    static Result<PresentityUri> from_canonical(std::string_view canonical);

    const std::string& user() const { return name().user; }
    const std::string& domain() const { return name().domain; }
    bool empty() const { return name_ == nullptr; }

    std::string pres() const;  ///< "pres:user@domain", percent-encoded: the spelling we show
    std::string sip() const;   ///< "sip:user@domain", RFC 7247 section 6.5 escaping
    std::string jid() const;   ///< "user@domain", XEP-0106 escaping, the domain as unicode_domain() gives it
    std::string canonical() const { return user() + "@" + domain(); }  ///< what is hashed and compared

    std::strong_ordering operator<=>(const PresentityUri& other) const {
        return name_ == other.name_ ? std::strong_ordering::equal : name() <=> other.name();
    }
    bool operator==(const PresentityUri& other) const { return name_ == other.name_ || name() == other.name(); }

  private:
    struct Name {
        std::string user;
        std::string domain;
        auto operator<=>(const Name&) const = default;
    };
    const Name& name() const {
        static const Name none;
        return name_ ? *name_ : none;
    }
    static Result<PresentityUri> from_parts(const std::string& user, const std::string& domain);
    static Result<PresentityUri> from_local_part(std::string_view local, std::string_view domain);
    static Result<PresentityUri> from_xmpp_uri(std::string_view rest);

    PresentityUri(std::string user, std::string domain)
        : name_(std::make_shared<const Name>(Name{std::move(user), std::move(domain)})) {}
    std::shared_ptr<const Name> name_;  // null: the empty one
};

/// The inner hash: first 20 bytes of BLAKE2b keyed with the federation's key over the canonical URI. What a record
/// carries.
DhtKey presentity_key(const SymmetricKey& federation_key, const PresentityUri& presentity);
/// Where a presentity's records lie: the inner hash bound to its domain, so that a storing node, which never learns the
/// URI, can still tell that a record's domain owns the key it is stored under.
DhtKey dht_key(const SymmetricKey& federation_key, std::string_view domain, const DhtKey& presentity_key);
/// Where the nodes of a domain announce themselves.
DhtKey domain_dht_key(const SymmetricKey& federation_key, std::string_view domain);

}  // namespace presmesh::proto

template <>
struct std::hash<presmesh::proto::PresentityUri> {
    std::size_t operator()(const presmesh::proto::PresentityUri& u) const noexcept {
        return std::hash<std::string>{}(u.user()) * 31 + std::hash<std::string>{}(u.domain());
    }
};
