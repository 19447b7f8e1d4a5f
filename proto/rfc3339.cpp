#include "proto/rfc3339.hpp"

#include "proto/presence.hpp"

namespace presmesh::proto {

namespace {

using namespace std::chrono;

void append_number(std::string& out, std::uint64_t value, int digits) {
    std::string text(static_cast<std::size_t>(digits), '0');
    for (auto at = text.rbegin(); at != text.rend(); ++at, value /= 10) *at = static_cast<char>('0' + value % 10);
    out += text;
}

/// A cursor that reads what it is asked for, or fails for good.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    int number(std::size_t digits) {
        if (rest_.size() < digits) return fail();
        int value = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (rest_[i] < '0' || rest_[i] > '9') return fail();
            value = value * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }
    int number(std::size_t digits, int least, int most) {
        const int value = number(digits);
        return value < least || value > most ? fail() : value;
    }
    bool skip(std::string_view any_of) {
        if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
        last_ = rest_.front();
        rest_.remove_prefix(1);
        return true;
    }
    void want(std::string_view any_of) {
        if (!skip(any_of)) fail();
    }
    std::int64_t fraction_us() {
        if (!skip(".")) return 0;
        std::int64_t us = 0;
        std::size_t digits = 0;
        for (; !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9'; ++digits, rest_.remove_prefix(1))
            if (digits < 6) us = us * 10 + (rest_.front() - '0');
        if (digits == 0) fail();
        for (; digits < 6; ++digits) us *= 10;
        return us;
    }
    char last() const { return last_; }
    bool done() const { return !failed_ && rest_.empty(); }

  private:
    int fail() {
        failed_ = true;
        rest_ = {};
        return 0;
    }
    std::string_view rest_;
    char last_ = 0;
    bool failed_ = false;
};

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

minutes read_offset(Scanner& in) {
    in.want("Zz+-");
    if (in.last() == 'Z' || in.last() == 'z') return minutes{0};
    const int sign = in.last() == '-' ? -1 : 1;
    const int hour = in.number(2, 0, 23);
    in.want(":");
    return minutes{sign * (hour * 60 + in.number(2, 0, 59))};
}

}  // namespace

std::string to_rfc3339(WallTime time) {
    const auto since_epoch = time.time_since_epoch();
    const auto day = floor<days>(since_epoch);
    const year_month_day date{sys_days{day}};
    const auto us = static_cast<std::uint64_t>((since_epoch - day).count());
    std::string out;
    out.reserve(27);
    append_number(out, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
    append_number(out += '-', static_cast<unsigned>(date.month()), 2);
    append_number(out += '-', static_cast<unsigned>(date.day()), 2);
    append_number(out += 'T', us / 3'600'000'000, 2);
    append_number(out += ':', us / 60'000'000 % 60, 2);
    append_number(out += ':', us / 1'000'000 % 60, 2);
    if (us % 1'000'000 != 0) {
        append_number(out += '.', us % 1'000'000, 6);
        out.erase(out.find_last_not_of('0') + 1);
    }
    return out += 'Z';
}

std::optional<WallTime> from_rfc3339(std::string_view text) {
    Scanner in(trimmed(text));
    const int y = in.number(4);
    in.want("-");
    const int m = in.number(2);
    in.want("-");
    const int d = in.number(2);
    in.want("Tt ");
    const int hour = in.number(2, 0, 23);
    in.want(":");
    const int minute = in.number(2, 0, 59);
    in.want(":");
    const int second = in.number(2, 0, 60);
    const auto us = in.fraction_us();
    const auto offset = read_offset(in);
    const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
    if (!in.done() || !date.ok()) return std::nullopt;
    const auto clock = hours{hour} + minutes{minute} + seconds{second == 60 ? 59 : second} + microseconds{us};
    const WallTime time{duration_cast<Duration>(sys_days{date}.time_since_epoch() + clock - offset)};
    if (time < least_document_time || time > greatest_document_time) return std::nullopt;
    return time;
}

}  // namespace presmesh::proto
