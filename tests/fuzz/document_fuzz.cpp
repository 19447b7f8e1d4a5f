// Any bytes as a document: never a crash; what is accepted encodes to an equal value.
#include "proto/assert.hpp"
#include "proto/identity.hpp"
#include "proto/presence.hpp"

using namespace presmesh::proto;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    crypto_init();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto document = Document::read({data, size});
    if (!document) return 0;
    const auto again = Document::make((*document)->presence());
    PRESMESH_ASSERT(again.has_value());
    PRESMESH_ASSERT((*again)->presence() == (*document)->presence());
    return 0;
}
