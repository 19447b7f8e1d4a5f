// How full a bounded place is: what operators see of every queue, table and cache.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace presmesh::proto {

struct Fill {
    std::string name;
    std::size_t used = 0;
    std::size_t bound = 0;  ///< of limits.hpp, or what the operator set
};
using Fills = std::vector<Fill>;

}  // namespace presmesh::proto
