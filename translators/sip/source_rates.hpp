// How many requests one address may bring: a token bucket each, for a bounded number of addresses.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "proto/endpoint.hpp"
#include "proto/time.hpp"

namespace presmesh::translators::sip {

class SourceRates {
  public:
    /// `per_second` on average, twice that at once; 0: no bound.
    SourceRates(std::uint32_t per_second, std::size_t most_sources)
        : per_second_(per_second), most_sources_(most_sources) {}

    /// Whether one more from there is in order, counting it. Ports do not matter.
    bool take(proto::SteadyTime now, const proto::Endpoint& source);
    std::size_t sources() const { return buckets_.size(); }

  private:
    struct Bucket {
        double tokens = 0;
        proto::SteadyTime at{};
    };
    void make_room(proto::SteadyTime now);

    double per_second_;
    std::size_t most_sources_;
    std::map<std::array<std::uint8_t, 16>, Bucket> buckets_;
};

}  // namespace presmesh::translators::sip
