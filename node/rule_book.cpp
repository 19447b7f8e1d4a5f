#include "node/rule_book.hpp"

#include "node/store_keys.hpp"
#include "proto/limits.hpp"

namespace presmesh::node {

using proto::PresentityUri;

RuleBook::RuleBook(Store& store, const ServiceSettings& settings, proto::Random& random)
    : store_(store), log_(store, random), common_(settings.rules), default_(settings.default_handling) {}

void RuleBook::load() {
    store_.each(store_tables::rules, {}, [this](std::string_view key, proto::BytesView value) {
        auto presentity = PresentityUri::from_canonical(key);
        auto rules = RuleSet::decode(value);
        if (presentity && rules) rules_.insert_or_assign(*presentity, std::move(*rules));
    });
    store_.each(store_tables::decisions, {}, [this](std::string_view key, proto::BytesView value) {
        auto [first, second] = split_key(key);
        auto presentity = PresentityUri::from_canonical(first);
        auto watcher = PresentityUri::from_canonical(second);
        auto handling = parse_handling(proto::as_text(value));
        if (presentity && watcher && handling) decisions_[*presentity].insert_or_assign(*watcher, *handling);
    });
    log_.load();
    note_old();
}

/// What an earlier release kept without a log.
void RuleBook::note_old() {
    std::map<RuleLog::Key, Handling> old;
    for (const auto& [presentity, rules] : rules_)
        for (const Rule& rule : rules.rules())
            old.emplace(RuleLog::Key{presentity, false, rule.who()}, rule.handling());
    for (const auto& [presentity, decisions] : decisions_)
        for (const auto& [watcher, handling] : decisions)
            old.emplace(RuleLog::Key{presentity, true, watcher.canonical()}, handling);
    for (const auto& [key, handling] : old)
        if (!log_.knows(key)) log_.note_old(key, handling);
}

void RuleBook::set_common(RuleSet rules, Handling default_handling) {
    common_ = std::move(rules);
    default_ = default_handling;
}

std::optional<Handling> RuleBook::explicit_rule(const PresentityUri& presentity, const PresentityUri& watcher) const {
    if (auto own = rules_.find(presentity); own != rules_.end())
        if (auto handling = own->second.find(watcher)) return handling;
    return common_.find(watcher);
}

Handling RuleBook::handling(const PresentityUri& presentity, const PresentityUri& watcher) const {
    if (watcher == presentity) return Handling::allow;
    Handling handling = explicit_rule(presentity, watcher).value_or(default_);
    if (handling != Handling::confirm) return handling;
    auto decided = decisions_.find(presentity);
    if (decided == decisions_.end()) return handling;
    auto decision = decided->second.find(watcher);
    return decision == decided->second.end() ? handling : decision->second;
}

const RuleSet& RuleBook::rules(const PresentityUri& presentity) const {
    static const RuleSet none;
    auto found = rules_.find(presentity);
    return found == rules_.end() ? none : found->second;
}

void RuleBook::set_rules(proto::Now now, const PresentityUri& presentity, RuleSet rules) {
    const RuleSet before = this->rules(presentity);
    for (const Rule& rule : before.rules())
        if (!rules.rule_for(rule.who())) log_.note(now, {presentity, false, rule.who()}, std::nullopt);
    for (const Rule& rule : rules.rules())
        if (before.rule_for(rule.who()) != rule.handling())
            log_.note(now, {presentity, false, rule.who()}, rule.handling());
    keep_rules(presentity, std::move(rules));
}

void RuleBook::keep_rules(const PresentityUri& presentity, RuleSet rules) {
    if (rules.empty()) {
        store_.erase(store_tables::rules, presentity.canonical());
        rules_.erase(presentity);
        return;
    }
    store_.put(store_tables::rules, presentity.canonical(), rules.encode());
    rules_.insert_or_assign(presentity, std::move(rules));
}

proto::Result<void> RuleBook::decide(proto::Now now, const PresentityUri& presentity, const PresentityUri& watcher,
                                     std::optional<Handling> decision) {
    if (decision == Handling::confirm) decision.reset();
    if (decision && !has_room(presentity, watcher, proto::limits::rules_per_presentity))
        return proto::refuse(proto::Reason::quota, "too many decisions");
    log_.note(now, {presentity, true, watcher.canonical()}, decision);
    keep_decision(presentity, watcher, decision);
    return {};
}

bool RuleBook::has_room(const PresentityUri& presentity, const PresentityUri& watcher, std::size_t most) const {
    auto found = decisions_.find(presentity);
    return found == decisions_.end() || found->second.contains(watcher) || found->second.size() < most;
}

void RuleBook::keep_decision(const PresentityUri& presentity, const PresentityUri& watcher,
                             std::optional<Handling> decision) {
    std::string key = join_key(presentity.canonical(), watcher.canonical());
    if (decision) {
        store_.put(store_tables::decisions, key, proto::as_bytes(to_string(*decision)));
        decisions_[presentity].insert_or_assign(watcher, *decision);
        return;
    }
    store_.erase(store_tables::decisions, key);
    auto found = decisions_.find(presentity);
    if (found != decisions_.end() && found->second.erase(watcher) > 0 && found->second.empty()) decisions_.erase(found);
}

// ---- among the nodes of a domain

bool RuleBook::take(const proto::RuleChange& change) {
    return change.decision ? take_decision(change) : take_rule(change);
}

bool RuleBook::take_rule(const proto::RuleChange& change) {
    const auto handling = change.handling ? handling_of(*change.handling) : std::nullopt;
    auto rule = Rule::make(change.who, handling.value_or(Handling::block));
    if (!rule || rule->who() != change.who) return false;
    std::vector<Rule> rules = this->rules(change.presentity).rules();
    std::erase_if(rules, [&](const Rule& one) { return one.who() == change.who; });
    if (handling) rules.push_back(std::move(*rule));
    auto made = RuleSet::make(rules, proto::limits::rules_with_told);
    if (!made || !log_.take(change)) return false;
    keep_rules(change.presentity, std::move(*made));
    return true;
}

bool RuleBook::take_decision(const proto::RuleChange& change) {
    auto watcher = PresentityUri::from_canonical(change.who);
    if (!watcher) return false;
    if (change.handling && !has_room(change.presentity, *watcher, proto::limits::rules_with_told)) return false;
    if (!log_.take(change)) return false;
    keep_decision(change.presentity, *watcher, change.handling ? handling_of(*change.handling) : std::nullopt);
    return true;
}

std::vector<Rule> RuleBook::decisions(const PresentityUri& presentity) const {
    std::vector<Rule> out;
    auto found = decisions_.find(presentity);
    if (found == decisions_.end()) return out;
    for (const auto& [watcher, handling] : found->second)
        if (auto rule = Rule::make(watcher.pres(), handling)) out.push_back(*rule);
    return out;
}

}  // namespace presmesh::node
