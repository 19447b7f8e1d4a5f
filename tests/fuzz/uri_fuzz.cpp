// Any text as a name in any spelling: refused, or a name that survives each of them.
#include <cstdlib>

#include "proto/uri.hpp"

using namespace presmesh::proto;

namespace {

void check(const Result<PresentityUri>& found) {
    if (!found) return;
    auto same = [&](const Result<PresentityUri>& back) {
        if (!back || *back != *found) std::abort();
    };
    same(PresentityUri::from_canonical(found->canonical()));
    same(PresentityUri::from_sip(found->sip()));
    same(PresentityUri::from_jid(found->jid()));
    same(PresentityUri::parse(found->pres()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = as_text({data, size});
    check(PresentityUri::parse(text));
    check(PresentityUri::from_sip(text));
    check(PresentityUri::from_jid(text));
    check(PresentityUri::from_canonical(text));
    if (auto domain = canonical_domain(text); domain && canonical_domain(*domain) != *domain) std::abort();
    return 0;
}
