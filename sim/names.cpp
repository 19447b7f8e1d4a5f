#include "sim/names.hpp"

#include "proto/assert.hpp"

namespace presmesh::sim {

proto::PresentityUri presentity_uri(const Scenario& scenario, std::uint32_t presentity) {
    const auto domain = domain_of(provider_of(scenario, home_of(scenario, presentity)));
    auto uri = proto::PresentityUri::from_canonical("u" + std::to_string(presentity) + "@" + domain);
    PRESMESH_ASSERT(uri.has_value());
    return *uri;
}

}  // namespace presmesh::sim
