#include "node/store.hpp"

namespace presmesh::node {

void MemoryStore::put(std::string_view table, std::string_view key, proto::BytesView value) {
    live_[{std::string(table), std::string(key)}] = proto::Bytes(value.begin(), value.end());
}

void MemoryStore::erase(std::string_view table, std::string_view key) {
    live_.erase({std::string(table), std::string(key)});
}

void MemoryStore::each(std::string_view table, std::string_view key_prefix,
                       const std::function<void(std::string_view, proto::BytesView)>& visit) const {
    for (auto row = live_.lower_bound({std::string(table), std::string(key_prefix)}); row != live_.end(); ++row) {
        if (row->first.first != table || !row->first.second.starts_with(key_prefix)) break;
        visit(row->first.second, row->second);
    }
}

void MemoryStore::commit() {
    committed_ = live_;
}

void MemoryStore::crash() {
    live_ = committed_;
}

}  // namespace presmesh::node
