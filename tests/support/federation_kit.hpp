// A federation made on the spot: domains with their keys, nodes with theirs.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/random.hpp"

namespace presmesh::testing {

inline constexpr std::int64_t kit_epoch_s = 1'800'000'000;  // somewhere in 2027

/// A node's key and certificate.
struct NodeKit {
    proto::SigningKey key;
    proto::Certificate certificate;
    proto::NodeId id() const { return proto::node_id(key.public_key()); }
};

class FederationKit {
  public:
    explicit FederationKit(std::uint64_t seed) : random_(seed) { random_.fill(federation_.key); }

    void add_domain(const std::string& domain) {
        const auto key = proto::SigningKey::generate(random_);
        proto::Member member;
        member.domain = domain;
        member.key = key.public_key();
        federation_.add(member);
        domains_.insert_or_assign(domain, key);
    }
    void remove_domain(const std::string& domain) { federation_.members.erase(domain); }
    void revoke(const NodeKit& node) { federation_.members.at(node.certificate.domain).revoked.insert(node.id()); }
    void delegate(const std::string& domain, const std::string& delegate, proto::WallTime not_after = end()) {
        auto member = federation_.members.at(domain);
        member.delegations.push_back(
            proto::Delegation::issue(domains_.at(domain), domain, delegate, start(), not_after));
        federation_.add(member);
    }

    /// Certified by the domain's key, for a day before the kit's epoch to a year after it unless told otherwise.
    NodeKit node(const std::string& domain, proto::WallTime not_before = start(), proto::WallTime not_after = end()) {
        auto key = proto::SigningKey::generate(random_);
        auto certificate = proto::Certificate::issue(domains_.at(domain), domain, key.public_key(),
                                                     proto::role_store | proto::role_publish, not_before, not_after);
        return {std::move(key), std::move(certificate)};
    }

    /// The same node, certified by another domain's key.
    NodeKit moved(const NodeKit& node, const std::string& domain) {
        return {node.key, proto::Certificate::issue(domains_.at(domain), domain, node.key.public_key(),
                                                    node.certificate.roles, start(), end())};
    }

    std::shared_ptr<const proto::Federation> share() const {
        return std::make_shared<const proto::Federation>(federation_);
    }
    const proto::SigningKey& domain_key(const std::string& domain) const { return domains_.at(domain); }

    static proto::WallTime start() { return proto::wall_from_seconds(kit_epoch_s - 86'400); }
    static proto::WallTime end() { return proto::wall_from_seconds(kit_epoch_s + 365 * 86'400); }

  private:
    proto::SeededRandom random_;
    proto::Federation federation_;
    std::map<std::string, proto::SigningKey> domains_;
};

}  // namespace presmesh::testing
