// Any bytes as a record: refused or read, and what is read and signed again is the same bytes. The world's keys are
// known here, so a third of the inputs is taken as a body and signed, which brings the fuzzer past the signature.
#include <cstdlib>

#include "tests/support/record_world.hpp"

using namespace presmesh::proto;
using namespace presmesh::testing;

namespace {

const RecordWorld& world() {
    crypto_init();
    static const RecordWorld made;
    return made;
}

void try_record(BytesView bytes) {
    auto record = read_record(bytes, world().federation, world().now);
    if (!record) return;
    if (record->wire != Bytes(bytes.begin(), bytes.end())) std::abort();
    if (record->expires - record->issued > limits::record_lifetime) std::abort();
    Record again = *record;
    if (!sign(again, world().a_node, world().a_certificate)) std::abort();
    bool has_later_fields = bytes[0] != 0x9d;
    if (!has_later_fields && again.wire != record->wire) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    BytesView bytes(data, size);
    world();
    try_record(bytes);
    (void)open_summary(bytes, {});
    if (size > 66) try_record(sign_body(world().a_node, {data, data + size - 66}));
    return 0;
}
