// A request target and the header fields that decide, one a line: never a crash; what a target says, escaped again, is
// read as the same.
#include "node/daemon/http_target.hpp"
#include "node/daemon/tokens.hpp"
#include "proto/assert.hpp"
#include "proto/identity.hpp"

using namespace presmesh;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    proto::crypto_init();
    return 0;
}

namespace {

std::string spell(const daemon::Target& target) {
    std::string out;
    for (const auto& segment : target.path) out += "/" + daemon::percent_encode(segment);
    char separator = '?';
    for (const auto& [name, value] : target.query) {
        out += separator + daemon::percent_encode(name) + "=" + daemon::percent_encode(value);
        separator = '&';
    }
    return out;
}

void check_target(std::string_view text) {
    const auto target = daemon::read_target(text);
    if (!target) return;
    const auto again = daemon::read_target(spell(*target));
    PRESMESH_ASSERT(again.has_value());
    PRESMESH_ASSERT(again->path == target->path && again->query == target->query);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto line = text.find('\n');
    check_target(text.substr(0, line));
    const auto field = line == std::string_view::npos ? std::string_view() : text.substr(line + 1);
    const auto chosen = daemon::choose_media(field, {"application/json", "application/pidf+xml"});
    PRESMESH_ASSERT(chosen.empty() || chosen.starts_with("application/"));
    (void)daemon::media_type(field);
    (void)daemon::entity_tag(field);
    (void)daemon::whole_number(field);
    PRESMESH_ASSERT(daemon::bearer_token(field).size() <= field.size());
    (void)daemon::Tokens::parse(field);
    return 0;
}
