#include "node/rule_exchange.hpp"

#include <algorithm>

namespace presmesh::node {

using proto::Now;

void RuleExchange::found(Now now, const overlay::SiblingFound& sibling) {
    overlay_.ask_rules(now, sibling.node, rules_.log().seen(sibling.node));
}

void RuleExchange::asked(const overlay::RulesAsked& question) {
    const auto& log = rules_.log();
    const auto since = question.message.log == log.id() ? question.message.since : 0;
    auto& listener = listeners_[question.node];
    // It heard more than was loaded or told since: the store is an older copy, and that position means something else.
    if (since > log.loaded_head() && since > listener.told) {
        renew_log();
    } else {
        listener.position = since;
    }
    listener.asking = true;
}

/// Whoever listens begins anew with it.
void RuleExchange::renew_log() {
    rules_.renew_log();
    for (auto& [node, listener] : listeners_) listener.position = listener.told = 0;
}

std::set<proto::PresentityUri> RuleExchange::told(Now now, const overlay::RulesTold& answer) {
    const auto& message = answer.message;
    const auto seen = rules_.log().seen(answer.node);
    if (message.since > (seen.log == message.log ? seen.since : 0)) return {};  // something is missing before it
    std::set<proto::PresentityUri> changed;
    for (const auto& change : message.changes) {
        const bool taken = rules_.take(change);
        diagnostics_.count("service_rules_told", taken ? "taken" : "left", 1);
        if (taken) changed.insert(change.presentity);
    }
    const auto upto = seen.log == message.log ? std::max(seen.since, message.upto) : message.upto;
    rules_.set_seen(answer.node, {message.log, upto});
    overlay_.ask_rules(now, answer.node, {message.log, upto});
    return changed;
}

bool RuleExchange::tell(Now now) {
    bool busy = false;
    for (auto& [node, listener] : listeners_) {
        if (!listener.asking || listener.position >= rules_.log().head()) continue;
        listener.asking = false;
        auto message = rules_.log().after(listener.position);
        listener.told = std::max(listener.told, message.upto);
        overlay_.tell_rules(now, node, std::move(message));
        busy = true;
    }
    return busy;
}

}  // namespace presmesh::node
