#include "proto/user_part.hpp"

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "proto/bytes.hpp"
#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace presmesh::proto {

namespace {

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string ascii_lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::optional<std::string> lower_nfc_once(const std::string& text) {
    std::size_t length = 0;
    std::uint8_t* lower = u8_tolower(as_bytes(text).data(), text.size(), "", UNINORM_NFC, nullptr, &length);
    std::unique_ptr<std::uint8_t, void (*)(void*)> owned(lower, std::free);
    if (lower == nullptr) return std::nullopt;
    return std::string(as_text({lower, length}));
}

// Lower-casing and composing can each make work for the other; the result is the text that both leave alone.
std::optional<std::string> lower_nfc(std::string_view user) {
    if (is_ascii(user)) return ascii_lower(user);
    std::string text(user);
    for (int round = 0; round < 4; ++round) {
        auto next = lower_nfc_once(text);
        if (!next || *next == text) return next;
        text = std::move(*next);
    }
    return std::nullopt;
}

bool is_refused(ucs4_t c) {
    if (c == ' ') return false;
    return uc_is_general_category_withtable(
        c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp);
}

bool is_escaped_in_jids(ucs4_t c) {
    return c < 0x80 && std::string_view(" \"&'/:<>@\\").find(static_cast<char>(c)) != std::string_view::npos;
}

Result<void> check_characters(std::string_view user) {
    const std::uint8_t* at = as_bytes(user).data();
    const std::uint8_t* end = at + user.size();
    ucs4_t before = 0;
    while (at < end) {
        ucs4_t c = 0;
        at += u8_mbtouc(&c, at, static_cast<std::size_t>(end - at));
        if (is_refused(c)) return refuse(Reason::malformed, "a character no user part may hold");
        // Escaped, the mark would join the escape's last letter when a server normalizes the JID.
        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_M) && is_escaped_in_jids(before))
            return refuse(Reason::malformed, "a combining mark after a reserved character");
        before = c;
    }
    return {};
}

}  // namespace

Result<std::string> canonical_user(std::string_view user) {
    if (user.empty()) return refuse(Reason::malformed, "no user");
    if (user.size() > limits::uri_bytes) return refuse(Reason::too_large, "user part");
    if (u8_check(as_bytes(user).data(), user.size()) != nullptr) return refuse(Reason::malformed, "not UTF-8");
    auto name = lower_nfc(user);
    if (!name) return refuse(Reason::malformed, "no canonical form");
    if (name->size() > limits::user_bytes) return refuse(Reason::too_large, "user part");
    if (name->front() == ' ' || name->back() == ' ') return refuse(Reason::malformed, "a space at an end");
    if (!is_nfkc(*name)) return refuse(Reason::malformed, "a character that another one stands for");
    if (auto fine = check_characters(*name); !fine) return tl::make_unexpected(fine.error());
    return std::move(*name);
}

}  // namespace presmesh::proto
