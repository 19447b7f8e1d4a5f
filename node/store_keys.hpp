// Keys of the store that have two parts, joined by a zero byte (which no URI and no name holds).
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace presmesh::node {

inline std::string join_key(std::string_view first, std::string_view second) {
    std::string key;
    key.reserve(first.size() + 1 + second.size());
    key.append(first).push_back('\0');
    key.append(second);
    return key;
}

inline std::pair<std::string_view, std::string_view> split_key(std::string_view key) {
    auto zero = key.find('\0');
    if (zero == std::string_view::npos) return {key, {}};
    return {key.substr(0, zero), key.substr(zero + 1)};
}

}  // namespace presmesh::node
