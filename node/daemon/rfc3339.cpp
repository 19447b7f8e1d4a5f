#include <array>
#include <cstdio>

#include "node/daemon/presence_json.hpp"

namespace presmesh::daemon {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Reads fixed places of a text; any miss makes the whole bad.
class Reader {
  public:
    explicit Reader(std::string_view text) : text_(text) {}
    int digits(std::size_t count) {
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (text_.empty() || text_.front() < '0' || text_.front() > '9') return fail();
            value = value * 10 + (text_.front() - '0');
            text_.remove_prefix(1);
        }
        return value;
    }
    void expect(std::string_view any_of) {
        if (text_.empty() || any_of.find(text_.front()) == std::string_view::npos) {
            fail();
        } else {
            text_.remove_prefix(1);
        }
    }
    bool next_is(std::string_view any_of) const {
        return !text_.empty() && any_of.find(text_.front()) != std::string_view::npos;
    }
    char take() {
        const char c = text_.front();
        text_.remove_prefix(1);
        return c;
    }
    bool done() const { return ok_ && text_.empty(); }
    int fail() {
        ok_ = false;
        return 0;
    }

  private:
    std::string_view text_;
    bool ok_ = true;
};

microseconds read_fraction(Reader& in) {
    if (!in.next_is(".")) return {};
    in.take();
    if (!in.next_is("0123456789")) in.fail();
    std::int64_t value = 0;
    std::int64_t unit = 100'000;
    while (in.next_is("0123456789")) {
        value += (in.take() - '0') * unit;
        unit /= 10;
    }
    return microseconds(value);
}

minutes read_offset(Reader& in) {
    if (in.next_is("Zz")) {
        in.take();
        return {};
    }
    if (!in.next_is("+-")) return minutes(in.fail());
    const int sign = in.take() == '-' ? -1 : 1;
    const int h = in.digits(2);
    in.expect(":");
    const int m = in.digits(2);
    if (h > 23 || m > 59) in.fail();
    return sign * (hours(h) + minutes(m));
}

}  // namespace

std::string to_rfc3339(proto::WallTime time) {
    const auto since = time.time_since_epoch();
    const auto day = std::chrono::floor<days>(since);
    const std::chrono::year_month_day date{std::chrono::sys_days{day}};
    const std::chrono::hh_mm_ss clock{since - day};
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()));
    std::string out(text.data());
    if (clock.subseconds().count() != 0) {
        std::snprintf(text.data(), text.size(), ".%06d", static_cast<int>(clock.subseconds().count()));
        out += text.data();
        out.erase(out.find_last_not_of('0') + 1);
    }
    return out + "Z";
}

proto::Result<proto::WallTime> from_rfc3339(std::string_view text) {
    Reader in(text);
    const int year = in.digits(4);
    in.expect("-");
    const int month = in.digits(2);
    in.expect("-");
    const int day = in.digits(2);
    in.expect("Tt ");
    const int h = in.digits(2);
    in.expect(":");
    const int m = in.digits(2);
    in.expect(":");
    const int s = in.digits(2);
    const auto fraction = read_fraction(in);
    const auto offset = read_offset(in);
    const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day))};
    // A leap second (60) is read as the next minute's first.
    if (!in.done() || !date.ok() || h > 23 || m > 59 || s > 60)
        return proto::refuse(proto::Reason::malformed, "not a time of RFC 3339");
    const auto at = std::chrono::sys_days{date}.time_since_epoch() + hours(h) + minutes(m) + seconds(s) - offset;
    return proto::WallTime{std::chrono::duration_cast<proto::Duration>(at) + fraction};
}

}  // namespace presmesh::daemon
