#include <algorithm>

#include "node/store.hpp"

namespace presmesh::node {

void MemoryStore::remember(const Key& key) {
    auto row = live_.find(key);
    undo_.emplace_back(key, row == live_.end() ? std::nullopt : std::optional(row->second));
}

void MemoryStore::put(std::string_view table, std::string_view key, proto::BytesView value) {
    Key row{std::string(table), std::string(key)};
    remember(row);
    live_[std::move(row)] = proto::Bytes(value.begin(), value.end());
}

void MemoryStore::erase(std::string_view table, std::string_view key) {
    Key row{std::string(table), std::string(key)};
    if (!live_.contains(row)) return;
    remember(row);
    live_.erase(row);
}

void MemoryStore::each(std::string_view table, std::string_view key_prefix,
                       const std::function<void(std::string_view, proto::BytesView)>& visit) const {
    for (auto row = live_.lower_bound({std::string(table), std::string(key_prefix)}); row != live_.end(); ++row) {
        if (row->first.first != table || !row->first.second.starts_with(key_prefix)) break;
        visit(row->first.second, row->second);
    }
}

void MemoryStore::commit() {
    undo_.clear();
}

bool MemoryStore::must_last() const {
    return std::any_of(undo_.begin(), undo_.end(), [](const auto& row) {
        return std::find(store_tables::durable.begin(), store_tables::durable.end(), row.first.first) !=
               store_tables::durable.end();
    });
}

void MemoryStore::crash() {
    for (; !undo_.empty(); undo_.pop_back()) {
        auto& [key, before] = undo_.back();
        if (before)
            live_[key] = std::move(*before);
        else
            live_.erase(key);
    }
}

}  // namespace presmesh::node
