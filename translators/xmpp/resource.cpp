// A service id as a resourcepart that every server takes, and takes as it is. Deployed servers prepare resources as
// RFC 6122 says (RFC 3454 and NFKC): what they would refuse costs the whole stanza, and what they would change may meet
// another resource.
#include <unictype.h>
#include <unistr.h>

#include <algorithm>
#include <vector>

#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"
#include "translators/xmpp/presence.hpp"

namespace presmesh::translators::xmpp {

namespace {

/// `text` is UTF-8.
std::vector<ucs4_t> characters_of(std::string_view text) {
    std::vector<ucs4_t> out;
    const auto bytes = proto::as_bytes(text);
    for (std::size_t at = 0; at < bytes.size();) {
        ucs4_t c = 0;
        at += static_cast<std::size_t>(u8_mbtouc(&c, bytes.data() + at, bytes.size() - at));
        out.push_back(c);
    }
    return out;
}

/// Tables B.1 and C of RFC 3454, and what Unicode has added since to the same kinds.
bool is_refused(ucs4_t c) {
    if (c == ' ') return false;
    const bool describes = (c >= 0x2FF0 && c <= 0x2FFB) || (c >= 0xFFF9 && c <= 0xFFFD);
    return describes || uc_is_property_default_ignorable_code_point(c) ||
           uc_is_general_category_withtable(c, UC_CATEGORY_MASK_C | UC_CATEGORY_MASK_Z);
}

bool is_right_to_left(ucs4_t c) {
    const auto direction = uc_bidi_class(c);
    return direction == UC_BIDI_R || direction == UC_BIDI_AL;
}

/// RFC 3454 section 6: text from right to left has no letter from left to right, and begins and ends as such.
bool has_one_direction(const std::vector<ucs4_t>& text) {
    if (std::none_of(text.begin(), text.end(), is_right_to_left)) return true;
    return is_right_to_left(text.front()) && is_right_to_left(text.back()) &&
           std::none_of(text.begin(), text.end(), [](ucs4_t c) { return uc_bidi_class(c) == UC_BIDI_L; });
}

bool is_resource(std::string_view id) {
    if (id.size() > proto::limits::jid_part_bytes || !proto::is_text(id) || !proto::is_nfkc(id)) return false;
    const auto characters = characters_of(id);
    return std::none_of(characters.begin(), characters.end(), is_refused) && has_one_direction(characters);
}

}  // namespace

std::string resource_of(std::string_view service_id) {
    if (is_resource(service_id)) return std::string(service_id);
    const auto digest = proto::blake2b_256(proto::as_bytes(service_id));
    return "ID-" + proto::to_hex(proto::BytesView(digest).first(16));
}

}  // namespace presmesh::translators::xmpp
