#include "translators/sip/pidf_scan.hpp"

#include <algorithm>
#include <charconv>

#include "proto/limits.hpp"
#include "proto/text.hpp"

namespace presmesh::translators::sip {

namespace {

namespace limits = proto::limits;
using proto::Reason;
using proto::Result;

bool is_character(std::uint32_t c) {
    return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0xD800) || (c >= 0xE000 && c < 0xFFFE) ||
           (c >= 0x10000 && c <= 0x10FFFF);
}

/// "#38" or "#x26": the part of a character reference between & and ;
bool is_character_reference(std::string_view name) {
    const bool hex = name.starts_with("#x");
    const auto digits = name.substr(std::min<std::size_t>(name.size(), hex ? 2 : 1));
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hex ? 16 : 10);
    return error == std::errc{} && end == digits.data() + digits.size() && is_character(value);
}

bool iequal(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

class Scan {
  public:
    explicit Scan(std::string_view text) : text_(text) {}

    Result<std::string_view> run() {
        if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
        if (auto prolog = declaration(); !prolog) return tl::make_unexpected(prolog.error());
        while (at_ < text_.size()) {
            const auto step = text_[at_] == '<' ? markup() : text_[at_] == '&' ? reference() : (++at_, Result<void>{});
            if (!step) return tl::make_unexpected(step.error());
        }
        return text_;
    }

  private:
    Result<void> declaration() {
        if (!text_.starts_with("<?xml")) return {};
        const auto end = text_.find("?>");
        if (end == std::string_view::npos) return refuse(Reason::malformed, "an XML declaration without end");
        const auto declared = text_.substr(0, end);
        text_.remove_prefix(end + 2);
        const auto at = declared.find("encoding");
        if (at == std::string_view::npos) return {};
        const auto open = declared.find_first_of("'\"", at);
        const auto close = open == std::string_view::npos ? open : declared.find(declared[open], open + 1);
        if (close == std::string_view::npos) return refuse(Reason::malformed, "an XML declaration without form");
        const auto encoding = declared.substr(open + 1, close - open - 1);
        if (!iequal(encoding, "utf-8") && !iequal(encoding, "us-ascii")) return refuse(Reason::malformed, "not UTF-8");
        return {};
    }

    Result<void> skip_past(std::string_view end) {
        const auto found = text_.find(end, at_);
        if (found == std::string_view::npos) return refuse(Reason::malformed, "markup without end");
        at_ = found + end.size();
        return {};
    }

    Result<void> markup() {
        const auto rest = text_.substr(at_);
        if (rest.starts_with("<!--")) return at_ += 4, skip_past("-->");
        if (rest.starts_with("<![CDATA[")) return skip_past("]]>");
        if (rest.starts_with("<!")) return refuse(Reason::forbidden_xml, "a DOCTYPE or a declaration");
        if (rest.starts_with("<?")) return refuse(Reason::forbidden_xml, "a processing instruction");
        if (!rest.starts_with("</")) return start_tag();
        --depth_;
        return skip_past(">");
    }

    Result<void> start_tag() {
        if (++elements_ > limits::xml_elements) return refuse(Reason::too_large, "too many elements");
        char quote = 0;
        for (++at_; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '<') return refuse(Reason::malformed, "< inside a tag");
            if (c == '&') {
                if (auto step = reference(); !step) return step;
                --at_;
            } else if (quote != 0) {
                quote = c == quote ? 0 : quote;
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '>') {
                break;
            }
        }
        if (at_ == text_.size()) return refuse(Reason::malformed, "a tag without end");
        if (text_[at_++ - 1] != '/' && ++depth_ > static_cast<int>(limits::xml_depth))
            return refuse(Reason::too_large, "elements nested too deep");
        return {};
    }

    Result<void> reference() {
        const auto end = text_.substr(0, std::min(text_.size(), at_ + 16)).find(';', at_);
        if (end == std::string_view::npos) return refuse(Reason::malformed, "a reference without end");
        const auto name = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        if (name.starts_with("#") ? is_character_reference(name)
                                  : name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos")
            return {};
        return refuse(Reason::malformed, "a reference to nothing");
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t elements_ = 0;
    int depth_ = 0;
};

}  // namespace

Result<std::string_view> scan_xml(proto::BytesView bytes) {
    if (bytes.size() > limits::pidf_bytes) return refuse(Reason::too_large, "a PIDF document over its bound");
    const auto text = proto::as_text(bytes);
    if (!proto::is_text(text)) return refuse(Reason::malformed, "not UTF-8 that XML can carry");
    return Scan(text).run();
}

}  // namespace presmesh::translators::sip
