// Any bytes as JSON presence: never a crash; what is accepted is said again as JSON that means the same. Rules and
// decisions are read on the way.
#include "node/daemon/presence_json.hpp"
#include "node/daemon/view_json.hpp"
#include "proto/assert.hpp"
#include "proto/identity.hpp"

using namespace presmesh;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    proto::crypto_init();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)daemon::rules_from_json(text);
    (void)daemon::decision_from_json(text);
    const auto presence = daemon::presence_from_json(text);
    if (!presence || !proto::Document::make(*presence)) return 0;
    const auto again = daemon::presence_from_json(daemon::presence_to_json(*presence));
    PRESMESH_ASSERT(again.has_value());
    PRESMESH_ASSERT(*again == *presence);
    return 0;
}
