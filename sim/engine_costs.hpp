// What plain OpenDHT's operations cost the node that acts: the same questions as were asked of the library by itself
// before any of this was built, asked again within the simulator, so that its world can be held against those answers.
#pragma once

#include <cstdint>

#include "sim/statistics.hpp"

namespace presmesh::sim {

/// Of one operation, summed over its trials. Messages and bytes are those sent and received by the acting node within
/// half a minute, less what it had in as long a time before.
struct OperationCost {
    std::uint64_t trials = 0;
    double messages = 0;
    double bytes = 0;
    Quantiles first;  ///< listener told (puts), first value (get), in one-way delays
    Quantiles done;   ///< search over (get), in one-way delays
};

struct EngineCosts {
    OperationCost listen;      ///< set-up, on a key that has no value
    OperationCost cold_put;    ///< of a key that this node knows nothing about
    OperationCost warm_put;    ///< a minute later, with a new value id
    OperationCost cold_get;    ///< of the two values, from a third node
    std::uint64_t values = 0;  ///< bytes of a value
};

/// D = 50 ms one way, no jitter, no loss, nobody comes or goes; 10 minutes after the last node joined. Trials one after
/// the other, each with a key and nodes of its own.
EngineCosts measure_engine_costs(std::uint32_t nodes, std::uint32_t trials, std::uint64_t seed, bool permanent = false);

}  // namespace presmesh::sim
