#include "sim/attack.hpp"

namespace presmesh::sim {

std::unique_ptr<Attack> make_attack(const Scenario& /*scenario*/, std::uint64_t /*seed*/) {
    return nullptr;
}

}  // namespace presmesh::sim
