#include "overlay/session.hpp"

#include <sodium.h>

#include "overlay/handshake.hpp"
#include "proto/primitives.hpp"

namespace presmesh::overlay {

using proto::Reason;
using proto::refuse;

namespace {

constexpr std::size_t header_bytes = 1 + 8 + 8;
constexpr std::size_t tag_bytes = proto::seal_tag_bytes;

using Nonce = std::array<std::uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

// A key serves one direction of one session, so the counter alone never repeats a nonce.
Nonce nonce_of(std::uint64_t counter) {
    Nonce nonce{};
    for (int i = 0; i < 8; ++i) {
        nonce[4 + i] = static_cast<std::uint8_t>(counter >> (56 - 8 * i));
    }
    return nonce;
}

}  // namespace

bool ReplayWindow::is_fresh(std::uint64_t counter) const {
    if (counter >= next_) {
        return true;
    }
    if (next_ - counter > proto::limits::replay_window) {
        return false;
    }
    const std::uint64_t seen = rest_ ? (*rest_)[counter / 64 % words] : first_;
    return (seen >> (counter % 64) & 1) == 0;
}

bool ReplayWindow::mark(std::uint64_t counter) {
    if (!rest_ && counter >= 64) {
        rest_ = std::make_unique<Words>();
        rest_->front() = first_;
    }
    const bool highest = counter >= next_;
    if (highest && rest_) {
        const std::uint64_t first = next_ == 0 ? 0 : (next_ - 1) / 64 + 1;
        const std::uint64_t last = counter / 64;
        for (std::uint64_t word = first; word <= last && word - first < words; ++word) {
            (*rest_)[word % words] = 0;
        }
    }
    if (highest) next_ = counter + 1;
    std::uint64_t& seen = rest_ ? (*rest_)[counter / 64 % words] : first_;
    seen |= std::uint64_t{1} << (counter % 64);
    return highest;
}

SessionKeys::~SessionKeys() {
    sodium_memzero(send.data(), send.size());
    sodium_memzero(receive.data(), receive.size());
}

Session::Session(SessionId id, const Remote& remote, const SessionKeys& keys, bool initiated, proto::SteadyTime made)
    : id_(id), remote_(remote), keys_(keys), initiated_(initiated), made_(made) {}

proto::Bytes Session::seal(std::uint8_t own_port, std::uint8_t peer_port, proto::BytesView bytes) {
    proto::Bytes datagram;
    datagram.reserve(header_bytes + 2 + bytes.size() + tag_bytes);
    datagram.push_back(static_cast<std::uint8_t>(MessageKind::data));
    put_u64(datagram, remote_.session);
    const std::uint64_t counter = next_counter_++;
    put_u64(datagram, counter);
    datagram.push_back(own_port);
    datagram.push_back(peer_port);
    datagram.insert(datagram.end(), bytes.begin(), bytes.end());
    const std::size_t plain = datagram.size() - header_bytes;
    datagram.resize(datagram.size() + tag_bytes);
    std::uint8_t* content = datagram.data() + header_bytes;
    proto::primitives().seal(content, plain, datagram.data(), header_bytes, nonce_of(counter).data(),
                             keys_.send.data());
    bytes_sealed_ += plain;
    return datagram;
}

proto::Result<Session::Opened> Session::open(proto::BytesView datagram) {
    if (datagram.size() < header_bytes + 2 + tag_bytes) {
        return refuse(Reason::malformed, "data: too short");
    }
    const std::uint64_t counter = get_u64(datagram.subspan(9, 8));
    if (counter == UINT64_MAX || !window_.is_fresh(counter)) {
        return refuse(Reason::replayed);
    }
    const proto::BytesView sealed = datagram.subspan(header_bytes);
    proto::Bytes plain(sealed.size() - tag_bytes);
    if (!proto::primitives().open(plain.data(), sealed.data(), sealed.size(), datagram.data(), header_bytes,
                                  nonce_of(counter).data(), keys_.receive.data())) {
        return refuse(Reason::bad_signature, "data: seal broken");
    }
    Opened opened{plain[0], plain[1], window_.mark(counter), {}};
    plain.erase(plain.begin(), plain.begin() + 2);
    opened.bytes = std::move(plain);
    return opened;
}

}  // namespace presmesh::overlay
