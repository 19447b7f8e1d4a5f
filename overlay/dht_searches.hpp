// OpenDHT remembers the search of every key it was asked for, got or put, for 62 minutes: 4 kB each, and every packet
// that comes is compared with all that are finished. Here: which of them nobody uses any more, and how one is
// forgotten, with the nodes that only it knew.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "overlay/dht.hpp"
#include "proto/bytes.hpp"
#include "proto/time.hpp"

namespace dht {
class Dht;
template <std::size_t N>
class Hash;
}  // namespace dht

namespace presmesh::overlay {

/// Takes the search of a key out of OpenDHT. No get and no put of it may be under way, and none may ever have listened:
/// what a listening leaves behind calls into the search that is being destroyed. Not from within OpenDHT's callbacks.
void forget_search(dht::Dht& dht, const dht::Hash<20>& key);

/// OpenDHT keeps a place, and the memory, for every node it ever heard of, until it has met 1,024 more: mostly the
/// nodes on the way of some search. Gives back those that nothing refers to any more.
void forget_unused_nodes(dht::Dht& dht);

/// When the search of a key may be forgotten: a while after a use of it ended, when no other is under way.
class DhtSearches {
  public:
    void got(const proto::DhtKey& key, LookupId get) { in_use_.emplace(key, get); }
    void get_ended(proto::SteadyTime now, const proto::DhtKey& key, LookupId get);
    /// A put of the key was taken, or given up; while one is under way is for the caller to know.
    void put_ended(proto::SteadyTime now, const proto::DhtKey& key);
    /// Its search is left to OpenDHT from now on.
    void listened(const proto::DhtKey& key) { listened_.insert(key); }
    /// Is a get of it under way?
    bool in_use(const proto::DhtKey& key) const;
    bool was_listened(const proto::DhtKey& key) const { return listened_.contains(key); }
    /// A key whose search is old enough, which no get is under way of and nobody ever listened to.
    std::optional<proto::DhtKey> pop(proto::SteadyTime now);
    /// When there may be some again: a while later than the first could go, so that several go together.
    proto::SteadyTime next() const;

  private:
    std::set<std::pair<proto::DhtKey, LookupId>> in_use_;
    std::set<proto::DhtKey> listened_;  ///< of the domains whose users were watched: as many as the federation has
    std::set<std::pair<proto::SteadyTime, proto::DhtKey>> due_;  ///< one for each use that ended, until it is popped
};

}  // namespace presmesh::overlay
