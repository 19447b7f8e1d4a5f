#include "translators/sip/header_text.hpp"

#include "proto/limits.hpp"

namespace presmesh::translators::sip {

namespace limits = proto::limits;

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_token(std::string_view text) {
    if (text.empty()) return false;
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && std::string_view("-.!%*_+`'~").find(c) == std::string_view::npos) return false;
    }
    return true;
}

/// Walks over `text` part by part, parts parted by `separator` outside quotes.
class Parts {
  public:
    Parts(std::string_view text, char separator) : rest_(text), separator_(separator) {}

    std::optional<std::string_view> next() {
        if (done_) return std::nullopt;
        bool in_quotes = false;
        for (std::size_t i = 0; i < rest_.size(); ++i) {
            if (in_quotes && rest_[i] == '\\')
                ++i;
            else if (rest_[i] == '"')
                in_quotes = !in_quotes;
            else if (!in_quotes && rest_[i] == separator_)
                return cut(i);
        }
        done_ = true;
        return trimmed(rest_);
    }

  private:
    std::string_view cut(std::size_t at) {
        const auto part = rest_.substr(0, at);
        rest_.remove_prefix(at + 1);
        return trimmed(part);
    }

    std::string_view rest_;
    char separator_;
    bool done_ = false;
};

/// Undoes the quotes of a quoted-string; another text stays as it is. None: quotes that do not close, control
/// characters.
std::optional<std::string> unquoted(std::string_view text) {
    for (const char c : text)
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return std::nullopt;
    if (text.empty() || text.front() != '"') {
        if (text.find('"') != std::string_view::npos) return std::nullopt;
        return std::string(text);
    }
    std::string out;
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') return i + 1 == text.size() ? std::optional(out) : std::nullopt;
        if (text[i] == '\\' && ++i == text.size()) return std::nullopt;
        out.push_back(text[i]);
    }
    return std::nullopt;
}

using Parameters = std::map<std::string, std::string, std::less<>>;

proto::Result<void> add_parameter(Parameters& parameters, std::string_view part) {
    const auto equals = part.find('=');
    const auto name = trimmed(part.substr(0, equals));
    if (!is_token(name)) return proto::refuse(proto::Reason::malformed, "parameter name");
    auto value =
        equals == std::string_view::npos ? std::optional(std::string()) : unquoted(trimmed(part.substr(equals + 1)));
    if (!value) return proto::refuse(proto::Reason::malformed, "parameter value");
    if (parameters.size() >= limits::sip_header_parameters)
        return proto::refuse(proto::Reason::too_large, "parameters");
    if (!parameters.emplace(lower_case(name), std::move(*value)).second)
        return proto::refuse(proto::Reason::malformed, "parameter given twice");
    return {};
}

std::string_view find_in(const Parameters& parameters, std::string_view name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::optional<std::uint32_t> read_number(std::string_view text, std::uint32_t limit) {
    if (text.empty() || text.size() > 64) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(c - '0'), limit);
    }
    return static_cast<std::uint32_t>(value);
}

std::string_view ParameterizedValue::get(std::string_view name) const {
    return find_in(parameters, name);
}
std::string_view AuthHeader::get(std::string_view name) const {
    return find_in(parameters, name);
}

proto::Result<ParameterizedValue> read_parameterized(std::string_view text) {
    if (text.size() > limits::sip_header_bytes) return proto::refuse(proto::Reason::too_large, "header value");
    Parts parts(text, ';');
    ParameterizedValue out;
    out.value = lower_case(*parts.next());
    if (!is_token(out.value)) return proto::refuse(proto::Reason::malformed, "header value");
    while (const auto part = parts.next())
        if (auto added = add_parameter(out.parameters, *part); !added) return tl::make_unexpected(added.error());
    return out;
}

proto::Result<AuthHeader> read_auth(std::string_view text) {
    if (text.size() > limits::sip_header_bytes) return proto::refuse(proto::Reason::too_large, "credentials");
    text = trimmed(text);
    const auto space = text.find_first_of(" \t");
    AuthHeader out;
    out.scheme = lower_case(text.substr(0, space));
    if (!is_token(out.scheme)) return proto::refuse(proto::Reason::malformed, "scheme");
    if (space == std::string_view::npos) return out;
    Parts parts(text.substr(space), ',');
    while (const auto part = parts.next())
        if (auto added = add_parameter(out.parameters, *part); !added) return tl::make_unexpected(added.error());
    return out;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
    return out;
}

proto::Result<std::string> read_name_addr(std::string_view text) {
    if (text.size() > limits::sip_header_bytes) return proto::refuse(proto::Reason::too_large, "address");
    bool in_quotes = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (in_quotes && text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            in_quotes = !in_quotes;
        else if (!in_quotes && text[i] == '<') {
            const auto close = text.find('>', i);
            if (close == std::string_view::npos) return proto::refuse(proto::Reason::malformed, "no > after <");
            text = text.substr(i + 1, close - i - 1);
            if (text.empty()) return proto::refuse(proto::Reason::malformed, "no URI");
            return std::string(text);
        }
    }
    if (in_quotes) return proto::refuse(proto::Reason::malformed, "quotes do not close");
    text = trimmed(text.substr(0, text.find(';')));  // outside brackets, parameters are the header's
    if (text.empty() || text.find('"') != std::string_view::npos)
        return proto::refuse(proto::Reason::malformed, "no URI");
    return std::string(text);
}

}  // namespace presmesh::translators::sip
