#include "sim/churn.hpp"

namespace presmesh::sim {

proto::Result<std::unique_ptr<ChurnPlan>> make_churn_plan(const Scenario& /*scenario*/, std::uint64_t /*seed*/) {
    return nullptr;
}

}  // namespace presmesh::sim
