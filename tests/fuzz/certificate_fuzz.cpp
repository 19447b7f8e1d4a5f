// Any bytes as a certificate or a delegation: refused, or equal to what encoding gives again.
#include <cstdlib>

#include "proto/identity.hpp"
#include "proto/msgpack_io.hpp"

using namespace presmesh::proto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    BytesView bytes(data, size);
    Bytes whole(data, data + size);
    if (auto certificate = Certificate::decode(bytes); certificate && certificate->encode() != whole) std::abort();
    if (auto delegation = Delegation::decode(bytes); delegation && delegation->encode() != whole) std::abort();
    MsgpackReader reader(bytes);
    reader.skip(2);
    (void)reader.finish();
    return 0;
}
