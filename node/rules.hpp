// Who may see a presentity: ordered by how exactly they name the watcher, handled as RFC 5025 section 3.2.1 says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"

namespace presmesh::node {

/// RFC 5025 section 3.2.1, its own numbers.
enum class Handling : std::uint8_t {
    block = 0,          ///< refused: terminated, rejected
    confirm = 10,       ///< pending until the presentity's user decides
    polite_block = 20,  ///< accepted, and shown a presentity that is never there
    allow = 30,
};
std::string_view to_string(Handling handling);  ///< "block", "confirm", "polite-block", "allow"
proto::Result<Handling> parse_handling(std::string_view text);
std::optional<Handling> handling_of(std::uint64_t number);  ///< none: no handling's

/// One rule: for a watcher ("bob@b.example", any spelling of a presentity URI), a domain ("b.example") or everyone
/// ("*").
class Rule {
  public:
    /// malformed.
    static proto::Result<Rule> make(std::string_view who, Handling handling);

    /// As written by make(): canonical "user@domain", domain, or "*".
    const std::string& who() const { return who_; }
    Handling handling() const { return handling_; }
    bool operator==(const Rule&) const = default;

  private:
    friend class RuleSet;
    std::string who_;
    Handling handling_ = Handling::confirm;
};

/// The rules of one presentity. A later rule for the same `who` replaces the earlier one.
class RuleSet {
  public:
    RuleSet() = default;
    /// quota: more than limits::rules_per_presentity, or `most`.
    static proto::Result<RuleSet> make(const std::vector<Rule>& rules);
    static proto::Result<RuleSet> make(const std::vector<Rule>& rules, std::size_t most);

    /// The handling of the most exact rule that names this watcher: URI, then domain, then "*".
    std::optional<Handling> find(const proto::PresentityUri& watcher) const;
    /// Of the rule for exactly this `who`.
    std::optional<Handling> rule_for(std::string_view who) const;
    const std::vector<Rule>& rules() const { return rules_; }  ///< sorted by who
    bool empty() const { return rules_.empty(); }
    bool operator==(const RuleSet&) const = default;

    proto::Bytes encode() const;
    static proto::Result<RuleSet> decode(proto::BytesView bytes);

  private:
    const Rule* exactly(std::string_view who) const;
    std::vector<Rule> rules_;
};

}  // namespace presmesh::node
