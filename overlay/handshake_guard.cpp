#include "overlay/handshake_guard.hpp"

#include <sodium.h>

#include <algorithm>

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {
constexpr auto full_table_swept_every = std::chrono::milliseconds{100};
}

HandshakeGuard::Verdict HandshakeGuard::judge(proto::SteadyTime now, const proto::Endpoint& from,
                                              const Cookie& cookie) {
    const bool shown = shows_cookie(now, from, cookie);
    if (!shown && handshakes_.below_half(now)) {
        return Verdict::ask_cookie;
    }
    TokenBucket* bucket = address_bucket(now, key_of(from, shown));
    if (bucket == nullptr || !bucket->take(now)) {
        return shown ? Verdict::drop : Verdict::ask_cookie;
    }
    return handshakes_.take(now) ? Verdict::serve : Verdict::drop;
}

HandshakeGuard::AddressKey HandshakeGuard::key_of(const proto::Endpoint& from, bool shown) {
    AddressKey key{from.address, shown};
    if (!from.is_v4()) {
        std::fill(key.first.begin() + 8, key.first.end(), std::uint8_t{0});
    }
    return key;
}

/// Half of the table is for those who have shown that they are where they say.
bool HandshakeGuard::has_room(bool shown) const {
    return addresses_.size() < limits::handshake_addresses && (shown || unproven_ < limits::handshake_addresses / 2);
}

TokenBucket* HandshakeGuard::address_bucket(proto::SteadyTime now, const AddressKey& key) {
    const auto found = addresses_.find(key);
    if (found != addresses_.end()) {
        return &found->second;
    }
    if (!has_room(key.second) && now >= sweep_again_) {
        sweep_again_ = now + full_table_swept_every;
        sweep(now);
    }
    if (!has_room(key.second)) {
        return key.second ? &overflow_ : nullptr;
    }
    unproven_ += key.second ? 0 : 1;
    return &addresses_.emplace(key, TokenBucket(limits::handshakes_per_second_per_address)).first->second;
}

void HandshakeGuard::rotate(proto::SteadyTime now) {
    if (now < rotate_at_) {
        return;
    }
    const bool first = rotate_at_ == proto::SteadyTime::min();
    secrets_[1] = secrets_[0];
    random_.fill(secrets_[0]);
    if (first) {
        random_.fill(secrets_[1]);
    }
    rotate_at_ = now + limits::cookie_secret_age;
}

static Cookie mac(const proto::SymmetricKey& secret, const proto::Endpoint& of) {
    std::array<std::uint8_t, 18> address{};
    std::copy(of.address.begin(), of.address.end(), address.begin());
    address[16] = static_cast<std::uint8_t>(of.port >> 8);
    address[17] = static_cast<std::uint8_t>(of.port);
    Cookie cookie{};
    crypto_generichash(cookie.data(), cookie.size(), address.data(), address.size(), secret.data(), secret.size());
    return cookie;
}

Cookie HandshakeGuard::cookie_for(proto::SteadyTime now, const proto::Endpoint& to) {
    rotate(now);
    return mac(secrets_[0], to);
}

bool HandshakeGuard::shows_cookie(proto::SteadyTime now, const proto::Endpoint& from, const Cookie& cookie) {
    if (cookie == Cookie{}) {
        return false;
    }
    rotate(now);
    return std::any_of(secrets_.begin(), secrets_.end(), [&](const proto::SymmetricKey& secret) {
        const Cookie expected = mac(secret, from);
        return sodium_memcmp(expected.data(), cookie.data(), cookie.size()) == 0;
    });
}

void HandshakeGuard::sweep(proto::SteadyTime now) {
    for (auto entry = addresses_.begin(); entry != addresses_.end();) {
        const bool quiet = entry->second.full(now);
        unproven_ -= quiet && !entry->first.second ? 1 : 0;
        entry = quiet ? addresses_.erase(entry) : std::next(entry);
    }
}

}  // namespace presmesh::overlay
