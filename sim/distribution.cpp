#include "sim/distribution.hpp"

#include <charconv>
#include <cmath>
#include <map>
#include <numbers>

namespace presmesh::sim {

using proto::Duration;
using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

struct Unit {
    std::string_view name;
    std::int64_t microseconds;
};
constexpr Unit units[] = {{"us", 1},         {"ms", 1'000},        {"s", 1'000'000},
                          {"m", 60'000'000}, {"h", 3'600'000'000}, {"d", 86'400'000'000}};
constexpr double longest_s = 100.0 * 365 * 86'400;  // what a draw is cut to, so that a time never overflows

Result<double> parse_number(std::string_view text) {
    double value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value))
        return refuse(Reason::malformed, "\"" + std::string(text) + "\" is not a number");
    return value;
}

Duration from_seconds(double s) {
    return Duration(std::llround(std::min(std::max(s, 0.0), longest_s) * 1e6));
}

using Fields = std::map<std::string, std::string, std::less<>>;

/// "a=1,b=2" and at most one nameless value, kept under "".
Result<Fields> parse_fields(std::string_view text) {
    Fields fields;
    while (!text.empty()) {
        auto comma = text.find(',');
        auto part = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
        auto equals = part.find('=');
        std::string key(equals == std::string_view::npos ? std::string_view{} : part.substr(0, equals));
        if (!fields.emplace(key, equals == std::string_view::npos ? part : part.substr(equals + 1)).second)
            return refuse(Reason::malformed, key.empty() ? "two values without a name" : key + " is given twice");
    }
    return fields;
}

class FieldReader {
  public:
    explicit FieldReader(Fields fields) : fields_(std::move(fields)) {}

    double time(std::string_view key, bool nameless_too = false) {
        return value(key, nameless_too,
                     [](std::string_view t) -> Result<double> { return parse_duration(t).map(seconds); });
    }
    double number(std::string_view key, bool nameless_too = false) { return value(key, nameless_too, parse_number); }

    /// The first fault, or none: also a field nobody asked for.
    std::string fault() const {
        if (!fault_.empty()) return fault_;
        return fields_.empty() ? "" : "does not know \"" + fields_.begin()->first + "\"";
    }

  private:
    template <typename Parse>
    double value(std::string_view key, bool nameless_too, Parse parse) {
        auto it = fields_.find(key);
        if (it == fields_.end() && nameless_too) it = fields_.find("");
        if (it == fields_.end()) {
            if (fault_.empty()) fault_ = "needs " + std::string(key) + "=";
            return 1;
        }
        auto parsed = parse(it->second);
        fields_.erase(it);
        if (!parsed && fault_.empty()) fault_ = parsed.error().detail;
        return parsed.value_or(1);
    }

    Fields fields_;
    std::string fault_;
};

double log_gamma_ratio(double shape) {
    return std::tgamma(1 + 1 / shape);
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    auto digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos)
        return refuse(Reason::malformed, "\"" + std::string(text) + "\" is not a time such as 50ms, 1.5s, 10m, 2h");
    auto number = parse_number(text.substr(0, digits));
    for (const auto& unit : units) {
        if (number && text.substr(digits) == unit.name &&
            *number * static_cast<double>(unit.microseconds) <= longest_s * 1e6)
            return Duration(std::llround(*number * static_cast<double>(unit.microseconds)));
    }
    return refuse(Reason::malformed, "\"" + std::string(text) + "\" is not a time such as 50ms, 1.5s, 10m, 2h");
}

std::string format_duration(Duration duration) {
    for (auto unit = std::rbegin(units); unit != std::rend(units); ++unit) {
        if (duration.count() % unit->microseconds == 0 && (duration.count() != 0 || unit->name == "s"))
            return std::to_string(duration.count() / unit->microseconds) + std::string(unit->name);
    }
    return std::to_string(duration.count()) + "us";
}

double unit(proto::Random& random) {
    return static_cast<double>((random.next() >> 11) + 1) * 0x1.0p-53;
}

double normal(proto::Random& random) {
    double radius = std::sqrt(-2 * std::log(unit(random)));
    return radius * std::cos(2 * std::numbers::pi * unit(random));
}

double gamma(proto::Random& random, double shape) {
    if (shape < 1) return gamma(random, shape + 1) * std::pow(unit(random), 1 / shape);
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
        double x = normal(random), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        if (std::log(unit(random)) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
}

Distribution Distribution::constant(Duration value) {
    Distribution d;
    d.a_ = seconds(value);
    d.text_ = "constant:" + format_duration(value);
    return d;
}

Result<Distribution> Distribution::parse(std::string_view text) {
    auto colon = text.find(':');
    auto name = text.substr(0, colon);
    auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    auto wrong = [&](const std::string& why) {
        return refuse(Reason::malformed, "\"" + std::string(text) + "\": " + why);
    };

    Distribution d;
    d.text_ = text;
    if (name == "uniform") {
        auto dash = rest.find('-');
        auto low = parse_duration(rest.substr(0, dash));
        auto high = parse_duration(dash == std::string_view::npos ? std::string_view{} : rest.substr(dash + 1));
        if (!low || !high || *low > *high) return wrong("needs two times, the lower first, such as uniform:10ms-70ms");
        d.kind_ = Kind::uniform, d.a_ = seconds(*low), d.b_ = seconds(*high);
        return d;
    }
    auto fields = parse_fields(rest);
    if (!fields) return wrong(fields.error().detail);
    FieldReader reader(std::move(*fields));
    if (name == "constant")
        d.kind_ = Kind::constant, d.a_ = reader.time("value", true);
    else if (name == "exponential")
        d.kind_ = Kind::exponential, d.a_ = reader.time("mean", true);
    else if (name == "weibull")
        d.kind_ = Kind::weibull, d.a_ = reader.time("scale"), d.b_ = reader.number("shape");
    else if (name == "lognormal")
        d.kind_ = Kind::lognormal, d.a_ = reader.time("median"), d.b_ = reader.number("sigma");
    else if (name == "pareto")
        d.kind_ = Kind::pareto, d.a_ = reader.time("scale"), d.b_ = reader.number("shape");
    else
        return wrong("there are constant, uniform, exponential, weibull, lognormal and pareto");
    if (auto fault = reader.fault(); !fault.empty()) return wrong(fault);
    if (d.kind_ != Kind::constant && d.a_ <= 0) return wrong("needs a time above 0");
    if (d.kind_ == Kind::weibull && (d.b_ < 0.1 || d.b_ > 20)) return wrong("shape must lie in 0.1 to 20");
    if (d.kind_ == Kind::lognormal && (d.b_ < 0 || d.b_ > 5)) return wrong("sigma must lie in 0 to 5");
    if (d.kind_ == Kind::pareto && (d.b_ <= 1 || d.b_ > 20))
        return wrong("shape must be above 1 (else the mean is infinite) and at most 20");
    return d;
}

double Distribution::sample_seconds(proto::Random& random) const {
    switch (kind_) {
        case Kind::constant:
            return a_;
        case Kind::uniform:
            return a_ + (b_ - a_) * unit(random);
        case Kind::exponential:
            return -a_ * std::log(unit(random));
        case Kind::weibull:
            return a_ * std::pow(-std::log(unit(random)), 1 / b_);
        case Kind::lognormal:
            return a_ * std::exp(b_ * normal(random));
        case Kind::pareto:
            return a_ * (std::pow(unit(random), -1 / b_) - 1);
    }
    return 0;
}

// The running length at a random moment is drawn with a density x f(x) / mean; what is left of it is uniform in it.
double Distribution::length_biased_seconds(proto::Random& random) const {
    switch (kind_) {
        case Kind::constant:
            return a_;
        case Kind::uniform:
            return std::sqrt(a_ * a_ + (b_ * b_ - a_ * a_) * unit(random));
        case Kind::exponential:
            return a_ * gamma(random, 2);
        case Kind::weibull:
            return a_ * std::pow(gamma(random, 1 + 1 / b_), 1 / b_);
        case Kind::lognormal:
            return a_ * std::exp(b_ * b_ + b_ * normal(random));
        case Kind::pareto:
            return 0;  // has a closed form of its own, see sample_residual
    }
    return 0;
}

Duration Distribution::sample(proto::Random& random) const {
    return from_seconds(sample_seconds(random));
}

Duration Distribution::sample_residual(proto::Random& random) const {
    // The integrated tail of a Lomax distribution is Lomax again, with the shape one lower.
    if (kind_ == Kind::pareto) return from_seconds(a_ * (std::pow(unit(random), -1 / (b_ - 1)) - 1));
    double running = length_biased_seconds(random);
    return from_seconds(running * unit(random));
}

double Distribution::mean_seconds() const {
    switch (kind_) {
        case Kind::constant:
            return a_;
        case Kind::uniform:
            return (a_ + b_) / 2;
        case Kind::exponential:
            return a_;
        case Kind::weibull:
            return a_ * log_gamma_ratio(b_);
        case Kind::lognormal:
            return a_ * std::exp(b_ * b_ / 2);
        case Kind::pareto:
            return a_ / (b_ - 1);
    }
    return 0;
}

Duration Distribution::mean() const {
    return from_seconds(mean_seconds());
}

double Distribution::cumulative(Duration at) const {
    double x = seconds(at);
    if (x < 0) return 0;
    switch (kind_) {
        case Kind::constant:
            return x >= a_ ? 1 : 0;
        case Kind::uniform:
            return b_ == a_ ? (x >= a_ ? 1 : 0) : std::min(1.0, std::max(0.0, (x - a_) / (b_ - a_)));
        case Kind::exponential:
            return 1 - std::exp(-x / a_);
        case Kind::weibull:
            return 1 - std::exp(-std::pow(x / a_, b_));
        case Kind::lognormal:
            if (b_ == 0) return x >= a_ ? 1 : 0;
            return x == 0 ? 0 : 0.5 * std::erfc(-(std::log(x / a_) / b_) / std::numbers::sqrt2);
        case Kind::pareto:
            return 1 - std::pow(1 + x / a_, -b_);
    }
    return 0;
}

Result<Zipf> Zipf::parse(std::string_view text) {
    auto wrong = [&](const std::string& why) {
        return refuse(Reason::malformed, "\"" + std::string(text) + "\": " + why);
    };
    if (text == "none") {
        Zipf nobody;
        nobody.text_ = text;
        return nobody;
    }
    if (!text.starts_with("zipf:")) return wrong("must be written zipf:EXPONENT,max=COUNT, or none");
    auto fields = parse_fields(text.substr(5));
    if (!fields) return wrong(fields.error().detail);
    FieldReader reader(std::move(*fields));
    double exponent = reader.number("exponent", true), max = reader.number("max");
    if (auto fault = reader.fault(); !fault.empty()) return wrong(fault);
    if (exponent < 0 || exponent > 10) return wrong("the exponent must lie in 0 to 10");
    if (max < 1 || max > 1'000'000 || max != std::floor(max))
        return wrong("max must be a whole number from 1 to 1000000");
    Zipf zipf;
    zipf.text_ = text;
    double sum = 0;
    for (double k = 1; k <= max; ++k) zipf.cumulative_.push_back(sum += std::pow(k, -exponent));
    return zipf;
}

std::uint32_t Zipf::sample(proto::Random& random) const {
    if (cumulative_.empty()) return 0;
    double at = unit(random) * cumulative_.back();
    return static_cast<std::uint32_t>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) -
                                      cumulative_.begin()) +
           1;
}

}  // namespace presmesh::sim
