#include "node/epoch.hpp"

#include <algorithm>

#include "proto/msgpack_io.hpp"

namespace presmesh::node {

namespace {

constexpr std::string_view epoch_key = "epoch";

std::uint64_t saved_epoch(const Store& store) {
    std::uint64_t saved = 0;
    store.each(store_tables::meta, epoch_key, [&saved](std::string_view key, proto::BytesView value) {
        if (key != epoch_key) return;
        proto::MsgpackReader in(value);
        saved = in.uint();
    });
    return saved;
}

}  // namespace

std::uint64_t next_epoch(Store& store, proto::Now now) {
    auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(proto::to_seconds(now.wall), 1));
    std::uint64_t epoch = std::max(saved_epoch(store) + 1, seconds);
    proto::MsgpackWriter out;
    out.uint(epoch);
    store.put(store_tables::meta, epoch_key, out.bytes());
    store.commit();
    return epoch;
}

}  // namespace presmesh::node
