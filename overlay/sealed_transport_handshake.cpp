// Handshakes, ours and those of others.
#include "overlay/sealed_transport_impl.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::BytesView;
using proto::Endpoint;
using proto::NodeId;
using proto::Now;
using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

std::uint64_t wall_us(Now now) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, now.wall.time_since_epoch().count()));
}

}  // namespace

// ---- our handshakes

PendingHandshake* SealedTransport::Impl::start_handshake(Now now, const Endpoint& to) {
    if (PendingHandshake* pending = pending_.find(to)) {
        return pending;
    }
    if (sweep_at_ == proto::never) {
        sweep_at_ = now.steady + limits::transport_sweep;
    }
    last_timestamp_us_ = std::max(wall_us(now), last_timestamp_us_ + 1);
    PendingHandshake pending;
    pending.to = to;
    pending.session = random_.next();
    pending.exchange = std::make_unique<Exchange>(random_);
    pending.hello = encode_hello(
        {pending.session, instance_, pending.exchange->public_key(), last_timestamp_us_, certificate_, {}, {}}, key_);
    pending.digest = hello_digest(pending.hello);
    pending.next = now.steady;
    PendingHandshake* added = pending_.add(std::move(pending));
    if (added != nullptr) {
        ++counters_.handshakes_started;
        send_hello(now, *added);
    }
    return added;
}

void SealedTransport::Impl::send_hello(Now now, PendingHandshake& pending) {
    emit(pending.to, pending.hello);
    const int doublings = std::min(pending.attempts, limits::hello_attempts - 2);
    ++pending.attempts;
    pending_.schedule(pending, now.steady + limits::hello_resend * (1 << doublings));
}

void SealedTransport::Impl::give_up(Now now, const Endpoint& to) {
    PendingHandshake pending = pending_.remove(to);
    ++counters_.handshakes_failed;
    PeerState* peer = peers_.at(to);
    if (peer != nullptr && peer->current) {
        peer->suspect = false;  // whoever said so did not mean it: the session still stands
        flush(now, *peer, std::move(pending.queue));
        return;
    }
    if (pending.wanted) {
        tell(ConnectFailed{to});
    }
}

void SealedTransport::Impl::shake_again(Now now, PeerState& peer) {
    if (now.steady < peer.shake_again_at) {
        return;
    }
    peer.shake_again_at = now.steady + limits::shake_again_gap;
    start_handshake(now, peer.info.endpoint);
}

Result<void> SealedTransport::Impl::on_cookie(Now now, const Endpoint& from, BytesView bytes) {
    const auto message = decode_cookie(bytes);
    if (!message) {
        return tl::make_unexpected(message.error());
    }
    PendingHandshake* pending = pending_.of_session(message->receiver);
    if (pending == nullptr || pending->to != from || pending->cookies >= limits::hello_cookies) {
        return refuse(Reason::not_found, "cookie");
    }
    ++pending->cookies;
    set_cookie(pending->hello, message->cookie);
    emit(pending->to, pending->hello);
    (void)now;
    return {};
}

Result<void> SealedTransport::Impl::on_welcome(Now now, const Endpoint& from, BytesView bytes) {
    const auto welcome = Welcome::decode(bytes);
    if (!welcome) {
        return tl::make_unexpected(welcome.error());
    }
    PendingHandshake* pending = pending_.of_session(welcome->receiver);
    if (pending == nullptr) {
        return refuse(Reason::not_found, "welcome");
    }
    if (const auto checked = check_welcome(now, bytes, *welcome, *pending); !checked) {
        return checked;
    }
    auto keys = pending->exchange->derive(welcome->exchange, transcript_of(pending->digest, bytes), true);
    if (!keys) {
        return tl::make_unexpected(keys.error());
    }
    const proto::Certificate& certificate = welcome->certificate;
    const NodeId node = proto::node_id(certificate.node_key);
    // It answers this very HELLO of ours, so it is what it says now; a HELLO of its own may be an old one.
    if (const PeerState* known = peers_.find(node); known != nullptr && known->info.domain != certificate.domain) {
        take_down(node, Reason::not_admitted);
    }
    const auto admitted = peers_.admit(node, certificate);
    if (!admitted) {
        return tl::make_unexpected(admitted.error());
    }
    PeerState& peer = **admitted;
    PendingHandshake done = pending_.remove(Endpoint(pending->to));
    const bool was_up = peer.current != nullptr;
    const std::uint64_t old_instance = was_up ? peer.current->remote().instance : 0;
    const Remote remote{welcome->session, welcome->instance, certificate.not_after, certificate.roles};
    auto session = std::make_unique<Session>(done.session, remote, *keys, true, now.steady);
    Session* made = session.get();
    peers_.install(peer, std::move(session), own_, now.steady);
    peer.info.last_heard = now.steady;
    if (was_up && peer.info.endpoint != from) {
        ++counters_.moves;
    }
    peers_.moved(peer, from);
    came_up(now, peer, was_up, old_instance);
    if (done.asked && was_up) {
        tell(PeerUp{peer.info.node, false});
    }
    flush(now, peer, std::move(done.queue));
    // The other end learns from the first datagram that its answer arrived.
    if (made->bytes_sealed() == 0) {
        emit(from, made->seal(confirm_port, confirm_port, {}));
    }
    return {};
}

Result<void> SealedTransport::Impl::check_welcome(Now now, BytesView bytes, const Welcome& welcome,
                                                  PendingHandshake& pending) {
    if (pending.bad_answers >= limits::hello_bad_answers) {
        return refuse(Reason::rate_limited, "welcome");
    }
    ++pending.bad_answers;
    if (welcome.certificate.node_key == key_.public_key()) {
        return refuse(Reason::conflict, "welcome from ourselves");
    }
    if (const auto admitted = federation_->admit(welcome.certificate, now.wall); !admitted) {
        return admitted;
    }
    if (!welcome.verify(bytes, pending.digest)) {
        return refuse(Reason::bad_signature, "welcome");
    }
    return {};
}

Result<void> SealedTransport::Impl::on_unknown(Now now, const Endpoint& from, BytesView bytes) {
    const auto id = decode_unknown(bytes);
    if (!id) {
        return tl::make_unexpected(id.error());
    }
    PeerState* peer = peers_.at(from);
    if (peer == nullptr || !peer->current || peer->current->remote().session != *id) {
        return refuse(Reason::not_found, "unknown");
    }
    if (now.steady < peer->shake_again_at && pending_.find(peer->info.endpoint) == nullptr) {
        return refuse(Reason::rate_limited, "unknown");
    }
    shake_again(now, *peer);
    PendingHandshake* pending = pending_.find(peer->info.endpoint);
    // It may have asked for the last time just before the network was whole again.
    if (pending != nullptr && pending->attempts == limits::hello_attempts) {
        send_hello(now, *pending);
    }
    peer->suspect = pending != nullptr;
    return {};
}

// ---- handshakes of others

Result<void> SealedTransport::Impl::on_hello(Now now, const Endpoint& from, BytesView bytes) {
    const auto hello = Hello::decode(bytes);
    if (!hello) {
        return tl::make_unexpected(hello.error());
    }
    // Cheap checks come first: a look-up of the domain, then what we remember, then the rates, and signatures last.
    const proto::Member* member = federation_->find(hello->certificate.domain);
    if (member == nullptr) {
        return refuse(Reason::not_admitted, "hello");
    }
    const NodeId node = proto::node_id(hello->certificate.node_key);
    if (member->revoked.contains(node)) {
        return refuse(Reason::revoked, "hello");
    }
    if (node == own_) {
        return refuse(Reason::conflict, "hello from ourselves");
    }
    if (const auto memory = hellos_.find(node); memory != hellos_.end()) {
        const HelloMemory::Answer* answer = memory->second.answer.get();
        if (answer != nullptr && answer->hello == hello_digest(bytes)) {
            return answer_again(now, from, *answer);
        }
        // Where that one lies ahead of our time, a clock was wrong, and was perhaps set right since.
        if (hello->timestamp_us <= memory->second.timestamp_us && memory->second.timestamp_us <= wall_us(now)) {
            return refuse(Reason::replayed, "hello");
        }
    }
    switch (guard_.judge(now.steady, from, hello->cookie)) {
        case HandshakeGuard::Verdict::serve:
            return answer_hello(now, from, bytes, *hello, node);
        case HandshakeGuard::Verdict::drop:
            return refuse(Reason::rate_limited, "hello");
        case HandshakeGuard::Verdict::ask_cookie:
            break;
    }
    if (!guard_.may_send_cookie(now.steady)) {
        return refuse(Reason::rate_limited, "hello");
    }
    ++counters_.cookies_sent;
    emit(from, encode(CookieMessage{hello->session, guard_.cookie_for(now.steady, from)}));
    return {};
}

Result<void> SealedTransport::Impl::answer_again(Now now, const Endpoint& from, const HelloMemory::Answer& answer) {
    if (!guard_.may_answer_stranger(now.steady)) {
        return refuse(Reason::replayed, "hello");
    }
    emit(from, answer.welcome);
    return {};
}

Result<void> SealedTransport::Impl::answer_hello(Now now, const Endpoint& from, BytesView bytes, const Hello& hello,
                                                 const NodeId& node) {
    if (const auto admitted = federation_->admit(hello.certificate, now.wall); !admitted) {
        return admitted;
    }
    if (!hello.verify(bytes)) {
        return refuse(Reason::bad_signature, "hello");
    }
    if (!hellos_.contains(node) && hellos_.size() >= 2 * limits::peers) {
        return refuse(Reason::quota, "hello");
    }
    const proto::Digest digest = hello_digest(bytes);
    const Exchange exchange(random_);
    const SessionId session = random_.next();
    const proto::Bytes welcome =
        encode_welcome({hello.session, session, instance_, exchange.public_key(), certificate_, {}}, key_, digest);
    const auto keys = exchange.derive(hello.exchange, transcript_of(digest, welcome), false);
    if (!keys) {
        return tl::make_unexpected(keys.error());
    }
    const auto admitted = peers_.admit(node, hello.certificate);
    if (!admitted) {
        return tl::make_unexpected(admitted.error());
    }
    const Remote remote{hello.session, hello.instance, hello.certificate.not_after, hello.certificate.roles};
    peers_.offer(**admitted, std::make_unique<Session>(session, remote, *keys, false, now.steady), from, now.steady);
    hellos_[node] = {hello.timestamp_us, std::make_unique<HelloMemory::Answer>(HelloMemory::Answer{digest, welcome}),
                     now.steady};
    welcomes_.emplace_back(now.steady, node);
    ++counters_.handshakes_answered;
    emit(from, welcome);
    return {};
}

}  // namespace presmesh::overlay
