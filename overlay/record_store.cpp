#include "overlay/record_store.hpp"

#include "proto/assert.hpp"

namespace presmesh::overlay {

using proto::Reason;
using proto::refuse;
using proto::Result;

RecordStore::RecordStore(std::shared_ptr<const proto::Federation> federation, RecordQuotas quotas,
                         proto::VerificationCachePtr verified)
    : federation_(std::move(federation)), quotas_(quotas), verified_(proto::or_own(std::move(verified))) {
    PRESMESH_ASSERT(federation_ != nullptr);
}

Result<void> RecordStore::offer(proto::WallTime now, const Place& place, proto::BytesView wire) {
    auto judged = judge(now, place, wire);
    if (!judged) {
        ++refused_;
        ++by_reason_[static_cast<std::size_t>(judged.error().reason)];
    }
    return judged;
}

Result<proto::Record> RecordStore::read(proto::WallTime now, const Place& place, proto::BytesView wire) {
    auto record = proto::read_record(wire, *federation_, now, &place.key, verified_.get());
    if (record && record->value_id() != place.value_id) {
        return refuse(Reason::conflict, "a value id that is not the record's own");
    }
    return record;
}

Result<void> RecordStore::judge(proto::WallTime now, const Place& place, proto::BytesView wire) {
    auto record = read(now, place, wire);
    if (!record) return tl::make_unexpected(record.error());
    const auto found = kept_.find(place);
    if (found != kept_.end()) {
        if (found->second.wire_digest == proto::blake2b_256(wire)) return {};
        if (auto newer = proto::may_replace(found->second.record(), *record); !newer) return newer;
        forget(place);
    } else if (auto room = check_quota(place, record->certificate.domain); !room) {
        return room;
    }
    keep(place, *record, wire);
    return {};
}

Result<void> RecordStore::check_quota(const Place& place, const std::string& member) const {
    if (emptied_.contains(place)) return {};  // it takes no more room than it has
    if (kept_.size() + emptied_.size() >= quotas_.in_all) return refuse(Reason::quota, "records in all");
    const auto count = per_member_.find(member);
    if (count != per_member_.end() && count->second >= quotas_.per_member) {
        return refuse(Reason::quota, "records of one member");
    }
    std::size_t beside = 0;
    for (auto at = kept_.lower_bound({place.key, 0}); at != kept_.end() && at->first.key == place.key; ++at) ++beside;
    if (beside >= quotas_.per_key) return refuse(Reason::quota, "records under one key");
    return {};
}

void RecordStore::keep(const Place& place, const proto::Record& record, proto::BytesView wire) {
    set_free(place);
    ++per_member_[record.certificate.domain];
    bytes_ += wire.size();
    by_expiry_.emplace(record.expires, place);
    const proto::PublicKey& node = record.node_key();  // nearly always under one certificate
    kept_.emplace(place,
                  Kept{certificates_.get({node.begin(), node.end()}, record.certificate),
                       domains_.get(record.domain, record.domain), record.kind, record.presentity, record.sequence,
                       record.expires, proto::blake2b_256(wire), static_cast<std::uint32_t>(wire.size())});
}

template <typename Value>
std::shared_ptr<const Value> RecordStore::Shared<Value>::get(const std::string& name, const Value& value) {
    if (known_.size() >= sweep_at_) {
        std::erase_if(known_, [](const auto& one) { return one.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * known_.size());
    }
    auto& known = known_[name];
    auto held = known.lock();
    if (held == nullptr || !(*held == value)) known = held = std::make_shared<const Value>(value);
    return held;
}

proto::Record RecordStore::Kept::record() const {
    proto::Record out;
    out.kind = kind;
    out.presentity = presentity;
    out.certificate = *certificate;
    out.domain = *domain;
    out.sequence = sequence;
    out.expires = expires;
    return out;
}

void RecordStore::forget(const Place& place) {
    const auto found = kept_.find(place);
    PRESMESH_ASSERT(found != kept_.end());
    uncount(found->second.certificate->domain);
    bytes_ -= found->second.size;
    by_expiry_.erase({found->second.expires, place});
    kept_.erase(found);
}

void RecordStore::uncount(const std::string& member) {
    const auto count = per_member_.find(member);
    if (--count->second == 0) per_member_.erase(count);
}

std::vector<Place> RecordStore::expire(proto::WallTime now) {
    while (!emptied_until_.empty() && emptied_until_.begin()->first <= now) {
        set_free(Place(emptied_until_.begin()->second));
    }
    std::vector<Place> gone;
    while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
        const Place place = by_expiry_.begin()->second;
        const auto certificate = kept_.at(place).certificate;
        forget(place);
        const auto until = now + proto::limits::record_lifetime;
        emptied_.emplace(place, Emptied{certificate, until});
        emptied_until_.emplace(until, place);
        ++per_member_[certificate->domain];
        gone.push_back(place);
    }
    return gone;
}

void RecordStore::set_free(const Place& place) {
    const auto found = emptied_.find(place);
    if (found == emptied_.end()) return;
    uncount(found->second.certificate->domain);
    emptied_until_.erase({found->second.until, place});
    emptied_.erase(found);
}

std::vector<Place> RecordStore::set_federation(proto::WallTime now,
                                               std::shared_ptr<const proto::Federation> federation) {
    PRESMESH_ASSERT(federation != nullptr);
    federation_ = std::move(federation);
    std::vector<Place> gone;
    for (const auto& [place, kept] : kept_) {
        const proto::Certificate& certificate = *kept.certificate;
        const bool stays = federation_->admit(certificate, now, verified_.get()) &&
                           federation_->may_publish(certificate.domain, *kept.domain, now, verified_.get()) &&
                           kept.record().dht_key(federation_->key) == place.key;
        if (!stays) gone.push_back(place);
    }
    for (const Place& place : gone) forget(place);
    return gone;
}

proto::WallTime RecordStore::next_expiry() const {
    return by_expiry_.empty() ? proto::WallTime::max() : by_expiry_.begin()->first;
}

}  // namespace presmesh::overlay
