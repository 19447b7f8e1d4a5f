// The SIP header values we read ourselves, and the saved form of a subscription: never a crash; what is accepted is
// written and read again as the same value.
#include <cstdlib>

#include "translators/sip/header_text.hpp"
#include "translators/sip/subscription.hpp"

using namespace presmesh;
using namespace presmesh::translators::sip;

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

std::string write_parameters(const std::map<std::string, std::string, std::less<>>& parameters, const char* before) {
    std::string out;
    for (const auto& [name, value] : parameters)
        out += (out.empty() && *before == ',' ? "" : before) + name + "=" + quoted(value);
    return out;
}

void fuzz_parameterized(std::string_view text) {
    const auto value = read_parameterized(text);
    if (!value) return;
    const auto again = read_parameterized(value->value + write_parameters(value->parameters, ";"));
    must(again && again->value == value->value && again->parameters == value->parameters);
}

void fuzz_auth(std::string_view text) {
    const auto value = read_auth(text);
    if (!value) return;
    const auto again =
        read_auth(value->scheme + (value->parameters.empty() ? "" : " ") + write_parameters(value->parameters, ","));
    must(again && again->scheme == value->scheme && again->parameters == value->parameters);
}

void fuzz_saved(proto::BytesView bytes) {
    const auto value = SavedSubscription::decode(bytes);
    if (!value) return;
    const auto again = SavedSubscription::decode(value->encode());
    must(again && *again == *value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const proto::BytesView bytes(data + 1, size - 1);
    const auto text = proto::as_text(bytes);
    switch (data[0] % 4) {
        case 0:
            fuzz_parameterized(text);
            break;
        case 1:
            fuzz_auth(text);
            break;
        case 2:
            static_cast<void>(read_name_addr(text));
            break;
        default:
            fuzz_saved(bytes);
    }
    return 0;
}
