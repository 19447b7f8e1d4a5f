// Every presentity's rules and its user's decisions about single watchers, kept over restarts, and the one answer to
// "how is this watcher to be handled?".
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "node/rules.hpp"
#include "node/settings.hpp"
#include "node/store.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"

namespace presmesh::node {

class RuleBook {
  public:
    /// `store` must outlive it.
    RuleBook(Store& store, const ServiceSettings& settings);
    void load();
    /// The node's own rules and default, in place of those it was made with.
    void set_common(RuleSet rules, Handling default_handling);

    /// The presentity itself: allow. Else the most exact of its own rules, then of the node's, then the node's default;
    /// where that says confirm, the decision of its user, if there is one.
    Handling handling(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) const;
    /// What a rule (not the default, not a decision) says: an attached server's users decide there, but a block holds.
    std::optional<Handling> explicit_rule(const proto::PresentityUri& presentity,
                                          const proto::PresentityUri& watcher) const;

    const RuleSet& rules(const proto::PresentityUri& presentity) const;
    void set_rules(const proto::PresentityUri& presentity, RuleSet rules);  ///< an empty set erases
    /// none takes the decision back. quota: limits::rules_per_presentity decisions are held.
    proto::Result<void> decide(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                               std::optional<Handling> decision);
    std::vector<Rule> decisions(const proto::PresentityUri& presentity) const;

  private:
    using Decisions = std::map<proto::PresentityUri, Handling>;
    Store& store_;
    RuleSet common_;
    Handling default_;
    std::unordered_map<proto::PresentityUri, RuleSet> rules_;
    std::unordered_map<proto::PresentityUri, Decisions> decisions_;
};

}  // namespace presmesh::node
