// For tables by node that are looked up for each datagram.
#pragma once

#include <cstddef>
#include <cstring>

#include "proto/identity.hpp"

namespace presmesh::overlay {

/// Node ids are hashes of certified keys: any of their bytes are as good as random.
struct NodeIdHash {
    std::size_t operator()(const proto::NodeId& node) const noexcept {
        std::size_t hash = 0;
        std::memcpy(&hash, node.data(), sizeof hash);
        return hash;
    }
};

}  // namespace presmesh::overlay
