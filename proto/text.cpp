#include "proto/text.hpp"

#include <uninorm.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/limits.hpp"

namespace presmesh::proto {

namespace {

bool is_continuation(std::uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

/// Length of the character at `at`, 0 when there is none we allow.
std::size_t character_length(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
    const std::uint8_t lead = byte(0);
    if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if (!is_continuation(byte(i))) return 0;
    const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
    const bool not_a_character = lead == 0xEF && byte(1) == 0xBF && byte(2) >= 0xBE;
    return overlong || surrogate || beyond || not_a_character ? 0 : length;
}

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_name_char(char c) {
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/// A reader of the one spelling extensions have. Every step answers whether it found what it wanted.
class ExtensionReader {
  public:
    explicit ExtensionReader(std::string_view xml) : rest_(xml) {}

    bool element() {
        if (!start_tag(true)) return false;
        while (!open_.empty()) {
            if (!text()) return false;
            const bool step = rest_.starts_with("</") ? end_tag() : start_tag(false);
            if (!step) return false;
        }
        return rest_.empty();
    }

    bool name(std::string_view& out) {
        if (rest_.empty() || !is_name_start(rest_.front())) return false;
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_name_char);
        out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(out.size());
        return true;
    }

    bool skip(std::string_view word) {
        if (!rest_.starts_with(word)) return false;
        rest_.remove_prefix(word.size());
        return true;
    }

    bool value(std::string_view& out) {
        if (!skip("\"")) return false;
        const auto end = rest_.find_first_of("\"<");
        if (end == std::string_view::npos || rest_[end] == '<') return false;
        out = rest_.substr(0, end);
        rest_.remove_prefix(end + 1);
        static constexpr std::array<std::string_view, 6> ours = {"&amp;", "&lt;", "&quot;", "&#x9;", "&#xA;", "&#xD;"};
        return out.find_first_of("\t\n\r") == std::string_view::npos && escapes_are(out, ours);
    }

  private:
    struct Attribute {
        std::string_view prefix;
        std::string_view name;
        std::string_view value;
        bool operator==(const Attribute& other) const { return prefix == other.prefix && name == other.name; }
    };

    template <std::size_t N>
    static bool escapes_are(std::string_view text, const std::array<std::string_view, N>& ours) {
        for (auto at = text.find('&'); at != std::string_view::npos; at = text.find('&', at + 1)) {
            const auto starts = [&](std::string_view escape) { return text.substr(at).starts_with(escape); };
            if (std::none_of(ours.begin(), ours.end(), starts)) return false;
        }
        return true;
    }

    bool text() {
        const auto end = rest_.find('<');
        if (end == std::string_view::npos) return false;
        const auto found = rest_.substr(0, end);
        rest_.remove_prefix(end);
        static constexpr std::array<std::string_view, 4> ours = {"&amp;", "&lt;", "&gt;", "&#xD;"};
        return found.find_first_of(">\r") == std::string_view::npos && escapes_are(found, ours);
    }

    bool attribute(std::vector<Attribute>& found) {
        Attribute a;
        if (!name(a.name)) return false;
        if (skip(":")) {
            a.prefix = a.name;
            if (!name(a.name)) return false;
        }
        if (!skip("=") || !value(a.value)) return false;
        if (std::find(found.begin(), found.end(), a) != found.end()) return false;
        found.push_back(a);
        return found.size() <= limits::extensions_per_element;
    }

    static bool is_reserved(std::string_view ns) {
        return ns == "http://www.w3.org/XML/1998/namespace" || ns == "http://www.w3.org/2000/xmlns/";
    }

    /// Declarations bind a namespace that may be bound, under a prefix that is used here; prefixes used are declared
    /// here.
    static bool prefixes_hold(const std::vector<Attribute>& attributes, bool root) {
        bool has_namespace = false;
        std::vector<std::pair<std::string_view, std::string_view>> expanded;
        for (const auto& a : attributes) {
            const bool declaration = a.prefix == "xmlns" || (a.prefix.empty() && a.name == "xmlns");
            if (declaration && is_reserved(a.value)) return false;
            if (a.prefix == "xmlns" && (a.value.empty() || a.name.starts_with("xml"))) return false;
            if (a.prefix.empty() && a.name == "xmlns") has_namespace = true;
            if (declaration || a.prefix.empty() || a.prefix == "xml") continue;
            const auto declares = [&](const Attribute& d) { return d.prefix == "xmlns" && d.name == a.prefix; };
            const auto found = std::find_if(attributes.begin(), attributes.end(), declares);
            if (found == attributes.end()) return false;
            const std::pair expanded_name{found->value, a.name};
            if (std::find(expanded.begin(), expanded.end(), expanded_name) != expanded.end()) return false;
            expanded.push_back(expanded_name);
        }
        return has_namespace || !root;
    }

    bool start_tag(bool root) {
        std::string_view tag;
        if (!skip("<") || !name(tag) || open_.size() >= limits::xml_depth) return false;
        std::vector<Attribute> attributes;
        while (skip(" "))
            if (!attribute(attributes)) return false;
        if (!prefixes_hold(attributes, root)) return false;
        if (skip("/>")) return true;
        open_.push_back(tag);
        return skip(">");
    }

    bool end_tag() {
        std::string_view tag;
        if (!skip("</") || !name(tag) || !skip(">") || tag != open_.back()) return false;
        open_.pop_back();
        return true;
    }

    std::string_view rest_;
    std::vector<std::string_view> open_;
};

}  // namespace

bool is_text(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t length = character_length(bytes, at);
        if (length == 0) return false;
        at += length;
    }
    return true;
}

bool is_nfkc(std::string_view text) {
    std::size_t length = 0;
    const auto* bytes = as_bytes(text).data();
    std::uint8_t* normal = u8_normalize(UNINORM_NFKC, bytes, text.size(), nullptr, &length);
    const std::unique_ptr<std::uint8_t, void (*)(void*)> owned(normal, std::free);
    return normal != nullptr && as_text({normal, length}) == text;
}

bool is_language_tag(std::string_view text) {
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
    if (text.size() > limits::language_tag_bytes) return false;
    bool first = true;
    for (;; first = false) {
        const auto subtag = text.substr(0, text.find('-'));
        if (subtag.empty() || subtag.size() > 8) return false;
        if (!std::all_of(subtag.begin(), subtag.end(), [&](char c) { return first ? is_letter(c) : is_part(c); }))
            return false;
        if (subtag.size() == text.size()) return true;
        text.remove_prefix(subtag.size() + 1);
    }
}

bool is_extension_xml(std::string_view xml) {
    return is_text(xml) && ExtensionReader(xml).element();
}

ExtensionName extension_name(std::string_view xml) {
    ExtensionReader reader(xml);
    ExtensionName out;
    if (reader.skip("<") && reader.name(out.name) && reader.skip(" xmlns=") && reader.value(out.ns)) return out;
    return {};
}

}  // namespace presmesh::proto
