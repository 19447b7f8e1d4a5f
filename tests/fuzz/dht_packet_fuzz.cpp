// The reader that stands before OpenDHT: what it accepts names a sender, or nobody, and lies inside the packet.
#include <cstdint>
#include <cstdlib>

#include "overlay/dht_packet.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const presmesh::proto::BytesView bytes(data, size);
    const auto claims = presmesh::overlay::read_dht_packet(bytes);
    if (!claims) return 0;
    if (!claims->sender && claims->message != "p" && claims->message != "e") std::abort();
    for (const auto& value : claims->values) {
        if (claims->method != "put") std::abort();
        const bool inside =
            value.data.empty() || (value.data.data() >= data && value.data.data() + value.data.size() <= data + size);
        if (!inside) std::abort();
    }
    return 0;
}
