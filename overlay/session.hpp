// One session between two nodes: a key per direction, a counter, a window against replays. FORMAT.md: DATA.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "proto/bytes.hpp"
#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

using SessionId = std::uint64_t;  ///< chosen at random by the end that receives under it

/// Which counters of the last limits::replay_window have been seen.
class ReplayWindow {
  public:
    bool is_fresh(std::uint64_t counter) const;
    /// Only for a counter of an authentic datagram; true when it is the highest so far.
    bool mark(std::uint64_t counter);

  private:
    static constexpr std::size_t words = proto::limits::replay_window / 64 + 1;
    using Words = std::array<std::uint64_t, words>;

    std::uint64_t first_ = 0;      ///< until counter 64: most sessions end before
    std::unique_ptr<Words> rest_;  ///< from then on, `first_` too
    std::uint64_t next_ = 0;       ///< one past the highest seen
};

struct SessionKeys {
    proto::SymmetricKey send{};
    proto::SymmetricKey receive{};
    SessionKeys() = default;
    SessionKeys(const SessionKeys&) = default;
    SessionKeys& operator=(const SessionKeys&) = default;
    ~SessionKeys();  ///< wipes
};

/// The other end, as its handshake proved; what its certificate says beside is the peer's, in the table of peers.
struct Remote {
    SessionId session = 0;
    std::uint64_t instance = 0;  ///< drawn when the peer's process started: another one means that it restarted
    proto::WallTime certified_until{};
    std::uint8_t roles = 0;
};

class Session {
  public:
    struct Opened {
        std::uint8_t peer_port = 0;  ///< the sender's
        std::uint8_t own_port = 0;   ///< ours
        bool newest = false;         ///< no later datagram came before
        proto::Bytes bytes;
    };

    Session(SessionId id, const Remote& remote, const SessionKeys& keys, bool initiated, proto::SteadyTime made);

    SessionId id() const { return id_; }
    const Remote& remote() const { return remote_; }
    bool initiated() const { return initiated_; }  ///< by us
    proto::SteadyTime made() const { return made_; }
    std::uint64_t bytes_sealed() const { return bytes_sealed_; }

    proto::Bytes seal(std::uint8_t own_port, std::uint8_t peer_port, proto::BytesView bytes);
    /// malformed, replayed, bad_signature.
    proto::Result<Opened> open(proto::BytesView datagram);

  private:
    SessionId id_;
    Remote remote_;
    SessionKeys keys_;
    bool initiated_;
    proto::SteadyTime made_;
    std::uint64_t next_counter_ = 0;
    std::uint64_t bytes_sealed_ = 0;
    ReplayWindow window_;
};

}  // namespace presmesh::overlay
