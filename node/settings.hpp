// What a node is told at its start. node/daemon reads it from the config file; tests and the simulator write it down.
#pragma once

#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "node/pace.hpp"
#include "node/rules.hpp"
#include "overlay/overlay.hpp"
#include "proto/endpoint.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/time.hpp"

namespace presmesh::node {

/// The bounds an operator may set lower (or a test).
struct ServiceLimits {
    std::size_t presentities = proto::limits::presentities_per_node;
    std::size_t watches = proto::limits::watches_per_node;
    std::size_t watches_per_watcher = proto::limits::watches_per_watcher;
    std::size_t watchers_per_presentity = proto::limits::watchers_per_presentity;
    std::size_t pending_per_presentity = proto::limits::pending_watchers_per_presentity;
    std::size_t pending_per_domain = proto::limits::pending_watchers_per_domain;  ///< of one presentity
    std::chrono::seconds min_expires = proto::limits::publication_min_expires;
    std::chrono::seconds max_expires = proto::limits::publication_max_expires;
    std::chrono::seconds default_expires = proto::limits::publication_default_expires;
    /// Changes of one presentity that go out as they come, then one every interval (zero: all).
    Allowance changes{proto::limits::change_burst, proto::limits::change_interval};
    /// The same of what one watch is told.
    Allowance told{proto::limits::told_burst, proto::limits::told_interval};
};

struct ServiceSettings {
    /// The domains this node publishes for: its certificate's, and those that delegated to it. Canonical.
    std::set<std::string, std::less<>> domains;
    /// For every presentity, after its own rules.
    RuleSet rules;
    /// When no rule names the watcher.
    Handling default_handling = Handling::confirm;
    /// Do other nodes of our domains publish for the same users? False spares a look-up for each local watch.
    bool follow_own_domains = true;
    ServiceLimits limits;
};

struct NodeSettings {
    proto::SigningKey node_key;
    proto::Certificate certificate;
    overlay::FederationPtr federation;
    std::vector<proto::Endpoint> advertised;  ///< at most 2; ports multiples of 8
    proto::Duration crash_bound = std::chrono::seconds{30};
    ServiceSettings service;                    ///< the certificate's domain is added to `domains` by itself
    proto::VerificationCachePtr verified = {};  ///< the DHT's (overlay::DhtSettings); none: its own
};

}  // namespace presmesh::node
