#include "node/daemon/udp_socket.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace presmesh::daemon {

using proto::Endpoint;
using proto::Reason;

namespace {

constexpr std::size_t batch = proto::limits::udp_batch;

socklen_t to_sockaddr(const Endpoint& endpoint, bool v4, sockaddr_storage& out) {
    std::memset(&out, 0, sizeof(out));
    if (v4) {
        auto& in = reinterpret_cast<sockaddr_in&>(out);
        in.sin_family = AF_INET;
        in.sin_port = htons(endpoint.port);
        std::memcpy(&in.sin_addr, endpoint.address.data() + 12, 4);
        return sizeof(in);
    }
    auto& in = reinterpret_cast<sockaddr_in6&>(out);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    std::memcpy(&in.sin6_addr, endpoint.address.data(), 16);
    return sizeof(in);
}

Endpoint from_sockaddr(const sockaddr_storage& from) {
    if (from.ss_family == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(from);
        return Endpoint::v4(ntohl(in.sin_addr.s_addr), ntohs(in.sin_port));
    }
    const auto& in = reinterpret_cast<const sockaddr_in6&>(from);
    Endpoint endpoint;
    std::memcpy(endpoint.address.data(), &in.sin6_addr, 16);
    endpoint.port = ntohs(in.sin6_port);
    return endpoint;
}

Reason reason_of(int error) {
    if (error == EADDRINUSE) return Reason::conflict;
    return error == EACCES ? Reason::forbidden : Reason::unavailable;
}

}  // namespace

struct UdpSocket::Buffers {
    std::array<std::array<std::uint8_t, proto::limits::udp_receive_bytes>, batch> bytes;
    std::array<sockaddr_storage, batch> addresses;
    std::array<iovec, batch> parts;
    std::array<mmsghdr, batch> messages;
};

UdpSocket::UdpSocket(int fd, bool v4) : fd_(fd), v4_(v4), buffers_(std::make_unique<Buffers>()) {}
UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), v4_(other.v4_), buffers_(std::move(other.buffers_)) {}
UdpSocket::~UdpSocket() {
    if (fd_ >= 0) ::close(fd_);
}

proto::Result<UdpSocket> UdpSocket::open(const Endpoint& at) {
    const bool v4 = at.is_v4();
    const int fd = ::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return proto::refuse(reason_of(errno), "cannot make a UDP socket: " + std::string(std::strerror(errno)));
    UdpSocket socket(fd, v4);
    const int one = 1;
    if (!v4) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    const int room = proto::limits::udp_kernel_bytes;
    // Best effort: the kernel grants what its own bound allows.
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    sockaddr_storage address;
    const auto size = to_sockaddr(at, v4, address);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
        return proto::refuse(reason_of(errno), "cannot listen on UDP " + at.to_string() + ": " + std::strerror(errno));
    }
    return socket;
}

Endpoint UdpSocket::local() const {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return from_sockaddr(address);
}

bool UdpSocket::receive(const Visit& visit) {
    auto& b = *buffers_;
    for (std::size_t i = 0; i < batch; ++i) {
        b.parts[i] = {b.bytes[i].data(), b.bytes[i].size()};
        b.messages[i] = {};
        b.messages[i].msg_hdr.msg_name = &b.addresses[i];
        b.messages[i].msg_hdr.msg_namelen = sizeof(b.addresses[i]);
        b.messages[i].msg_hdr.msg_iov = &b.parts[i];
        b.messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int got = ::recvmmsg(fd_, b.messages.data(), batch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < got; ++i) {
        const auto at = static_cast<std::size_t>(i);
        visit(from_sockaddr(b.addresses[at]), proto::BytesView(b.bytes[at].data(), b.messages[at].msg_len));
    }
    // An error of one earlier send (a port closed at the other side) is reported here once; what follows it is still
    // there.
    return got == static_cast<int>(batch) ||
           (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != EBADF);
}

std::size_t UdpSocket::send(std::span<const proto::Datagram> datagrams) {
    auto& b = *buffers_;
    std::size_t lost = 0;
    while (!datagrams.empty()) {
        const auto count = std::min(datagrams.size(), batch);
        for (std::size_t i = 0; i < count; ++i) {
            b.parts[i] = {const_cast<std::uint8_t*>(datagrams[i].bytes.data()), datagrams[i].bytes.size()};
            b.messages[i] = {};
            b.messages[i].msg_hdr.msg_name = &b.addresses[i];
            b.messages[i].msg_hdr.msg_namelen = to_sockaddr(datagrams[i].to, v4_, b.addresses[i]);
            b.messages[i].msg_hdr.msg_iov = &b.parts[i];
            b.messages[i].msg_hdr.msg_iovlen = 1;
        }
        const int sent = ::sendmmsg(fd_, b.messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        // The first could not be sent (no route, no room): it alone is given up, or all when there is no room.
        const bool no_room = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
        const auto passed = no_room ? datagrams.size() : sent < 0 ? 1 : static_cast<std::size_t>(sent);
        if (sent < 0) lost += passed;
        datagrams = datagrams.subspan(passed);
    }
    return lost;
}

}  // namespace presmesh::daemon
