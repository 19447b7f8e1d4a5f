// Every presentity's rules and its user's decisions about single watchers, kept over restarts, and the one answer to
// "how is this watcher to be handled?".
#pragma once

#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "node/rule_log.hpp"
#include "node/rules.hpp"
#include "node/settings.hpp"
#include "node/store.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"

namespace presmesh::node {

class RuleBook {
  public:
    /// `store` and `random` must outlive it.
    RuleBook(Store& store, const ServiceSettings& settings, proto::Random& random);
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
    void set_rules(proto::Now now, const proto::PresentityUri& presentity, RuleSet rules);  ///< an empty set erases
    /// none takes the decision back. quota: limits::rules_per_presentity decisions are held.
    proto::Result<void> decide(proto::Now now, const proto::PresentityUri& presentity,
                               const proto::PresentityUri& watcher, std::optional<Handling> decision);
    std::vector<Rule> decisions(const proto::PresentityUri& presentity) const;

    // ---- among the nodes of a domain
    const RuleLog& log() const { return log_; }
    /// What another node of the domain was told. False: what is known here holds, or there is no room for
    /// limits::rules_with_told.
    bool take(const proto::RuleChange& change);
    void renew_log() { log_.renew(); }
    void set_seen(const proto::NodeId& node, const proto::RulesAskMessage& seen) { log_.set_seen(node, seen); }

  private:
    void keep_rules(const proto::PresentityUri& presentity, RuleSet rules);
    void keep_decision(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                       std::optional<Handling> decision);
    bool has_room(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher, std::size_t most) const;
    bool take_rule(const proto::RuleChange& change);
    bool take_decision(const proto::RuleChange& change);
    void note_old();

    using Decisions = std::map<proto::PresentityUri, Handling>;
    Store& store_;
    RuleLog log_;
    RuleSet common_;
    Handling default_;
    std::unordered_map<proto::PresentityUri, RuleSet> rules_;
    std::unordered_map<proto::PresentityUri, Decisions> decisions_;
};

}  // namespace presmesh::node
