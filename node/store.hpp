// What must survive a restart, behind a port: node/daemon keeps it in one SQLite file, tests and the simulator in
// memory. Keys and values by table; the tables are named in store_tables. Writes of a turn become durable together, at
// commit().
#pragma once

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/bytes.hpp"

namespace presmesh::node {

namespace store_tables {
inline constexpr std::string_view meta = "meta";                  ///< epoch, form of the file
inline constexpr std::string_view rules = "rules";                ///< presentity -> its authorization rules
inline constexpr std::string_view publications = "publications";  ///< presentity + publication id -> publication
inline constexpr std::string_view decisions = "decisions";        ///< presentity + watcher -> answer given by a user
inline constexpr std::string_view rule_log = "rule_log";          ///< presentity + rule or decision -> its last change
inline constexpr std::string_view rule_logs_seen = "rule_logs_seen";  ///< node of the domain -> position in its log
inline constexpr std::string_view translators = "translators";        ///< translator name + its key -> its bytes
inline constexpr std::string_view contacts = "contacts";              ///< where other members' nodes were met

/// What nobody publishes again when it is lost: the epoch, and what users decided.
inline constexpr std::array durable{meta, rules, rule_log, decisions};
}  // namespace store_tables

class Store {
  public:
    virtual ~Store() = default;
    virtual void put(std::string_view table, std::string_view key, proto::BytesView value) = 0;
    virtual void erase(std::string_view table, std::string_view key) = 0;
    /// In key order. Sees the writes of the turn that runs.
    virtual void each(std::string_view table, std::string_view key_prefix,
                      const std::function<void(std::string_view key, proto::BytesView value)>& visit) const = 0;
    /// Everything since the last commit becomes durable, all of it or nothing. Called before the turn confirms
    /// anything. Over a power cut that holds for turns that wrote to a table of store_tables::durable; of others the
    /// newest may be lost, which their publishers and subscribers notice and repeat.
    virtual void commit() = 0;
    /// Is there such a write since the last commit? Then nothing at all of the turn may leave before.
    virtual bool must_last() const = 0;
};

/// The stand-in. Remembers how to undo what was not committed, so that a test can crash it, and commit() costs nothing.
class MemoryStore final : public Store {
  public:
    void put(std::string_view table, std::string_view key, proto::BytesView value) override;
    void erase(std::string_view table, std::string_view key) override;
    void each(std::string_view table, std::string_view key_prefix,
              const std::function<void(std::string_view, proto::BytesView)>& visit) const override;
    void commit() override;
    bool must_last() const override;
    /// What kill -9 leaves: the writes since the last commit are gone.
    void crash();

  private:
    using Key = std::pair<std::string, std::string>;
    void remember(const Key& key);

    std::map<Key, proto::Bytes> live_;
    std::vector<std::pair<Key, std::optional<proto::Bytes>>> undo_;  ///< what was there before, oldest first
};

}  // namespace presmesh::node
