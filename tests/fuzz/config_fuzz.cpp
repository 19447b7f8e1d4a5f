// Any bytes as the operator's config: never a crash, and a file without faults is one that can be used.
#include "node/daemon/config.hpp"
#include "proto/assert.hpp"
#include "proto/identity.hpp"

using namespace presmesh;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    proto::crypto_init();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // What it names is read; nothing of the machine's is to be found from a folder that is not there.
    if (text.find("_file") != std::string_view::npos && text.find('/') != std::string_view::npos) return 0;
    const auto parsed = daemon::parse_config(text, "/nowhere/at/all");
    for (const auto& fault : parsed.faults) PRESMESH_ASSERT(!fault.text.empty() && fault.line >= 0);
    if (!parsed.faults.empty()) return 0;
    const auto& node = parsed.config.node;
    PRESMESH_ASSERT(!node.domain.empty() && !node.key_file.empty() && !node.federation_file.empty());
    PRESMESH_ASSERT(!node.advertise.empty() && node.advertise.size() <= 2);
    PRESMESH_ASSERT(node.shards >= 1 && node.shards <= 8);
    for (const auto& endpoint : node.advertise) PRESMESH_ASSERT(endpoint.port != 0 && endpoint.port % 8 == 0);
    return 0;
}
