#include "overlay/dht_searches.hpp"

#include <opendht/dht.h>

#include <map>
#include <memory>
#include <type_traits>

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace {

namespace limits = proto::limits;

constexpr auto sweep_delay = std::chrono::seconds{2};

// OpenDHT 2.4 has no way to be asked for this. An explicit instantiation may name a private member
// ([temp.spec.general]): the compiler takes its place from OpenDHT's own header, and a version that has no such member
// does not compile.
template <typename Name, auto Member>
struct Reveal {
    friend constexpr auto member(Name) { return Member; }
};
struct Ipv4 {
    friend constexpr auto member(Ipv4);
};
struct Ipv6 {
    friend constexpr auto member(Ipv6);
};
struct Engine {
    friend constexpr auto member(Engine);
};
struct Nodes {
    friend constexpr auto member(Nodes);
};
struct Ipv4Nodes {
    friend constexpr auto member(Ipv4Nodes);
};
struct Ipv6Nodes {
    friend constexpr auto member(Ipv6Nodes);
};
template struct Reveal<Ipv4, &dht::Dht::dht4>;
template struct Reveal<Ipv6, &dht::Dht::dht6>;
template struct Reveal<Engine, &dht::Dht::network_engine>;
template struct Reveal<Nodes, &dht::net::NetworkEngine::cache>;
template struct Reveal<Ipv4Nodes, &dht::NodeCache::cache_4>;
template struct Reveal<Ipv6Nodes, &dht::NodeCache::cache_6>;

template <typename Cache>
void forget_unused(Cache& cache) {
    using ById = std::map<dht::InfoHash, std::weak_ptr<dht::Node>>;
    static_assert(std::is_base_of_v<ById, Cache>);
    auto& nodes = (ById&)cache;  // a private base, which only this form of cast may name ([expr.cast])
    std::erase_if(nodes, [](const auto& entry) { return entry.second.expired(); });
}

}  // namespace

void forget_search(dht::Dht& dht, const dht::InfoHash& key) {
    (dht.*member(Ipv4{})).searches.erase(key);
    (dht.*member(Ipv6{})).searches.erase(key);
}

void forget_unused_nodes(dht::Dht& dht) {
    dht::NodeCache& nodes = dht.*member(Engine{}).*member(Nodes{});
    forget_unused(nodes.*member(Ipv4Nodes{}));
    forget_unused(nodes.*member(Ipv6Nodes{}));
}

void DhtSearches::get_ended(proto::SteadyTime now, const proto::DhtKey& key, LookupId get) {
    if (in_use_.erase({key, get}) > 0) due_.emplace(now + limits::search_kept_of_get, key);
}

void DhtSearches::put_ended(proto::SteadyTime now, const proto::DhtKey& key) {
    due_.emplace(now + limits::search_kept_of_put, key);
}

bool DhtSearches::in_use(const proto::DhtKey& key) const {
    const auto found = in_use_.lower_bound({key, 0});
    return found != in_use_.end() && found->first == key;
}

std::optional<proto::DhtKey> DhtSearches::pop(proto::SteadyTime now) {
    while (!due_.empty() && due_.begin()->first <= now) {
        const auto key = due_.extract(due_.begin()).value().second;
        if (!in_use(key) && !listened_.contains(key)) return key;
    }
    return std::nullopt;
}

proto::SteadyTime DhtSearches::next() const {
    return due_.empty() ? proto::never : due_.begin()->first + sweep_delay;
}

}  // namespace presmesh::overlay
