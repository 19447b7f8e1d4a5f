// One UDP socket of the overlay, read and written in batches: up to 64 datagrams per system call.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/limits.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

class UdpSocket {
  public:
    using Visit = std::function<void(const proto::Endpoint& from, proto::BytesView bytes)>;

    /// conflict (the port is taken), forbidden, unavailable. An IPv6 socket takes IPv6 only.
    static proto::Result<UdpSocket> open(const proto::Endpoint& at);
    UdpSocket(UdpSocket&& other) noexcept;
    UdpSocket& operator=(UdpSocket&&) = delete;
    ~UdpSocket();

    int descriptor() const { return fd_; }
    bool is_v4() const { return v4_; }
    /// What was bound, with the port the system chose where 0 was asked.
    proto::Endpoint local() const;
    /// One batch of what has arrived. True when there may be more.
    bool receive(const Visit& visit);
    /// Sends what the kernel takes at once; the rest is lost, as UDP may. Returns how many were lost.
    std::size_t send(std::span<const proto::Datagram> datagrams);

  private:
    UdpSocket(int fd, bool v4);
    int fd_;
    bool v4_;
    struct Buffers;
    std::unique_ptr<Buffers> buffers_;
};

}  // namespace presmesh::daemon
