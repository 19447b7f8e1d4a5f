#include "proto/escaping.hpp"

#include "proto/bytes.hpp"

namespace presmesh::proto {

namespace {

constexpr std::string_view not_in_local_parts = " \"&'/:<>@";

bool is_alphanumeric(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// A dot could go encoded in pres: (RFC 7247 section 6.5 lists it), but RFC 3986 section 2.3 makes the two spellings
// one, and everybody writes the bare one.
bool stands_bare(char c, UserGrammar grammar) {
    std::string_view also = grammar == UserGrammar::sip ? "-_.!~*'()&=+$,;?/" : "-_.!~*'&=+$";
    return is_alphanumeric(c) || also.find(c) != std::string_view::npos;
}

// The character that the two hexadecimal digits at `at` stand for in XEP-0106, or 0.
char escaped_character(std::string_view text, std::size_t at) {
    if (text.size() < at + 2) return 0;
    Bytes byte = from_hex(text.substr(at, 2));
    if (byte.empty()) return 0;
    char c = static_cast<char>(byte[0]);
    return c == '\\' || (c != 0 && not_in_local_parts.find(c) != std::string_view::npos) ? c : 0;
}

void append_hex(std::string& out, char c) {
    std::uint8_t byte = static_cast<std::uint8_t>(c);
    out += to_hex({&byte, 1});
}

}  // namespace

std::string percent_encode(std::string_view text, UserGrammar grammar) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (stands_bare(c, grammar)) {
            out += c;
            continue;
        }
        auto byte = static_cast<unsigned char>(c);
        out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
    return out;
}

Result<std::string> percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        Bytes byte = from_hex(text.substr(i + 1, 2));
        if (byte.empty()) return refuse(Reason::malformed, "a '%' without two hexadecimal digits");
        out += static_cast<char>(byte[0]);
        i += 2;
    }
    return out;
}

std::string jid_escape(std::string_view user) {
    std::string out;
    for (std::size_t i = 0; i < user.size(); ++i) {
        char c = user[i];
        bool reserved = not_in_local_parts.find(c) != std::string_view::npos;
        bool reads_as_escape = c == '\\' && escaped_character(user, i + 1) != 0;
        out += reserved || reads_as_escape ? '\\' : c;
        if (reserved || reads_as_escape) append_hex(out, c);
    }
    return out;
}

Result<std::string> jid_unescape(std::string_view local) {
    std::string out;
    for (std::size_t i = 0; i < local.size(); ++i) {
        if (not_in_local_parts.find(local[i]) != std::string_view::npos)
            return refuse(Reason::malformed, "a character no local part may hold");
        char c = local[i] == '\\' ? escaped_character(local, i + 1) : '\0';
        out += c != 0 ? c : local[i];
        if (c != 0) i += 2;
    }
    return out;
}

}  // namespace presmesh::proto
