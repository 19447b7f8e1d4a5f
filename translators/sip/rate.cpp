#include "translators/sip/rate.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace presmesh::translators::sip {
namespace {

constexpr auto longest_gap = std::chrono::hours{24};  // longer than any subscription

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// 1*2DIGIT ["." 1*10DIGIT], and not zero.
bool is_rate(std::string_view text) {
    const auto point = text.find('.');
    const auto whole = text.substr(0, point);
    const auto fraction = point == std::string_view::npos ? std::string_view("0") : text.substr(point + 1);
    const bool digits =
        std::all_of(whole.begin(), whole.end(), is_digit) && std::all_of(fraction.begin(), fraction.end(), is_digit);
    return digits && !whole.empty() && whole.size() <= 2 && !fraction.empty() && fraction.size() <= 10 &&
           text.find_first_of("123456789") != std::string_view::npos;
}

proto::Duration gap_of(const std::string& rate) {
    double per_second = 0;
    std::from_chars(rate.data(), rate.data() + rate.size(), per_second);
    const auto gap = std::chrono::duration<double>(1 / per_second);
    return gap >= longest_gap ? proto::Duration{longest_gap} : std::chrono::ceil<proto::Duration>(gap);
}

}  // namespace

proto::Result<AskedRate> AskedRate::read(const ParameterizedValue& event) {
    AskedRate out{std::string(event.get("max-rate")), std::string(event.get("min-rate"))};
    for (const auto& rate : {out.max_rate, out.min_rate})
        if (!rate.empty() && !is_rate(rate)) return proto::refuse(proto::Reason::malformed, "Event: rate");
    return out;
}

proto::Duration AskedRate::least_gap() const {
    return max_rate.empty() ? proto::Duration{0} : gap_of(max_rate);
}

proto::Duration AskedRate::most_gap(proto::Duration floor) const {
    return min_rate.empty() ? no_gap : std::max({gap_of(min_rate), floor, least_gap()});
}

std::string AskedRate::reflected(proto::Duration floor) const {
    std::string out;
    if (!max_rate.empty()) out += ";max-rate=" + max_rate;
    if (min_rate.empty()) return out;
    const auto gap = most_gap(floor);
    if (gap == gap_of(min_rate)) return out + ";min-rate=" + min_rate;
    std::array<char, 32> text{};
    const double per_second = 1 / std::chrono::duration<double>(gap).count();
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), per_second, std::chars_format::fixed, 10).ptr;
    return out + ";min-rate=" + std::string(text.data(), end);
}

}  // namespace presmesh::translators::sip
