#include "sim/attack.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "overlay/dht_packet.hpp"
#include "sim/dice.hpp"
#include "sim/names.hpp"
#include "sim/passing_dht.hpp"
#include "sim/world.hpp"

namespace presmesh::sim {

using overlay::DhtPacket;
using proto::Bytes;
using proto::Duration;
using proto::Endpoint;

namespace {

constexpr std::size_t captured = 4'096;        ///< datagrams and records an attack remembers, the newest
constexpr std::size_t nearest_ids = 8;         ///< OpenDHT keeps a value on so many nodes
constexpr std::uint64_t key_trials = 1 << 20;  ///< a sybil tries so many keys at most
constexpr Duration beat = std::chrono::milliseconds{100};
constexpr Duration rolls_back_every = std::chrono::seconds{10};  ///< each record: two attackers would outdo each other

/// An attacker's door to the DHT: honest until `begins`.
class Door : public PassingDht {
  public:
    Door(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins) : PassingDht(std::move(dht)), begins_(begins) {}

  protected:
    bool begun(proto::Now now) const { return now.wall >= begins_; }

  private:
    proto::WallTime begins_;
};

/// The packet with each value's bytes spoilt: OpenDHT acknowledges the put (ENGINE_FACTS 1.6), the store refuses it.
DhtPacket spoilt(const DhtPacket& packet, const std::vector<overlay::PutValue>& values) {
    DhtPacket out = packet;
    for (const auto& value : values) {
        if (value.data.empty()) continue;
        const auto at = static_cast<std::size_t>(value.data.data() - packet.bytes.data()) + value.data.size() - 1;
        out.bytes[at] ^= 0xff;  // the signature's last byte
    }
    return out;
}

/// Acknowledges what it is given to keep, and keeps nothing. Asked, it knows of nothing.
class DroppingDoor final : public Door {
  public:
    DroppingDoor(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins, std::uint64_t& dropped)
        : Door(std::move(dht), begins), dropped_(dropped) {}
    void handle_input(proto::Now now, const DhtPacket& packet, const proto::PublicKey& key) override {
        const auto claims = overlay::read_dht_packet(packet.bytes);
        if (!begun(now) || !claims || claims->values.empty()) return dht_->handle_input(now, packet, key);
        dropped_ += claims->values.size();
        dht_->handle_input(now, spoilt(packet, claims->values), key);
    }

  private:
    std::uint64_t& dropped_;
};

/// Keeps the first version of a record it is given for ever. When a newer one comes, that is acknowledged and dropped,
/// and the old one is put to the others again.
class RollbackDoor final : public Door {
  public:
    RollbackDoor(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins, std::uint64_t& sent, std::uint64_t& dropped)
        : Door(std::move(dht), begins), sent_(sent), dropped_(dropped) {}
    void handle_input(proto::Now now, const DhtPacket& packet, const proto::PublicKey& peer) override {
        const auto claims = overlay::read_dht_packet(packet.bytes);
        if (!claims || claims->values.empty()) return dht_->handle_input(now, packet, peer);
        std::vector<std::pair<std::uint64_t, Bytes>> again;
        bool newer = false;
        for (const auto& value : claims->values) {
            const Bytes wire(value.data.begin(), value.data.end());
            if (first_.size() >= captured && !first_.contains(value.id)) continue;
            auto& known = first_.try_emplace(value.id, First{wire, {}}).first->second;
            if (known.wire == wire || !begun(now)) continue;
            newer = true;
            ++dropped_;
            if (now.steady < known.next) continue;
            known.next = now.steady + rolls_back_every;
            again.emplace_back(value.id, known.wire);
        }
        dht_->handle_input(now, newer ? spoilt(packet, claims->values) : packet, peer);
        const auto key = key_of_put(packet.bytes);
        for (const auto& [id, wire] : again) {
            if (!key) continue;
            ++sent_;
            dht_->put(now, *key, id, wire);
        }
    }

  private:
    struct First {
        Bytes wire;
        proto::SteadyTime next;  ///< not put again before
    };
    std::uint64_t& sent_;
    std::uint64_t& dropped_;
    std::map<std::uint64_t, First> first_;  ///< by value id: one source's record of one presentity
};

/// A member that sends far more than it needs, all of it well formed and properly sealed: its own requests again, to
/// everyone it has met.
class FloodingDoor final : public Door {
  public:
    FloodingDoor(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins, double rate, std::uint64_t& sent)
        : Door(std::move(dht), begins), rate_(rate), sent_(sent) {}
    void handle_timeout(proto::Now now) override {
        dht_->handle_timeout(now);
        if (!active() || now.steady < next_) return;
        if (!begun(now)) {
            next_ = now.steady + std::chrono::seconds{1};
            return;
        }
        next_ = now.steady + beat;
        owed_ += rate_ * static_cast<double>(beat.count()) / 1e6;
        for (; owed_ >= 1; --owed_) {
            DhtPacket packet = requests_[turn_ % requests_.size()];
            packet.peer = peers_[turn_++ % peers_.size()];
            packet.peer_shard = 0;
            extra_.push_back(std::move(packet));
        }
    }
    proto::SteadyTime next_timeout() const override {
        return active() ? std::min(dht_->next_timeout(), next_) : dht_->next_timeout();
    }
    std::optional<DhtPacket> poll_output() override {
        if (auto packet = dht_->poll_output()) {
            learn(*packet);
            return packet;
        }
        if (extra_.empty()) return std::nullopt;
        ++sent_;
        auto packet = std::move(extra_.front());
        extra_.pop_front();
        return packet;
    }

  private:
    bool active() const { return !requests_.empty() && !peers_.empty(); }
    void learn(const DhtPacket& packet) {
        if (peers_.size() < 256 && std::find(peers_.begin(), peers_.end(), packet.peer) == peers_.end())
            peers_.push_back(packet.peer);
        if (requests_.size() >= 16) return;
        const auto claims = overlay::read_dht_packet(packet.bytes);
        if (claims && claims->message == "q") requests_.push_back(packet);
    }
    double rate_;
    std::uint64_t& sent_;
    double owed_ = 0;
    std::size_t turn_ = 0;
    proto::SteadyTime next_ = proto::SteadyTime::min();
    std::vector<DhtPacket> requests_;
    std::vector<Endpoint> peers_;
    std::deque<DhtPacket> extra_;
};

class Attackers final : public Attack {
  public:
    Attackers(const Scenario& scenario, std::uint64_t seed)
        : scenario_(scenario), options_(scenario.attack), seed_(seed), dice_(seed, Purpose::attack), mark_(seed) {
        const bool members = options_.model != AttackOptions::Model::strangers;
        attackers_ = members ? choose() : std::vector<bool>(scenario.nodes);
        const auto share = static_cast<std::uint64_t>(options_.share * scenario.nodes + 0.5);
        senders_ = members ? static_cast<std::uint64_t>(std::count(attackers_.begin(), attackers_.end(), true))
                           : std::max<std::uint64_t>(1, share);
        next_ = scenario.warmup + options_.at;
    }

    bool attacks(NodeIndex node) const override { return node < attackers_.size() && attackers_[node]; }

    /// A sybil's key gives an id among those nearest the most popular presentity's key. Each tries keys of its own, so
    /// that it costs what it costs: some thousands for a thousand nodes.
    std::unique_ptr<proto::SigningKey> node_key(NodeIndex node) override {
        if (options_.model != AttackOptions::Model::sybil) return nullptr;
        Dice dice(seed_, Purpose::attack, node + 1);
        const auto target = target_key();
        const auto shard = static_cast<std::uint8_t>(target[19] % scenario_.shards);
        const unsigned wanted = bits(scenario_.nodes) + 1;  // honest nodes' nearest has about log2 n bits in common
        std::unique_ptr<proto::SigningKey> best;
        unsigned best_bits = 0;
        for (std::uint64_t trial = 0; trial < key_trials && best_bits < wanted; ++trial) {
            auto key = proto::SigningKey::generate(dice);
            const unsigned same = in_common(proto::kademlia_id(key.public_key(), shard), target);
            if (best && same <= best_bits) continue;
            best = std::make_unique<proto::SigningKey>(std::move(key));
            best_bits = same;
        }
        return best;
    }

    std::unique_ptr<overlay::Dht> wrap(const Insider& self, std::unique_ptr<overlay::Dht> dht) override {
        const auto begins = World::wall_at(scenario_.warmup + options_.at);
        switch (options_.model) {
            case AttackOptions::Model::sybil:
            case AttackOptions::Model::drop:
                return std::make_unique<DroppingDoor>(std::move(dht), begins, dropped_);
            case AttackOptions::Model::rollback:
                return std::make_unique<RollbackDoor>(std::move(dht), begins, sent_, dropped_);
            case AttackOptions::Model::flood:
                return std::make_unique<FloodingDoor>(std::move(dht), begins, options_.rate, sent_);
            case AttackOptions::Model::forge:
                return std::make_unique<ForgingDoor>(std::move(dht), begins, self, mark_, sent_);
            case AttackOptions::Model::none:
            case AttackOptions::Model::replay:
            case AttackOptions::Model::strangers:
                break;
        }
        return dht;
    }

    /// A replayer keeps what passes it, both ways: with the addresses it was sent under.
    bool on_datagram(AttackField& field, NodeIndex attacker, bool leaves, const Endpoint& other,
                     const Bytes& bytes) override {
        if (options_.model != AttackOptions::Model::replay) return true;
        const auto own = field.endpoint_of(attacker);
        Heard heard{leaves ? own : other, leaves ? other : own, bytes};
        if (heard_.size() < captured)
            heard_.push_back(std::move(heard));
        else
            heard_[dice_.below(captured)] = std::move(heard);  // old ones remain: those are past the replay window
        return true;
    }

    void handle_timeout(AttackField& field) override {
        next_ = field.elapsed() + beat;
        owed_ += options_.rate * static_cast<double>(senders_) * static_cast<double>(beat.count()) / 1e6;
        for (; owed_ >= 1; --owed_) {
            if (options_.model == AttackOptions::Model::strangers)
                send_strange(field);
            else
                send_again(field);
        }
    }
    Duration next() const override {
        const bool sends =
            options_.model == AttackOptions::Model::replay || options_.model == AttackOptions::Model::strangers;
        return sends ? next_ : Duration::max();
    }
    bool forged(proto::BytesView bytes) const override {
        return options_.model == AttackOptions::Model::forge && mark_.is_in(bytes);
    }
    std::uint64_t attackers() const override { return senders_; }
    std::uint64_t datagrams() const override { return sent_; }
    std::uint64_t dropped() const override { return dropped_; }

  private:
    struct Heard {
        Endpoint from;
        Endpoint to;
        Bytes bytes;
    };

    /// Sybils: `share` of the ids nearest the key, so a handful. Others: `share` of the nodes. Never the node that the
    /// most popular presentity lives on: it could say of it what it likes.
    std::vector<bool> choose() {
        std::vector<bool> chosen(scenario_.nodes);
        const bool sybil = options_.model == AttackOptions::Model::sybil;
        const double of = sybil ? static_cast<double>(nearest_ids) : static_cast<double>(scenario_.nodes);
        auto wanted = static_cast<std::uint64_t>(options_.share * of + 0.5);
        wanted = std::min<std::uint64_t>(wanted, scenario_.nodes - 1);
        while (wanted > 0) {
            const auto node = static_cast<NodeIndex>(dice_.below(scenario_.nodes));
            if (chosen[node] || node == home_of(scenario_, 0)) continue;
            chosen[node] = true;
            --wanted;
        }
        return chosen;
    }

    /// Attackers are members: they know the federation's key (as SimNodes makes it).
    proto::DhtKey target_key() const {
        proto::SymmetricKey federation_key{};
        Dice(seed_, Purpose::identity, ~std::uint64_t{0}).fill(federation_key);
        const auto presentity = presentity_uri(scenario_, 0);
        return proto::dht_key(federation_key, presentity.domain(), proto::presentity_key(federation_key, presentity));
    }
    static unsigned bits(std::uint64_t n) {
        unsigned count = 0;
        for (; n > 1; n >>= 1) ++count;
        return count;
    }
    static unsigned in_common(const proto::DhtKey& a, const proto::DhtKey& b) {
        unsigned count = 0;
        for (std::size_t i = 0; i < a.size(); ++i, count += 8) {
            for (unsigned bit = 0; bit < 8; ++bit)
                if (((a[i] ^ b[i]) >> (7 - bit)) & 1) return count + bit;
        }
        return count;
    }

    void send_again(AttackField& field) {
        if (heard_.empty()) return;
        const auto& heard = heard_[dice_.below(heard_.size())];
        ++sent_;
        field.inject(heard.from, heard.to, heard.bytes);
    }

    /// From outside of the federation: noise, and messages of every kind with noise in them.
    void send_strange(AttackField& field) {
        const auto to = static_cast<NodeIndex>(dice_.below(field.nodes()));
        if (!field.online(to)) return;
        Bytes bytes(1 + dice_.below(1'200));
        dice_.fill(bytes);
        if (dice_.chance(0.5)) bytes[0] = static_cast<std::uint8_t>(1 + dice_.below(5));  // overlay::MessageKind
        const auto stranger = static_cast<std::uint32_t>(dice_.below(senders_));
        ++sent_;
        field.inject(Endpoint::v4(0xc6120000 + (stranger & 0xffff), 4000), field.endpoint_of(to), std::move(bytes));
    }

    Scenario scenario_;
    AttackOptions options_;
    std::uint64_t seed_;
    Dice dice_;
    ForgersMark mark_;
    std::vector<bool> attackers_;
    std::uint64_t senders_ = 0;
    std::uint64_t sent_ = 0;
    std::uint64_t dropped_ = 0;
    double owed_ = 0;
    Duration next_{};
    std::vector<Heard> heard_;
};

}  // namespace

std::unique_ptr<Attack> make_attack(const Scenario& scenario, std::uint64_t seed) {
    if (scenario.attack.model == AttackOptions::Model::none) return nullptr;
    return std::make_unique<Attackers>(scenario, seed);
}

}  // namespace presmesh::sim
