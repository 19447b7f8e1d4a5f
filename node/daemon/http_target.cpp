#include "node/daemon/http_target.hpp"

#include <algorithm>
#include <charconv>

#include "proto/bytes.hpp"

namespace presmesh::daemon {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    for (auto& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

std::string_view trimmed(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Calls visit for each part between separators.
template <typename Visit>
void split(std::string_view text, char separator, Visit visit) {
    for (;;) {
        const auto end = text.find(separator);
        visit(text.substr(0, end));
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

struct MediaRange {
    std::string type;  ///< "application/json", "application/*", "*/*"
    int quality = 1000;
};

int read_quality(std::string_view text) {
    text = text.substr(0, 5);
    if (text.empty() || (text[0] != '0' && text[0] != '1')) return 0;
    int value = (text[0] - '0') * 1000;
    int unit = 100;
    for (std::size_t i = 2; i < text.size() && text[1] == '.'; ++i, unit /= 10) {
        if (text[i] < '0' || text[i] > '9') return 0;
        value += (text[i] - '0') * unit;
    }
    return std::min(value, 1000);
}

MediaRange read_range(std::string_view text) {
    MediaRange range;
    bool first = true;
    split(text, ';', [&](std::string_view part) {
        const auto word = lower(trimmed(part));
        if (first) range.type = word;
        if (!first && word.starts_with("q=")) range.quality = read_quality(std::string_view(word).substr(2));
        first = false;
    });
    return range;
}

/// 3: this very type, 2: its group, 1: anything, 0: no match.
int exactness(const MediaRange& range, std::string_view type) {
    if (range.type == type) return 3;
    if (range.type == "*/*") return 1;
    const auto slash = range.type.find('/');
    if (slash == std::string::npos || range.type.substr(slash) != "/*") return 0;
    return type.starts_with(std::string_view(range.type).substr(0, slash + 1)) ? 2 : 0;
}

int quality_of(const std::vector<MediaRange>& ranges, std::string_view type) {
    int best = 0;
    int quality = 0;
    for (const auto& range : ranges) {
        const int match = exactness(range, type);
        if (match > best) {
            best = match;
            quality = range.quality;
        }
    }
    return quality;
}

}  // namespace

std::string_view Target::parameter(std::string_view name) const {
    const auto found = query.find(name);
    return found == query.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        const auto byte = proto::from_hex(text.substr(i + 1, 2));
        if (byte.size() != 1) return std::nullopt;
        out += static_cast<char>(byte[0]);
        i += 2;
    }
    return out;
}

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    static constexpr std::string_view plain = "-._~@:";
    std::string out;
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (letter || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
    return out;
}

Result<Target> read_target(std::string_view text) {
    Target target;
    const auto question = text.find('?');
    const auto path = text.substr(0, question);
    if (path.empty() || path.front() != '/') return refuse(Reason::malformed, "the target must be a path");
    bool ok = true;
    split(path.substr(1), '/', [&](std::string_view part) {
        auto segment = percent_decode(part);
        ok = ok && segment && !has_control(*segment);
        target.path.push_back(std::move(segment).value_or(""));
    });
    if (question != std::string_view::npos && question + 1 < text.size()) {
        split(text.substr(question + 1), '&', [&](std::string_view part) {
            const auto equals = part.find('=');
            auto name = percent_decode(part.substr(0, equals));
            auto value =
                percent_decode(equals == std::string_view::npos ? std::string_view() : part.substr(equals + 1));
            ok = ok && name && value && !has_control(*name) && !has_control(*value);
            ok = ok && target.query.emplace(std::move(*name), std::move(*value)).second;
        });
    }
    if (!ok) return refuse(Reason::malformed, "the target has a bad escape, a control character, or a parameter twice");
    return target;
}

std::string media_type(std::string_view content_type) {
    return lower(trimmed(content_type.substr(0, content_type.find(';'))));
}

std::string_view choose_media(std::string_view accept, const std::vector<std::string_view>& offered) {
    if (trimmed(accept).empty()) return offered.front();
    std::vector<MediaRange> ranges;
    split(accept, ',', [&](std::string_view part) { ranges.push_back(read_range(part)); });
    std::string_view best;
    int best_quality = 0;
    for (const auto type : offered) {
        const int quality = quality_of(ranges, type);
        if (quality > best_quality) {
            best = type;
            best_quality = quality;
        }
    }
    return best;
}

std::string_view bearer_token(std::string_view authorization) {
    constexpr std::string_view scheme = "bearer ";
    if (authorization.size() <= scheme.size() || lower(authorization.substr(0, scheme.size())) != scheme) return {};
    return trimmed(authorization.substr(scheme.size()));
}

Result<std::string> entity_tag(std::string_view if_match) {
    const auto text = trimmed(if_match);
    if (text == "*") return std::string("*");
    const bool quoted = text.size() > 2 && text.front() == '"' && text.back() == '"';
    const auto tag = quoted ? text.substr(1, text.size() - 2) : std::string_view();
    if (!quoted || tag.find('"') != std::string_view::npos)
        return refuse(Reason::malformed, "If-Match must be one entity tag in quotes, or *");
    return std::string(tag);
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    if (text.empty() || text.size() > 10 || text.find_first_not_of("0123456789") != std::string_view::npos)
        return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace presmesh::daemon
