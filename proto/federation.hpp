// The federation file: which domains are admitted, by which keys, and where to knock first.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/identity.hpp"
#include "proto/result.hpp"
#include "proto/verification_cache.hpp"

namespace presmesh::proto {

/// A domain's short name in records: the first 8 bytes of BLAKE2b-256 of its canonical form.
using DomainName = std::array<std::uint8_t, 8>;
DomainName domain_name(std::string_view domain);

Digest delegation_id(const Delegation& delegation);

struct Member {
    std::string domain;  ///< canonical
    PublicKey key{};
    std::vector<std::string> bootstrap;  ///< "host:port" as written; the daemon resolves names
    std::set<NodeId> revoked;
    std::vector<Delegation> delegations;  ///< signed by this member for its own users
    /// Ids of delegations taken back: a copy of one that comes with an older file does not count.
    std::set<Digest> undelegated{};
};

/// "host:port", the host an address (IPv6 in brackets) or a name, the port a multiple of 8 and not 0.
bool is_bootstrap(std::string_view text);

/// A fault of a file an operator wrote.
struct FileFault {
    int line = 0;  ///< from 1; 0 where the fault has no line of its own (something is missing)
    std::string text;
};

class Federation {
  public:
    SymmetricKey key{};  ///< the federation's own key: keys the hash of presentity URIs, known to members only
    std::map<std::string, Member, std::less<>> members;

    /// Adds or replaces a member, without the delegations it took back. One put into the map directly has no short
    /// name, and its records are nobody's; nor is it among the delegators for what it delegates there.
    void add(Member member);

    /// TOML, see FORMAT.md for the form. All faults at once, or the federation.
    static tl::expected<Federation, std::vector<FileFault>> parse(std::string_view toml);
    std::string to_toml() const;

    const Member* find(std::string_view domain) const;
    const Member* find(const DomainName& name) const;
    /// not_admitted, revoked, and what Certificate::check says. The cache, where there is one, saves verifying again.
    Result<void> admit(const Certificate& certificate, WallTime now, VerificationCache* cache = nullptr) const;
    /// May a node certified for `publisher` publish for users of `domain`? Its own, or delegated: else foreign_domain.
    Result<void> may_publish(std::string_view publisher, std::string_view domain, WallTime now,
                             VerificationCache* cache = nullptr) const;
    /// The members that delegate, held or run out: few of many.
    const std::set<std::string, std::less<>>& delegators() const { return delegators_; }
    /// From when on the first delegation that may hold at `now` does so no more; WallTime::max() when none ever will.
    WallTime next_delegation_end(WallTime now) const;

  private:
    std::map<DomainName, std::string> names_;
    std::set<std::string, std::less<>> delegators_;
};

}  // namespace presmesh::proto
