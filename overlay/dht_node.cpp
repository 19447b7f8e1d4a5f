// With dht_searches and dht_terms the one place that knows OpenDHT. What it does about 2.4.12 and why:
//   max_store_size, max_searches = -1: a full store loops for ever, a full search table goes deaf; RecordStore bounds
//       instead;
//   a value of a type without a policy is taken from anybody, and may squat: no packet with another type than ours gets
//       in (dht_admission);
//   both request rates = -1: one alone isolates the node; senders are bounded in dht_admission, per node;
//   values stay under 600 bytes packed: beyond it OpenDHT sends parts, and does that badly;
//   a value put again byte for byte, or refreshed, passes no policy: what we keep is emptied in place when it runs out,
//       so that it never equals what somebody puts again, and the edit policy is asked;
//   finished searches are kept for an hour, and each packet costs the more, the more there are, and the place of every
//       node ever heard of is kept until a thousand more came: dht_searches;
//   a copy of what was put is kept until it expires, wherever the key lies: drop_own_copies.
#include "overlay/dht_node.hpp"

#include <opendht/dht.h>

#include <cerrno>
#include <map>
#include <set>

#include "overlay/dht_admission.hpp"
#include "overlay/dht_packet.hpp"
#include "overlay/dht_searches.hpp"
#include "overlay/dht_terms.hpp"
#include "overlay/sealed_transport.hpp"
#include "proto/assert.hpp"
#include "proto/fifo.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/record.hpp"
#include "proto/timer_queue.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::BytesView;
using proto::Endpoint;
using proto::Now;
using proto::Reason;

std::uint8_t shards_for(std::size_t presentities) {
    const auto needed = (presentities + limits::presentities_per_shard - 1) / limits::presentities_per_shard;
    return static_cast<std::uint8_t>(std::clamp<std::size_t>(needed, 1, shard_count_max));
}

namespace {

// {id, dat: {body: {type, data}}} around a record: measured 38 bytes for the longest id. Beyond 600 OpenDHT sends
// parts.
constexpr std::size_t value_header_bytes = 40;
static_assert(limits::record_bytes + value_header_bytes <= 560);
constexpr std::size_t joined_peers = 8;  ///< a shard that hears so many finds the rest of the network by itself
constexpr auto joined_for = std::chrono::seconds{30};  ///< then it is asked again

struct Shard {
    std::unique_ptr<dht::Dht> dht;
    proto::SteadyTime wake = proto::SteadyTime::min();
    proto::SteadyTime joined_until = proto::SteadyTime::min();  ///< it had peers enough a moment ago
    std::map<Place, std::shared_ptr<dht::Value>> values{};      ///< what it keeps, of what RecordStore counts
};

/// A record of ours that is not known to be announced yet.
struct Put {
    std::shared_ptr<dht::Value> value;
    proto::Duration pause = limits::put_again_first;  ///< before the next attempt
};

struct Listen {
    std::size_t shard = 0;
    std::size_t token = 0;
    proto::DhtKey key{};
};

/// A packet from one of our shards to another.
struct LoopPacket {
    Endpoint own;
    std::uint8_t from = 0;
    std::uint8_t to = 0;
    proto::Bytes bytes;
};

using ValuePtr = std::shared_ptr<dht::Value>;
ValuePtr make_value(std::uint64_t id, BytesView wire) {
    auto value = std::make_shared<dht::Value>(dht_record_type, wire.data(), wire.size());
    value->id = id;
    return value;
}

using Nodes = std::vector<std::shared_ptr<dht::Node>>;

constexpr std::size_t replicas = 8;  ///< OpenDHT's TARGET_NODES

/// Is `id` further from the key than as many of these nodes as keep a record of it?
bool lies_outside(const dht::InfoHash& key, const dht::InfoHash& id, const Nodes& nodes) {
    const auto nearer =
        std::count_if(nodes.begin(), nodes.end(), [&](const auto& node) { return key.xorCmp(node->id, id) < 0; });
    return static_cast<std::size_t>(nearer) >= replicas;
}

}  // namespace

class DhtNode::Impl {
  public:
    explicit Impl(DhtSettings settings);

    void handle_input(Now now, const DhtPacket& packet, const proto::PublicKey& peer_key);
    bool lies_empty(std::uint8_t shard, const Place& place) const;
    void feed(std::uint8_t shard, BytesView bytes, const dht::SockAddr& from);
    void handle_timeout(Now now);
    proto::SteadyTime next_timeout() const;
    void begin(Now now) { now_ = now; }
    /// After every call into OpenDHT: lets the shard do what it has become due, and packets among our shards arrive.
    void settle(std::size_t shard);
    void run_loop();
    int send(std::uint8_t shard, const dht::SockAddr& to, BytesView bytes);

    dht::ValueType make_type(std::uint8_t shard);
    bool accept(std::uint8_t shard, const dht::InfoHash& key, const ValuePtr& value);
    void empty(const std::vector<Place>& places);
    void found(LookupId lookup, const proto::DhtKey& key, const std::vector<ValuePtr>& values);
    void tell(DhtEvent event);
    Shard& shard_of(const proto::DhtKey& key) { return shards_[index_of(key)]; }
    std::size_t index_of(const proto::DhtKey& key) const { return key[19] % shards_.size(); }
    std::size_t good_peers(const Shard& shard) const;
    bool joined(Shard& shard) const;

    void announce(const Place& place, const ValuePtr& value);
    void announced(const Place& place, const ValuePtr& value, bool ok, const Nodes& nodes);
    void announce_again();
    void forget_put(const Place& place);
    void drop_own_copies();
    bool holds(const Place& place) const;
    bool is_put(const proto::DhtKey& key) const;
    void forget_searches();

    DhtSettings settings_;
    Now now_{};
    RecordStore store_;
    std::map<LookupId, proto::DhtKey> gets_;  ///< those that somebody waits for
    std::map<LookupId, Listen> listens_;
    LookupId last_lookup_ = 0;
    proto::Fifo<DhtPacket> output_;
    proto::Fifo<DhtEvent> events_;
    proto::Fifo<LoopPacket> loop_;
    std::map<Place, Put> puts_;  ///< those under way
    proto::TimerQueue<Place> failed_puts_;
    proto::SteadyTime next_put_ = proto::SteadyTime::min();  ///< not before: failed ones come again one by one
    std::vector<std::pair<Place, ValuePtr>> own_copies_;     ///< to be dropped this turn
    DhtSearches searches_;
    DhtAdmission admission_;
    std::map<Reason, std::uint64_t> refused_;
    std::uint64_t dropped_output_ = 0;
    std::uint64_t dropped_events_ = 0;
    std::vector<Shard> shards_;  ///< last, so that it goes first: the shards call into the rest
};

DhtNode::Impl::Impl(DhtSettings settings)
    : settings_(std::move(settings)), store_(settings_.federation, settings_.quotas, settings_.verified) {
    PRESMESH_ASSERT(settings_.shards >= 1 && settings_.shards <= dht_shard_mask + 1);
    for (std::uint8_t shard = 0; shard < settings_.shards; ++shard) {
        dht::Config config;
        config.node_id = hash_of(proto::kademlia_id(settings_.node_key, shard));
        config.max_req_per_sec = -1;
        config.max_peer_req_per_sec = -1;
        config.max_searches = -1;
        config.max_store_size = -1;
        config.max_store_keys = -1;
        config.public_stable = true;
        auto socket = std::make_unique<QueueSocket>(
            [this, shard](const dht::SockAddr& to, BytesView bytes) { return send(shard, to, bytes); }, settings_.ipv4,
            settings_.ipv6);
        Shard made;
        made.dht = std::make_unique<dht::Dht>(std::move(socket), config, std::shared_ptr<dht::Logger>{});
        made.dht->registerType(make_type(shard));
        shards_.push_back(std::move(made));
    }
}

dht::ValueType DhtNode::Impl::make_type(std::uint8_t shard) {
    const auto store = [this, shard](dht::InfoHash key, ValuePtr& value, const dht::InfoHash&, const dht::SockAddr&) {
        return accept(shard, key, value);
    };
    const auto edit = [this, shard](dht::InfoHash key, const ValuePtr&, ValuePtr& value, const dht::InfoHash&,
                                    const dht::SockAddr&) { return accept(shard, key, value); };
    return {dht_record_type, "presence record", limits::record_lifetime, store, edit};
}

/// Both policies: what lies there already is known to the store, which OpenDHT's copy may have outlived or not.
bool DhtNode::Impl::accept(std::uint8_t shard, const dht::InfoHash& key, const ValuePtr& value) {
    if (value->type != dht_record_type || value->isEncrypted() || value->isSigned() || !value->user_type.empty()) {
        ++refused_[Reason::unsupported_type];
        return false;
    }
    const Place place{key_of(key), value->id};
    if (!store_.offer(now_.wall, place, value->data)) return false;
    shards_[shard].values[place] = value;
    return true;
}

/// What ran out or is no longer admitted stays in OpenDHT's store until its time there, as an empty value.
void DhtNode::Impl::empty(const std::vector<Place>& places) {
    for (const Place& place : places) {
        std::size_t copies = 0;
        for (Shard& shard : shards_) {
            const auto kept = shard.values.find(place);
            if (kept == shard.values.end()) continue;
            kept->second->data.clear();
            shard.values.erase(kept);
            ++copies;
        }
        PRESMESH_ASSERT(copies > 0);
        forget_put(place);
        shard_of(place.key).dht->cancelPut(hash_of(place.key), place.value_id);
    }
}

// ---- packets

/// OpenDHT still has a value there that the store no longer counts. Refreshed, it would stay for as long as somebody
/// likes, past every quota; what is put anew takes its place all the same.
bool DhtNode::Impl::lies_empty(std::uint8_t shard, const Place& place) const {
    return !shards_[shard].values.contains(place) &&
           shards_[shard].dht->getLocalById(hash_of(place.key), place.value_id) != nullptr;
}

void DhtNode::Impl::handle_input(Now now, const DhtPacket& packet, const proto::PublicKey& peer_key) {
    begin(now);
    const auto empty_there = [this](std::uint8_t shard, const Place& place) { return lies_empty(shard, place); };
    if (const auto checked = admission_.check(now, packet, peer_key, shards_.size(), empty_there); !checked) {
        ++refused_[checked.error().reason];
        return;
    }
    feed(packet.own_shard, packet.bytes, address_of(packet.peer, packet.peer_shard));
    run_loop();
}

void DhtNode::Impl::feed(std::uint8_t shard, BytesView bytes, const dht::SockAddr& from) {
    Shard& to = shards_[shard];
    to.wake = from_opendht(to.dht->periodic(bytes.data(), bytes.size(), from, to_opendht(now_.steady)));
}

int DhtNode::Impl::send(std::uint8_t shard, const dht::SockAddr& to, BytesView bytes) {
    const auto [endpoint, peer_shard] = endpoint_of(to);
    const bool ours = std::find(settings_.own.begin(), settings_.own.end(), endpoint) != settings_.own.end();
    if ((ours ? loop_.size() : output_.size()) >= limits::dht_output) {
        ++dropped_output_;
        return EAGAIN;
    }
    if (ours) {
        loop_.push_back({endpoint, shard, peer_shard, {bytes.begin(), bytes.end()}});
    } else {
        output_.push_back({endpoint, shard, peer_shard, {bytes.begin(), bytes.end()}});
    }
    return 0;
}

void DhtNode::Impl::run_loop() {
    for (std::size_t left = limits::dht_loop_packets_per_turn; left > 0 && !loop_.empty(); --left) {
        const LoopPacket packet = std::move(loop_.front());
        loop_.pop_front();
        if (packet.to < shards_.size() && packet.to != packet.from) {
            feed(packet.to, packet.bytes, address_of(packet.own, packet.from));
        }
    }
}

// ---- time

void DhtNode::Impl::settle(std::size_t shard) {
    feed(static_cast<std::uint8_t>(shard), {}, {});
    run_loop();
}

void DhtNode::Impl::handle_timeout(Now now) {
    begin(now);
    empty(store_.expire(now.wall));
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
        if (shards_[shard].wake <= now.steady) feed(static_cast<std::uint8_t>(shard), {}, {});
    }
    announce_again();
    run_loop();
    drop_own_copies();
    forget_searches();
}

proto::SteadyTime DhtNode::Impl::next_timeout() const {
    if (!loop_.empty() || !own_copies_.empty()) return now_.steady;
    proto::SteadyTime next = searches_.next();
    for (const Shard& shard : shards_) next = std::min(next, shard.wake);
    if (failed_puts_.size() > 0) next = std::min(next, std::max(failed_puts_.next(), next_put_));
    const proto::WallTime expiry = store_.next_expiry();
    if (expiry != proto::WallTime::max()) {
        next = std::min(next, now_.steady + std::max(proto::Duration{0}, expiry - now_.wall));
    }
    return next;
}

std::size_t DhtNode::Impl::good_peers(const Shard& shard) const {
    std::size_t good = 0;
    if (settings_.ipv4) good += shard.dht->getNodesStats(AF_INET).good_nodes;
    if (settings_.ipv6) good += shard.dht->getNodesStats(AF_INET6).good_nodes;
    return good;
}

bool DhtNode::Impl::joined(Shard& shard) const {
    if (shard.joined_until > now_.steady) return true;
    if (good_peers(shard) < joined_peers) return false;
    shard.joined_until = now_.steady + joined_for;
    return true;
}

// ---- our records on their way out

/// OpenDHT gives a put up for good when nobody near the key answers: before the first peer is known, or cut off.
void DhtNode::Impl::announce(const Place& place, const ValuePtr& value) {
    const std::size_t shard = index_of(place.key);
    // May be called before put() returns, and by a later put in place of this one.
    auto done = [this, place, value](bool ok, const Nodes& nodes) { announced(place, value, ok, nodes); };
    shards_[shard].dht->put(hash_of(place.key), value, std::move(done), dht::time_point::max(), false);
    settle(shard);
}

void DhtNode::Impl::announced(const Place& place, const ValuePtr& value, bool ok, const Nodes& nodes) {
    const auto put = puts_.find(place);
    if (put == puts_.end() || put->second.value != value) return;
    if (ok) {
        const auto id = hash_of(proto::kademlia_id(settings_.node_key, static_cast<std::uint8_t>(index_of(place.key))));
        if (lies_outside(hash_of(place.key), id, nodes)) own_copies_.emplace_back(place, value);
        return forget_put(place);
    }
    failed_puts_.set(place, now_.steady + put->second.pause);
    put->second.pause = std::min<proto::Duration>(2 * put->second.pause, limits::put_again_most);
}

void DhtNode::Impl::announce_again() {
    while (next_put_ <= now_.steady) {
        const auto place = failed_puts_.pop(now_.steady);
        if (!place) return;
        next_put_ = now_.steady + limits::record_put_interval;
        announce(*place, ValuePtr(puts_.at(*place).value));
    }
}

void DhtNode::Impl::forget_put(const Place& place) {
    if (puts_.erase(place) > 0) searches_.put_ended(now_.steady, place.key);
    failed_puts_.erase(place);
}

/// OpenDHT keeps what it puts for the record's whole life, though nobody asks a node that is not near the key. It lets
/// go of what is put no more: so it is put once more, which sends nothing before the next turn (but to who listens at
/// this node, which nobody does who knows eight that are nearer), and that is cancelled.
/// It is put as another object that is about to expire, for its timer would stay until then.
void DhtNode::Impl::drop_own_copies() {
    for (const auto& [place, value] : std::exchange(own_copies_, {})) {
        const std::size_t index = index_of(place.key);
        auto& [dht, wake, joined, values] = shards_[index];
        const auto copy = values.find(place);
        if (copy == values.end() || copy->second != value || puts_.contains(place)) continue;
        // For who listens here OpenDHT counts by value id alone who has one and who has it no more: left as it is.
        if (searches_.was_listened(place.key)) continue;
        const auto created = to_opendht(now_.steady - limits::record_lifetime + std::chrono::minutes{1});
        dht->put(hash_of(place.key), make_value(place.value_id, value->data), dht::DoneCallback{}, created, false);
        dht->cancelPut(hash_of(place.key), place.value_id);
        values.erase(copy);
        settle(index);
        if (!holds(place)) store_.forget(place);
    }
}

bool DhtNode::Impl::holds(const Place& place) const {
    return std::any_of(shards_.begin(), shards_.end(),
                       [&](const Shard& shard) { return shard.values.contains(place); });
}

bool DhtNode::Impl::is_put(const proto::DhtKey& key) const {
    const auto found = puts_.lower_bound({key, 0});
    return found != puts_.end() && found->first.key == key;
}

void DhtNode::Impl::forget_searches() {
    std::set<std::size_t> lighter;
    while (const auto key = searches_.pop(now_.steady)) {
        if (is_put(*key)) continue;
        forget_search(*shard_of(*key).dht, hash_of(*key));
        lighter.insert(index_of(*key));
    }
    for (const std::size_t shard : lighter) forget_unused_nodes(*shards_[shard].dht);
}

// ---- what was found

void DhtNode::Impl::tell(DhtEvent event) {
    if (events_.size() >= limits::dht_events && !std::holds_alternative<LookupDone>(event)) {
        ++dropped_events_;
        return;
    }
    events_.push_back(std::move(event));
}

/// Verified again here: the node it came from may have checked nothing.
void DhtNode::Impl::found(LookupId lookup, const proto::DhtKey& key, const std::vector<ValuePtr>& values) {
    for (const ValuePtr& value : values) {
        if (value->type != dht_record_type) {
            ++refused_[Reason::unsupported_type];
            continue;
        }
        if (const auto record = store_.read(now_.wall, {key, value->id}, value->data); !record) {
            ++refused_[record.error().reason];
        } else {
            tell(RecordFound{lookup, proto::Bytes(value->data.begin(), value->data.end())});
        }
    }
}

// ---- the face

DhtNode::DhtNode(DhtSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
DhtNode::~DhtNode() = default;

void DhtNode::handle_input(Now now, const DhtPacket& packet, const proto::PublicKey& peer_key) {
    impl_->handle_input(now, packet, peer_key);
}
void DhtNode::handle_timeout(Now now) {
    impl_->handle_timeout(now);
}
proto::SteadyTime DhtNode::next_timeout() const {
    return impl_->next_timeout();
}

std::optional<DhtPacket> DhtNode::poll_output() {
    if (impl_->output_.empty()) return std::nullopt;
    DhtPacket packet = std::move(impl_->output_.front());
    impl_->output_.pop_front();
    return packet;
}

std::optional<DhtEvent> DhtNode::poll_event() {
    if (impl_->events_.empty()) return std::nullopt;
    DhtEvent event = std::move(impl_->events_.front());
    impl_->events_.pop_front();
    return event;
}

void DhtNode::set_federation(Now now, std::shared_ptr<const proto::Federation> federation) {
    impl_->begin(now);
    impl_->empty(impl_->store_.set_federation(now.wall, std::move(federation)));
}

void DhtNode::bootstrap(Now now, const Endpoint& peer, bool rejoin) {
    impl_->begin(now);
    for (std::size_t shard = 0; shard < impl_->shards_.size(); ++shard) {
        if (!rejoin && impl_->joined(impl_->shards_[shard])) continue;
        impl_->shards_[shard].dht->pingNode(address_of(peer, 0));  // shard 0 is the one that every node has
        impl_->settle(shard);
    }
}

void DhtNode::put(Now now, const proto::DhtKey& key, std::uint64_t value_id, BytesView wire) {
    PRESMESH_ASSERT(wire.size() <= limits::record_bytes);
    impl_->begin(now);
    // OpenDHT keeps a copy of what it puts and asks no policy about it.
    const Place place{key, value_id};
    if (!impl_->store_.offer(now.wall, place, wire)) return;
    auto value = make_value(value_id, wire);
    impl_->shard_of(key).values[place] = value;
    impl_->forget_put(place);
    impl_->puts_[place].value = value;
    impl_->announce(place, value);
}

void DhtNode::cancel_put(Now now, const proto::DhtKey& key, std::uint64_t value_id) {
    impl_->begin(now);
    impl_->forget_put({key, value_id});
    const std::size_t shard = impl_->index_of(key);
    impl_->shards_[shard].dht->cancelPut(hash_of(key), value_id);
    impl_->settle(shard);
}

LookupId DhtNode::get(Now now, const proto::DhtKey& key) {
    impl_->begin(now);
    const LookupId lookup = ++impl_->last_lookup_;
    const std::size_t shard = impl_->index_of(key);
    Impl* impl = impl_.get();
    // Both may be called before get() returns, and after cancel_get().
    dht::GetCallback each = [impl, lookup, key](const std::vector<ValuePtr>& values) {
        const bool waited_for = impl->gets_.contains(lookup);
        if (waited_for) impl->found(lookup, key, values);
        return waited_for;
    };
    impl->gets_.emplace(lookup, key);
    impl->searches_.got(key, lookup);
    dht::DoneCallback done = [impl, lookup, key](bool ok, const Nodes&) {
        impl->searches_.get_ended(impl->now_.steady, key, lookup);
        if (impl->gets_.erase(lookup) > 0) impl->tell(LookupDone{lookup, ok});
    };
    impl_->shards_[shard].dht->get(hash_of(key), std::move(each), std::move(done));
    impl_->settle(shard);
    return lookup;
}

/// OpenDHT goes on with a get until eight nodes near the key have answered, whatever its callbacks say. Without the
/// search it asks nobody any more, so that goes, unless something else needs it: then it runs to its end unheard.
void DhtNode::cancel_get(Now now, LookupId get) {
    impl_->begin(now);
    impl_->events_.erase_if(
        [&](const DhtEvent& event) { return std::visit([&](const auto& told) { return told.lookup == get; }, event); });
    const auto found = impl_->gets_.find(get);
    if (found == impl_->gets_.end()) return;
    const proto::DhtKey key = found->second;
    impl_->gets_.erase(found);
    impl_->searches_.get_ended(now.steady, key, get);
    if (impl_->searches_.in_use(key) || impl_->searches_.was_listened(key) || impl_->is_put(key)) return;
    forget_search(*impl_->shard_of(key).dht, hash_of(key));
    impl_->settle(impl_->index_of(key));
}

LookupId DhtNode::listen(Now now, const proto::DhtKey& key) {
    impl_->begin(now);
    const LookupId lookup = ++impl_->last_lookup_;
    const std::size_t shard = impl_->index_of(key);
    Impl* impl = impl_.get();
    impl->listens_[lookup] = {shard, 0, key};
    impl->searches_.listened(key);
    // May be called before listen() returns, and after cancelListen().
    dht::ValueCallback each = [impl, lookup, key](const std::vector<ValuePtr>& values, bool expired) {
        if (!impl->listens_.contains(lookup)) return false;
        if (!expired) {
            impl->found(lookup, key, values);
            return true;
        }
        for (const ValuePtr& value : values) impl->tell(RecordGone{lookup, value->id});
        return true;
    };
    // A listen without a condition would answer every later get of the key from its cache, and the network be asked no
    // more. This one is true of all our records; one on the value's type was not told of new sources.
    const std::size_t token =
        impl_->shards_[shard].dht->listen(hash_of(key), std::move(each), {}, dht::Where().userType(""));
    impl_->listens_[lookup].token = token;
    impl_->settle(shard);
    return lookup;
}

void DhtNode::cancel_listen(Now now, LookupId listen) {
    impl_->begin(now);
    const auto found = impl_->listens_.find(listen);
    if (found == impl_->listens_.end()) return;
    const Listen ended = found->second;
    impl_->listens_.erase(found);
    impl_->shards_[ended.shard].dht->cancelListen(hash_of(ended.key), ended.token);
    impl_->settle(ended.shard);
}

DhtStatus DhtNode::status() const {
    DhtStatus status;
    for (const Shard& shard : impl_->shards_) {
        status.good_peers += impl_->good_peers(shard);
        for (const auto family : {AF_INET, AF_INET6}) {
            const auto remembered = shard.dht->getNodesStats(family);
            status.searches += remembered.searches;
            status.known_nodes += remembered.node_cache_size;
        }
    }
    status.stored_records = impl_->store_.records();
    status.stored_bytes = impl_->store_.bytes();
    status.refused_records = impl_->store_.refused();
    status.counters = counters();
    status.fills = {{"dht_packets", impl_->output_.size(), limits::dht_output},
                    {"dht_events", impl_->events_.size(), limits::dht_events},
                    {"dht_records", status.stored_records + impl_->store_.emptied(), impl_->settings_.quotas.in_all}};
    return status;
}

std::vector<std::pair<std::string, std::uint64_t>> DhtNode::counters() const {
    std::map<Reason, std::uint64_t> refused = impl_->refused_;
    for (std::size_t at = 0; at <= static_cast<std::size_t>(Reason::unsupported); ++at) {
        const auto reason = static_cast<Reason>(at);
        if (impl_->store_.refused(reason) != 0) refused[reason] += impl_->store_.refused(reason);
    }
    std::vector<std::pair<std::string, std::uint64_t>> out{{"dropped_output", impl_->dropped_output_},
                                                           {"dropped_events", impl_->dropped_events_}};
    for (const auto& [reason, count] : refused) out.emplace_back("refused_" + std::string(to_string(reason)), count);
    return out;
}

}  // namespace presmesh::overlay
