#include "node/daemon/printable.hpp"

#include <cstdint>

namespace presmesh::daemon {

namespace {

/// The length of the UTF-8 character that begins here (no overlong form, no surrogate); 0: none does.
std::size_t character(std::string_view text) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    const auto first = byte(0);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
    if (size == 0 || size > text.size()) return 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    const bool wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                       (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f);
    return wrong ? 0 : size;
}

std::string hex(std::uint8_t byte) {
    static constexpr char digits[] = "0123456789abcdef";
    return {digits[byte >> 4], digits[byte & 15]};
}

std::string control(std::uint8_t code) {
    switch (code) {
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        default:
            return "\\u00" + hex(code);
    }
}

std::string escaped(std::string_view text, bool quotes) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const auto size = character(text);
        const auto first = static_cast<std::uint8_t>(text[0]);
        const auto last = static_cast<std::uint8_t>(text[size > 1 ? 1 : 0]);
        if (size == 0) {
            out += "\\x" + hex(first);
        } else if (first < 0x20 || first == 0x7f) {
            out += control(first);
        } else if (first == 0xc2 && last < 0xa0) {
            out += control(last);
        } else {
            if (quotes && (first == '"' || first == '\\')) out += '\\';
            out += text.substr(0, size);
        }
        text.remove_prefix(size == 0 ? 1 : size);
    }
    return out;
}

}  // namespace

std::string printable(std::string_view text) {
    return escaped(text, false);
}

std::string quotable(std::string_view text) {
    return escaped(text, true);
}

}  // namespace presmesh::daemon
