#include <idn2.h>

#include <memory>

#include "proto/limits.hpp"
#include "proto/uri.hpp"

namespace presmesh::proto {

namespace {

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    return std::all_of(label.begin(), label.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_number(std::string_view label) {
    return std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string ascii_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

// Any label that IDNA has a say in: beyond ASCII, or with the hyphens of an A-label in third and fourth place.
bool needs_idna(std::string_view domain) {
    return domain.find("--") != std::string_view::npos ||
           std::any_of(domain.begin(), domain.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

using IdnText = std::unique_ptr<void, void (*)(void*)>;

Result<std::string> to_a_labels(const std::string& domain, int processing = IDN2_NONTRANSITIONAL) {
    std::uint8_t* out = nullptr;
    int flags = IDN2_NFC_INPUT | processing | IDN2_USE_STD3_ASCII_RULES;
    int code = idn2_lookup_u8(reinterpret_cast<const std::uint8_t*>(domain.c_str()), &out, flags);
    if (code != IDN2_OK) return refuse(Reason::malformed, std::string("domain: ") + idn2_strerror(code));
    IdnText owned(out, idn2_free);
    return ascii_lower(reinterpret_cast<const char*>(out));
}

}  // namespace

bool has_canonical_form(std::string_view domain) {
    if (domain.empty() || domain.size() > limits::domain_bytes) return false;
    for (;;) {
        std::size_t dot = domain.find('.');
        if (!is_label(domain.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return !is_number(domain);  // a last label of digits is an IP address
        domain.remove_prefix(dot + 1);
    }
}

Result<std::string> canonical_domain(std::string_view domain) {
    if (domain.size() > limits::uri_bytes) return refuse(Reason::too_large, "domain");
    if (domain.find('\0') != std::string_view::npos) return refuse(Reason::malformed, "domain");
    std::string name = ascii_lower(domain);
    if (needs_idna(name)) {
        auto mapped = to_a_labels(name);
        if (!mapped) return mapped;
        // A name that is not mapped to itself would have two canonical spellings.
        if (auto again = to_a_labels(*mapped); !again || *again != *mapped) return refuse(Reason::malformed, "domain");
        name = std::move(*mapped);
    }
    if (!name.empty() && name.back() == '.') name.pop_back();
    if (name.size() > limits::domain_bytes) return refuse(Reason::too_large, "domain");
    if (!has_canonical_form(name)) return refuse(Reason::malformed, "not a domain name");
    return name;
}

std::string unicode_domain(const std::string& canonical) {
    if (!needs_idna(canonical)) return canonical;
    char* out = nullptr;
    if (idn2_to_unicode_8z8z(canonical.c_str(), &out, 0) != IDN2_OK) return canonical;
    IdnText owned(out, idn2_free);
    std::string name(out);
    const auto back = to_a_labels(name, IDN2_TRANSITIONAL);
    return back && *back == canonical ? name : canonical;
}

}  // namespace presmesh::proto
