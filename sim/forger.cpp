#include "sim/forger.hpp"

#include <algorithm>

#include "overlay/dht_packet.hpp"
#include "sim/dice.hpp"

namespace presmesh::sim {

using overlay::DhtPacket;
using proto::Bytes;
using proto::Record;

namespace {

constexpr std::size_t victims_most = 4'096;  ///< records that a forger remembers, the first
constexpr auto forges_every = std::chrono::seconds{1};
constexpr std::size_t bin16_header = 3;
constexpr std::size_t signature_bytes = std::tuple_size_v<proto::Signature>;

std::array<std::uint8_t, 8> big_endian(std::uint64_t number) {
    std::array<std::uint8_t, 8> out;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(number >> (56 - 8 * i));
    return out;
}

/// A record of the forger's own in the place of another; as long as that where its summary can be cut for it.
std::optional<Record> own_record(const Record& other, const std::string& domain, const Insider& forger,
                                 const ForgersMark& mark) {
    Record made;
    made.kind = other.kind;
    made.presentity = other.presentity;
    made.domain = domain;
    made.sequence = {other.sequence.epoch + 1, mark.number()};
    made.issued = other.issued;
    made.expires = other.expires;
    made.endpoints = {forger.endpoint};
    made.sealed_summary = other.sealed_summary;
    made.digest = other.digest;
    if (!proto::sign(made, forger.key, forger.certificate)) return std::nullopt;
    const std::size_t over = made.wire.size() - std::min(made.wire.size(), other.wire.size());
    if (over == 0 || over > made.sealed_summary.size()) return made;
    made.sealed_summary.resize(made.sealed_summary.size() - over);
    if (!proto::sign(made, forger.key, forger.certificate)) return std::nullopt;
    return made;
}

/// Puts other bytes in the place of a value's in a packet of OpenDHT's. False: it is not there, or cannot be changed.
bool replace_value(Bytes& packet, proto::BytesView wire, std::uint64_t id, const Forgery& by) {
    const auto text = proto::as_text(packet);
    const auto at = text.find(proto::as_text(wire));
    if (at == text.npos || at < bin16_header || packet[at - bin16_header] != 0xc5) return false;
    const auto old_id = big_endian(id);
    const auto id_at = text.rfind(proto::as_text(old_id), at);
    if (id_at == text.npos) return false;
    const auto new_id = big_endian(by.value_id);
    std::copy(new_id.begin(), new_id.end(), packet.begin() + static_cast<std::ptrdiff_t>(id_at));
    packet[at - 2] = static_cast<std::uint8_t>(by.wire.size() >> 8);
    packet[at - 1] = static_cast<std::uint8_t>(by.wire.size());
    const auto from = packet.begin() + static_cast<std::ptrdiff_t>(at);
    const auto rest = packet.erase(from, from + static_cast<std::ptrdiff_t>(wire.size()));
    packet.insert(rest, by.wire.begin(), by.wire.end());
    return true;
}

}  // namespace

std::optional<proto::DhtKey> key_of_put(proto::BytesView packet) {
    using namespace std::string_view_literals;
    constexpr auto before = "\xa1h\xc4\x14"sv;
    const auto text = proto::as_text(packet);
    const auto at = text.find(before);
    proto::DhtKey key;
    if (at == text.npos || text.size() - at - before.size() < key.size()) return std::nullopt;
    std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(at + before.size()), key.size(), key.begin());
    return key;
}

/// The highest bit is set, so that msgpack needs all eight bytes.
ForgersMark::ForgersMark(std::uint64_t seed)
    : number_(seed_of(seed, Purpose::attack, ~std::uint64_t{0}) | std::uint64_t{1} << 63),
      bytes_(big_endian(number_)) {}

bool ForgersMark::is_in(proto::BytesView bytes) const {
    return proto::as_text(bytes).find(proto::as_text(bytes_)) != std::string_view::npos;
}

std::vector<Forgery> forgeries_of(const Record& record, const Insider& forger, const ForgersMark& mark) {
    std::vector<Forgery> out;
    if (const auto made = own_record(record, record.domain, forger, mark)) {
        out.push_back({record.value_id(), made->wire});
        out.push_back({made->value_id(), made->wire});
    }
    if (const auto made = own_record(record, forger.certificate.domain, forger, mark))
        out.push_back({made->value_id(), made->wire});
    Forgery spoilt{record.value_id(), record.wire};
    const auto signature = spoilt.wire.end() - static_cast<std::ptrdiff_t>(signature_bytes);
    std::copy(mark.bytes().begin(), mark.bytes().end(), signature);
    out.push_back(std::move(spoilt));
    return out;
}

ForgingDoor::ForgingDoor(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins, Insider self,
                         const ForgersMark& mark, std::uint64_t& sent)
    : PassingDht(std::move(dht)), begins_(begins), self_(std::move(self)), mark_(mark), sent_(sent) {}

void ForgingDoor::handle_input(proto::Now now, const DhtPacket& packet, const proto::PublicKey& peer) {
    begun_ = now.wall >= begins_;
    learn(now, packet);
    dht_->handle_input(now, packet, peer);
}

/// What others put here; forgers do not forge each other's forgeries.
void ForgingDoor::learn(proto::Now now, const DhtPacket& packet) {
    const auto claims = overlay::read_dht_packet(packet.bytes);
    const auto key = claims && !claims->values.empty() ? key_of_put(packet.bytes) : std::nullopt;
    if (!key) return;
    for (const auto& value : claims->values) {
        const Place place{*key, value.id};
        const auto record = proto::read_record(value.data, *self_.federation, now.wall, &*key);
        if (!record || record->value_id() != value.id || record->certificate.domain == self_.certificate.domain)
            continue;
        if (victims_.size() >= victims_most && !victims_.contains(place)) continue;
        auto& victim = victims_[place];
        victim.wire = record->wire;
        victim.forgeries = forgeries_of(*record, self_, mark_);
    }
}

void ForgingDoor::handle_timeout(proto::Now now) {
    begun_ = now.wall >= begins_;
    dht_->handle_timeout(now);
    if (!active() || now.steady < next_) return;
    next_ = now.steady + forges_every;
    auto victim = victims_.upper_bound(last_);
    if (victim == victims_.end()) victim = victims_.begin();
    last_ = victim->first;
    dht_->put(now, last_.first, last_.second, victim->second.wire);
}

proto::SteadyTime ForgingDoor::next_timeout() const {
    return active() ? std::min(dht_->next_timeout(), next_) : dht_->next_timeout();
}

std::optional<DhtPacket> ForgingDoor::poll_output() {
    auto packet = dht_->poll_output();
    if (packet && active()) forge(packet->bytes);
    return packet;
}

void ForgingDoor::forge(Bytes& packet) {
    for (auto& [place, victim] : victims_) {
        if (packet.size() < victim.wire.size()) continue;
        const Forgery& by = victim.forgeries[victim.turn % victim.forgeries.size()];
        if (!replace_value(packet, victim.wire, place.second, by)) continue;
        ++victim.turn;
        ++sent_;
    }
}

}  // namespace presmesh::sim
