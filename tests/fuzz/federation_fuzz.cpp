// Any text as a federation file: at least one fault, or a federation that survives being written.
#include <cstdlib>

#include "proto/federation.hpp"

using namespace presmesh::proto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    crypto_init();
    auto parsed = Federation::parse(as_text({data, size}));
    if (!parsed) {
        if (parsed.error().empty()) std::abort();
        return 0;
    }
    auto again = Federation::parse(parsed->to_toml());
    if (!again || again->to_toml() != parsed->to_toml()) std::abort();
    return 0;
}
