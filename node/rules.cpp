#include "node/rules.hpp"

#include <algorithm>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::node {

using proto::Reason;
using proto::refuse;
using proto::Result;

std::string_view to_string(Handling handling) {
    switch (handling) {
        case Handling::block:
            return "block";
        case Handling::confirm:
            return "confirm";
        case Handling::polite_block:
            return "polite-block";
        case Handling::allow:
            return "allow";
    }
    return "unknown";
}

Result<Handling> parse_handling(std::string_view text) {
    for (auto handling : {Handling::block, Handling::confirm, Handling::polite_block, Handling::allow})
        if (text == to_string(handling)) return handling;
    return refuse(Reason::malformed, "a rule says block, confirm, polite-block or allow");
}

std::optional<Handling> handling_of(std::uint64_t number) {
    for (auto handling : {Handling::block, Handling::confirm, Handling::polite_block, Handling::allow})
        if (number == static_cast<std::uint8_t>(handling)) return handling;
    return std::nullopt;
}

Result<Rule> Rule::make(std::string_view who, Handling handling) {
    Rule rule;
    rule.handling_ = handling;
    if (who == "*") {
        rule.who_ = who;
    } else if (who.find('@') != std::string_view::npos) {
        auto watcher = proto::PresentityUri::parse(who);
        if (!watcher) return tl::make_unexpected(watcher.error());
        rule.who_ = watcher->canonical();
    } else {
        auto domain = proto::canonical_domain(who);
        if (!domain) return tl::make_unexpected(domain.error());
        rule.who_ = *domain;
    }
    return rule;
}

Result<RuleSet> RuleSet::make(const std::vector<Rule>& rules) {
    return make(rules, proto::limits::rules_per_presentity);
}

Result<RuleSet> RuleSet::make(const std::vector<Rule>& rules, std::size_t most) {
    RuleSet set;
    for (const Rule& rule : rules) {
        auto place = std::lower_bound(set.rules_.begin(), set.rules_.end(), rule,
                                      [](const Rule& a, const Rule& b) { return a.who_ < b.who_; });
        if (place != set.rules_.end() && place->who_ == rule.who_)
            *place = rule;
        else
            set.rules_.insert(place, rule);
        if (set.rules_.size() > most) return refuse(Reason::quota, "too many rules");
    }
    return set;
}

const Rule* RuleSet::exactly(std::string_view who) const {
    auto place = std::lower_bound(rules_.begin(), rules_.end(), who,
                                  [](const Rule& rule, std::string_view name) { return rule.who_ < name; });
    return place != rules_.end() && place->who_ == who ? &*place : nullptr;
}

std::optional<Handling> RuleSet::rule_for(std::string_view who) const {
    const Rule* rule = exactly(who);
    return rule != nullptr ? std::optional(rule->handling()) : std::nullopt;
}

std::optional<Handling> RuleSet::find(const proto::PresentityUri& watcher) const {
    if (rules_.empty()) return std::nullopt;
    for (const std::string& who : {watcher.canonical(), watcher.domain(), std::string("*")})
        if (const Rule* rule = exactly(who)) return rule->handling_;
    return std::nullopt;
}

proto::Bytes RuleSet::encode() const {
    proto::MsgpackWriter out;
    out.array(rules_.size());
    for (const Rule& rule : rules_) out.array(2).str(rule.who_).uint(static_cast<std::uint8_t>(rule.handling_));
    return out.take();
}

Result<RuleSet> RuleSet::decode(proto::BytesView bytes) {
    proto::MsgpackReader in(bytes);
    std::vector<Rule> rules;
    for (std::size_t left = in.array(proto::limits::rules_with_told); left > 0 && in.ok(); --left) {
        if (in.array(2) != 2) in.fail(Reason::malformed, "a rule has two fields");
        Rule rule;
        rule.who_ = in.str(proto::limits::uri_bytes);
        auto handling = handling_of(in.uint(UINT8_MAX));
        if (in.ok() && !handling) in.fail(Reason::malformed, "no such handling");
        if (!in.ok()) break;
        rule.handling_ = *handling;
        rules.push_back(std::move(rule));
    }
    if (auto end = in.finish(); !end) return tl::make_unexpected(end.error());
    return make(rules, proto::limits::rules_with_told);
}

}  // namespace presmesh::node
