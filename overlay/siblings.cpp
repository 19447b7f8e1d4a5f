#include "overlay/siblings.hpp"

#include <algorithm>

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

void Siblings::seek(proto::Now now, bool wanted) {
    if (wanted == wanted_) return;
    wanted_ = wanted;
    next_ = wanted && online_ ? now.steady : proto::never;
    if (!wanted) absent_.clear();
}

void Siblings::go_online(proto::Now now) {
    if (std::exchange(online_, true) || !wanted_) return;
    next_ = now.steady + random_.jitter(limits::siblings_first, 0.5);
}

void Siblings::handle_timeout(proto::Now now, const proto::Federation& federation) {
    if (now.steady < next_) return;
    key_ = proto::domain_dht_key(federation.key, domain_);
    lookup_ = dht_.get(now, key_);
    next_ = now.steady + random_.jitter(limits::siblings_again, 0.3);
}

std::optional<proto::Record> Siblings::handle_event(proto::Now now, const DhtEvent& event,
                                                    const proto::Federation& federation) {
    if (const auto* done = std::get_if<LookupDone>(&event); done != nullptr && lookup_ == done->lookup) {
        lookup_.reset();
        if (!done->ok && wanted_) next_ = now.steady + random_.jitter(limits::siblings_first, 0.5);
    }
    const auto* found = std::get_if<RecordFound>(&event);
    if (found == nullptr || lookup_ != found->lookup) return std::nullopt;
    auto record = proto::read_record(found->wire, federation, now.wall, &key_, verified_.get());
    if (!record || record->kind != proto::RecordKind::domain || record->certificate.domain != domain_)
        return std::nullopt;
    if (proto::node_id(record->node_key()) == self_) return std::nullopt;
    return std::move(*record);
}

void Siblings::miss(proto::Now now, const proto::Record& record) {
    if (!wanted_) return;
    const auto node = proto::node_id(record.node_key());
    if (!absent_.contains(node) && absent_.size() >= limits::peers_per_domain) return;
    absent_[node] = {record.expires, record.endpoints};
    if (dial_at_ == proto::never) dial_at_ = now.steady + random_.jitter(limits::look_again_most, 0.3);
}

std::vector<proto::Endpoint> Siblings::due(proto::Now now) {
    std::vector<proto::Endpoint> endpoints;
    if (now.steady < dial_at_) return endpoints;
    std::erase_if(absent_, [&](const auto& entry) { return entry.second.expires <= now.wall; });
    for (const auto& [node, absent] : absent_)
        endpoints.insert(endpoints.end(), absent.endpoints.begin(), absent.endpoints.end());
    dial_at_ = absent_.empty() ? proto::never : now.steady + random_.jitter(limits::look_again_most, 0.3);
    return endpoints;
}

bool Siblings::take(proto::Now now, const proto::Record& record) {
    const auto node = proto::node_id(record.node_key());
    if (!known_.contains(node) && known_.size() >= limits::peers_per_domain)
        std::erase_if(known_, [&](const auto& entry) { return entry.second.expires <= now.wall; });
    if (!known_.contains(node) && known_.size() >= limits::peers_per_domain) return false;
    auto& known = known_[node];
    if (known.sequence >= record.sequence) return false;
    known = {record.sequence, record.issued, record.expires, record.wire};
    return true;
}

std::vector<proto::Bytes> Siblings::introductions(proto::Now now, const proto::NodeId& except) const {
    std::vector<std::pair<proto::WallTime, const Known*>> latest;
    for (const auto& [node, known] : known_)
        if (node != except && known.expires > now.wall) latest.emplace_back(known.issued, &known);
    std::stable_sort(latest.begin(), latest.end(),
                     [](const auto& one, const auto& other) { return one.first > other.first; });
    latest.resize(std::min(latest.size(), limits::nodes_asked_per_domain));
    std::vector<proto::Bytes> records;
    for (const auto& [issued, known] : latest) records.push_back(known->wire);
    return records;
}

}  // namespace presmesh::overlay
