#include "node/rule_book.hpp"

#include "node/store_keys.hpp"
#include "proto/limits.hpp"

namespace presmesh::node {

using proto::PresentityUri;

RuleBook::RuleBook(Store& store, const ServiceSettings& settings)
    : store_(store), common_(settings.rules), default_(settings.default_handling) {}

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

void RuleBook::set_rules(const PresentityUri& presentity, RuleSet rules) {
    if (rules.empty()) {
        store_.erase(store_tables::rules, presentity.canonical());
        rules_.erase(presentity);
        return;
    }
    store_.put(store_tables::rules, presentity.canonical(), rules.encode());
    rules_.insert_or_assign(presentity, std::move(rules));
}

proto::Result<void> RuleBook::decide(const PresentityUri& presentity, const PresentityUri& watcher,
                                     std::optional<Handling> decision) {
    std::string key = join_key(presentity.canonical(), watcher.canonical());
    auto found = decisions_.find(presentity);
    if (!decision || *decision == Handling::confirm) {
        store_.erase(store_tables::decisions, key);
        if (found != decisions_.end() && found->second.erase(watcher) > 0 && found->second.empty())
            decisions_.erase(found);
        return {};
    }
    bool known = found != decisions_.end() && found->second.contains(watcher);
    if (!known && found != decisions_.end() && found->second.size() >= proto::limits::rules_per_presentity)
        return proto::refuse(proto::Reason::quota, "too many decisions");
    store_.put(store_tables::decisions, key, proto::as_bytes(to_string(*decision)));
    decisions_[presentity].insert_or_assign(watcher, *decision);
    return {};
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
