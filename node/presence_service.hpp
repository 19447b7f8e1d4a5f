// The presence service of a node: publish, watch, compose, authorize. Translators reach it as their Host, HTTP and the
// command line by the calls beside. It tells nobody anything inside a call: what changed is told by flush(), at the end
// of the turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node/diagnostics.hpp"
#include "node/observer.hpp"
#include "node/publications.hpp"
#include "node/rule_book.hpp"
#include "node/settings.hpp"
#include "node/store.hpp"
#include "overlay/overlay.hpp"
#include "proto/fill.hpp"
#include "proto/random.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

/// Watcher information (RFC 3857): one watcher of one of our presentities.
struct WatcherInfo {
    proto::PresentityUri watcher;
    translators::WatchState state = translators::WatchState::pending;
    Handling handling = Handling::confirm;
    bool remote = false;    ///< watches from another node
    bool attended = false;  ///< an attached server decides
    proto::WallTime since{};
};

struct ServiceStatus {
    std::size_t presentities = 0;  ///< with a publication
    std::size_t publications = 0;
    std::size_t watches = 0;   ///< of our users and observers
    std::size_t watchers = 0;  ///< of our presentities, local and remote
    std::size_t pending = 0;   ///< of them
    // ---- what changes faster than it may: held back now, and overtaken by newer ones so far
    std::size_t changes_held = 0;  ///< of presentities
    std::uint64_t changes_coalesced = 0;
    std::size_t views_held = 0;  ///< of watches
    std::uint64_t views_coalesced = 0;
    proto::Fills fills = {};
};

class PresenceService final : public translators::Host {
  public:
    /// All references must outlive the service.
    PresenceService(ServiceSettings settings, proto::NodeId node, overlay::Overlay& overlay, Store& store,
                    proto::Random& random, Diagnostics& diagnostics);
    ~PresenceService() override;

    // ---- translators::Host
    bool serves(const proto::PresentityUri& presentity) const override;
    proto::Result<translators::PublishReceipt> publish(proto::Now now,
                                                       const translators::PublishRequest& request) override;
    proto::Result<void> set_publication(proto::Now now, translators::Translator& translator,
                                        const proto::PresentityUri& presentity, proto::DocumentPtr document,
                                        std::chrono::seconds expires) override;
    proto::Result<translators::WatchId> watch(proto::Now now, translators::Translator& owner,
                                              const proto::PresentityUri& watcher,
                                              const proto::PresentityUri& presentity) override;
    void unwatch(proto::Now now, translators::WatchId watch) override;
    translators::View view(translators::WatchId watch) const override;
    void decide(proto::Now now, translators::Translator& translator, const proto::PresentityUri& presentity,
                const proto::PresentityUri& watcher, translators::WatchState state, std::string reason) override;
    proto::Result<void> observe_watchers(translators::Translator& owner,
                                         const proto::PresentityUri& presentity) override;
    void unobserve_watchers(translators::Translator& owner, const proto::PresentityUri& presentity) override;
    std::vector<translators::WatcherStatus> watchers_after(const proto::PresentityUri& presentity,
                                                           const proto::PresentityUri& after,
                                                           std::size_t most) const override;
    void save(translators::Translator& translator, std::string_view key, proto::BytesView value) override;
    void erase(translators::Translator& translator, std::string_view key) override;
    std::vector<std::pair<std::string, proto::Bytes>> load(translators::Translator& translator) const override;
    void step(proto::Now now, std::string_view step, const proto::PresentityUri& presentity,
              std::string_view detail) override;
    void count(std::string_view name, std::string_view label, std::uint64_t by = 1) override;

    // ---- for HTTP and the command line
    /// As Host::watch; the observer must outlive the watch. foreign_domain, not_admitted, quota.
    proto::Result<translators::WatchId> watch(proto::Now now, Observer& owner, const proto::PresentityUri& watcher,
                                              const proto::PresentityUri& presentity);
    /// False while the first finding of a watch's sources still runs: a null document then means "not known yet".
    bool settled(translators::WatchId watch) const;
    /// This node's own document of one of its presentities, unabridged, for its user and the operator; null: none.
    proto::DocumentPtr document(const proto::PresentityUri& presentity) const;
    std::vector<PublicationInfo> publications(const proto::PresentityUri& presentity) const;

    const RuleSet& rules(const proto::PresentityUri& presentity) const;
    /// Acts at once on the watches there are. not_found: not ours.
    proto::Result<void> set_rules(proto::Now now, const proto::PresentityUri& presentity, RuleSet rules);
    /// The user's answer about one watcher, asked for already or not; none takes it back. not_found, quota.
    proto::Result<void> decide(proto::Now now, const proto::PresentityUri& presentity,
                               const proto::PresentityUri& watcher, std::optional<Handling> decision);
    std::vector<Rule> decisions(const proto::PresentityUri& presentity) const;
    std::vector<WatcherInfo> watchers(const proto::PresentityUri& presentity) const;
    ServiceStatus status() const;

    // ---- for Node
    /// `translators` are asked in this order who attends a presentity. Reads what was saved.
    void start(proto::Now now, std::vector<translators::Translator*> translators);
    /// What an operator may change while the node runs: domains, rules, default_handling, follow_own_domains, and
    /// limits.changes and .told are taken from `settings`. Acts at once on the watches and publications there are;
    /// those of a domain that is no longer ours are refused, and what is published there waits unseen until it is ours
    /// again or runs out.
    void set_policy(proto::Now now, const ServiceSettings& settings);
    /// Watches of domains that are not in it are refused (not_admitted).
    void set_federation(overlay::FederationPtr federation);
    void handle_event(proto::Now now, const overlay::Event& event);
    /// Tells what changed since the last flush. False: there was nothing to tell.
    bool flush(proto::Now now);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::node
