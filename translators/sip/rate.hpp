// What a watcher asked for with RFC 6446's max-rate and min-rate: NOTIFYs a second, at most and at least. Kept as it
// was written, so that it is reflected as it was written; adaptive-min-rate is not offered.
#pragma once

#include <string>

#include "proto/result.hpp"
#include "proto/time.hpp"
#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {

struct AskedRate {
    std::string max_rate;  ///< empty: not asked for
    std::string min_rate;
    bool operator==(const AskedRate&) const = default;

    /// From an Event header's parameters. malformed: not RFC 6446 section 9.2's positive decimal.
    static proto::Result<AskedRate> read(const ParameterizedValue& event);
    /// Between two NOTIFYs at least; zero: no matter.
    proto::Duration least_gap() const;
    /// Between two NOTIFYs at most, but not below `floor` nor least_gap(); never: no matter.
    proto::Duration most_gap(proto::Duration floor) const;
    /// What Subscription-State says of it (section 4.2): ";max-rate=0.2;min-rate=0.01", adjusted to `floor`.
    std::string reflected(proto::Duration floor) const;

    static constexpr proto::Duration no_gap = proto::Duration::max();
};

}  // namespace presmesh::translators::sip
