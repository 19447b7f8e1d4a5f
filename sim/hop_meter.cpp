#include "sim/hop_meter.hpp"

#include <algorithm>

#include "proto/msgpack_io.hpp"

namespace presmesh::sim {

using proto::BytesView;
using proto::DhtKey;
using proto::Endpoint;
using proto::MsgpackReader;

namespace {

constexpr std::size_t fields_most = 16;
constexpr std::size_t name_bytes = 16;
constexpr std::size_t nodes_bytes_most = 4'096;
constexpr std::size_t node4_bytes = 26;  ///< id, IPv4 address, port

struct Request {
    std::uint64_t transaction = 0;
    std::optional<DhtKey> target;
};
struct Answer {
    std::uint64_t transaction = 0;
    std::optional<DhtKey> sender;
    std::vector<Endpoint> named;
};

/// Calls `field(name)` for each entry of the map that comes next; it reads the value.
template <class Field>
void each_field(MsgpackReader& in, const Field& field) {
    for (std::size_t left = in.map(fields_most); left > 0 && in.ok(); --left) field(in.str(name_bytes));
}

std::optional<Request> read_request(BytesView packet) {
    Request out;
    MsgpackReader in(packet);
    each_field(in, [&](std::string_view name) {
        if (name == "t") {
            out.transaction = in.uint();
        } else if (name == "a") {
            each_field(in, [&](std::string_view argument) {
                if (argument == "h" || argument == "target")
                    out.target = in.fixed<20>();
                else
                    in.skip();
            });
        } else {
            in.skip();
        }
    });
    if (!in.ok() || !out.target) return std::nullopt;
    return out;
}

std::vector<Endpoint> read_nodes(BytesView nodes) {
    std::vector<Endpoint> out;
    for (; nodes.size() >= node4_bytes; nodes = nodes.subspan(node4_bytes)) {
        const auto at = [&](std::size_t i) { return std::uint32_t{nodes[i]}; };
        out.push_back(Endpoint::v4(at(20) << 24 | at(21) << 16 | at(22) << 8 | at(23),
                                   static_cast<std::uint16_t>(at(24) << 8 | at(25))));
    }
    return out;
}

std::optional<Answer> read_answer(BytesView packet) {
    Answer out;
    MsgpackReader in(packet);
    each_field(in, [&](std::string_view name) {
        if (name == "t") {
            out.transaction = in.uint();
        } else if (name == "r") {
            each_field(in, [&](std::string_view field) {
                if (field == "id")
                    out.sender = in.fixed<20>();
                else if (field == "n4")
                    out.named = read_nodes(in.bin(nodes_bytes_most));
                else
                    in.skip();
            });
        } else {
            in.skip();
        }
    });
    if (!in.ok() || !out.sender) return std::nullopt;
    return out;
}

DhtKey distance(const DhtKey& a, const DhtKey& b) {
    DhtKey out;
    std::transform(a.begin(), a.end(), b.begin(), out.begin(), std::bit_xor<>());
    return out;
}

}  // namespace

void HopMeter::sent(const Endpoint& to, BytesView packet) {
    if (lookups_.empty()) return;
    const auto request = read_request(packet);
    if (!request) return;
    for (auto& [number, lookup] : lookups_) {
        if (lookup.key != *request->target) continue;
        lookup.asked[request->transaction] = to;
        lookup.hops.try_emplace(to, 1u);
    }
}

void HopMeter::received(const Endpoint& from, BytesView packet) {
    if (lookups_.empty()) return;
    const auto answer = read_answer(packet);
    if (!answer) return;
    for (auto& [number, lookup] : lookups_) {
        const auto asked = lookup.asked.find(answer->transaction);
        if (asked == lookup.asked.end() || asked->second != from) continue;
        const unsigned hops = lookup.hops.at(from);
        for (const auto& named : answer->named) lookup.hops.try_emplace(named, hops + 1);
        const Nearest here{distance(*answer->sender, lookup.key), hops};
        if (!lookup.nearest || here.distance < lookup.nearest->distance) lookup.nearest = here;
    }
}

std::optional<unsigned> HopMeter::end(LookupNumber number) {
    const auto lookup = lookups_.find(number);
    if (lookup == lookups_.end()) return std::nullopt;
    const auto nearest = lookup->second.nearest;
    lookups_.erase(lookup);
    if (!nearest) return std::nullopt;
    return nearest->hops;
}

}  // namespace presmesh::sim
