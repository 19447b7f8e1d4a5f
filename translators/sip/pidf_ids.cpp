// Service ids as xs:ID, priorities as thousandths: the two places where RFC 8048's values change form.
#include <algorithm>
#include <optional>

#include "proto/assert.hpp"
#include "proto/text.hpp"
#include "translators/sip/pidf.hpp"

namespace presmesh::translators::sip {

namespace {

constexpr std::string_view prefix = "ID-";
constexpr std::string_view digits = "0123456789ABCDEF";

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_plain(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool is_ncname(std::string_view id) {
    if (id.empty() || !(is_letter(id.front()) || id.front() == '_')) return false;
    return std::all_of(id.begin(), id.end(), [](char c) { return is_plain(c) || c == '_'; });
}

/// None when an underscore does not stand before two digits as tuple_id writes them.
std::optional<std::string> unescaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '_') {
            out += text[at];
            continue;
        }
        const auto high = at + 2 < text.size() ? digits.find(text[at + 1]) : std::string_view::npos;
        const auto low = at + 2 < text.size() ? digits.find(text[at + 2]) : std::string_view::npos;
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        out += static_cast<char>(high * 16 + low);
        at += 2;
    }
    return out;
}

}  // namespace

std::string tuple_id(std::string_view id, bool xmpp_resource) {
    if (!xmpp_resource && is_ncname(id) && !id.starts_with(prefix)) return std::string(id);
    std::string out(prefix);
    for (const char c : id) {
        if (is_plain(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '_';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string service_id(std::string_view tuple_id) {
    if (!tuple_id.starts_with(prefix)) return std::string(tuple_id);
    const auto rest = tuple_id.substr(prefix.size());
    auto plain = unescaped(rest);
    if (!plain || !proto::is_text(*plain)) return std::string(rest);
    return std::move(*plain);
}

std::uint16_t contact_priority_of(std::int8_t priority) {
    PRESMESH_ASSERT(priority >= 0);
    return static_cast<std::uint16_t>(priority * 1000 / 127);
}

std::int8_t priority_of(std::uint16_t contact_priority) {
    return static_cast<std::int8_t>((std::min<int>(contact_priority, 1000) * 127 + 500) / 1000);
}

}  // namespace presmesh::translators::sip
