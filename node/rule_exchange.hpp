// Our users' rules among the nodes of the domain: asks each for what changed there, and tells what changed here, one
// message at a time, to whoever asked.
#pragma once

#include <map>
#include <set>

#include "node/diagnostics.hpp"
#include "node/rule_book.hpp"
#include "overlay/overlay.hpp"

namespace presmesh::node {

class RuleExchange {
  public:
    /// All must outlive it.
    RuleExchange(RuleBook& rules, overlay::Overlay& overlay, Diagnostics& diagnostics)
        : rules_(rules), overlay_(overlay), diagnostics_(diagnostics) {}

    void found(proto::Now now, const overlay::SiblingFound& sibling);
    void asked(const overlay::RulesAsked& question);
    /// The presentities whose rules are others now.
    std::set<proto::PresentityUri> told(proto::Now now, const overlay::RulesTold& answer);
    /// False: nobody waits for anything.
    bool tell(proto::Now now);

  private:
    struct Listener {
        std::uint64_t position = 0;  ///< of our log: what it has
        std::uint64_t told = 0;      ///< of our log: up to where, in this run
        bool asking = true;          ///< since it was told last
    };
    void renew_log();

    RuleBook& rules_;
    overlay::Overlay& overlay_;
    Diagnostics& diagnostics_;
    std::map<proto::NodeId, Listener> listeners_;  ///< at most the domain's nodes (limits::peers_per_domain at a time)
};

}  // namespace presmesh::node
