// What a node is ready to spend on those it has no session with: rates in all and per address, and cookies under load.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <utility>

#include "overlay/handshake.hpp"
#include "overlay/token_bucket.hpp"
#include "proto/endpoint.hpp"
#include "proto/limits.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

class HandshakeGuard {
  public:
    enum class Verdict : std::uint8_t { serve, ask_cookie, drop };

    explicit HandshakeGuard(proto::Random& random) : random_(random) {}

    /// May this HELLO cost us signatures? Counts it when it may.
    Verdict judge(proto::SteadyTime now, const proto::Endpoint& from, const Cookie& cookie);
    Cookie cookie_for(proto::SteadyTime now, const proto::Endpoint& to);
    bool may_send_cookie(proto::SteadyTime now) { return cookies_.take(now); }
    bool may_answer_stranger(proto::SteadyTime now) { return answers_.take(now); }
    /// Forgets addresses that have been quiet.
    void sweep(proto::SteadyTime now);
    std::size_t addresses() const { return addresses_.size(); }

  private:
    /// Of an IPv6 address the first half: a host may have all the rest. A shown cookie has a rate of its own.
    using AddressKey = std::pair<std::array<std::uint8_t, 16>, bool>;
    static AddressKey key_of(const proto::Endpoint& from, bool shown);
    void rotate(proto::SteadyTime now);
    bool shows_cookie(proto::SteadyTime now, const proto::Endpoint& from, const Cookie& cookie);
    TokenBucket* address_bucket(proto::SteadyTime now, const AddressKey& key);
    bool has_room(bool shown) const;

    proto::Random& random_;
    TokenBucket handshakes_{proto::limits::handshakes_per_second};
    TokenBucket cookies_{proto::limits::cookies_per_second};
    TokenBucket answers_{proto::limits::stranger_answers_per_second};
    TokenBucket overflow_{proto::limits::handshakes_per_second_per_address};
    std::map<AddressKey, TokenBucket> addresses_;
    std::size_t unproven_ = 0;  ///< of them, those without a cookie: anybody may write any address
    proto::SteadyTime sweep_again_ = proto::SteadyTime::min();
    std::array<proto::SymmetricKey, 2> secrets_{};
    proto::SteadyTime rotate_at_ = proto::SteadyTime::min();
};

}  // namespace presmesh::overlay
