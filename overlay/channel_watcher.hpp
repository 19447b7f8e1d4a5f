// One channel seen from the watching end: our watches at the peer, what it answered, and the documents that came on its
// streams. A document is taken only when its sequence is higher than what the stream showed before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "overlay/flight.hpp"
#include "overlay/outbox.hpp"
#include "overlay/overlay.hpp"
#include "overlay/trace.hpp"
#include "proto/channel_messages.hpp"

namespace presmesh::overlay {

/// One of our watches at one node.
struct OutWatch {
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;
    bool answered = false;      ///< since the peer last forgot us
    bool was_answered = false;  ///< ever
    bool shown = false;         ///< answered, and when active the stream has said what it shows
    WatchState state = WatchState::pending;
    std::string reason;
    std::optional<proto::SymmetricKey> content_key;
    proto::DocumentPtr document;  ///< the last one seen; kept when the peer forgets us
    proto::Sequence sequence;     ///< of it
    proto::SteadyTime since{};    ///< when it came
    bool gone = false;            ///< the peer says that there is no source
    bool coming = false;          ///< what may be seen from now on is on its way

    // the channel's own
    std::uint32_t revision = 1;
    std::uint64_t state_revision = 0;
    std::uint64_t stream = 0;
    bool ask_whole = false;
    bool sent = false;  // the peer may know of it
};

struct WatchUpdated {
    std::uint64_t watch = 0;
};
struct SourcesAnswered {
    std::uint64_t query = 0;
    bool own = false;
    std::vector<proto::Bytes> records;
};
using WatcherEvent = std::variant<WatchUpdated, SourcesAnswered>;

class ChannelWatcher {
  public:
    ChannelWatcher(Outbox& outbox, const ChannelTrace& trace) : outbox_(outbox), trace_(trace) {}

    // ---- the owner's
    std::uint64_t watch(const proto::PresentityUri& presentity, const proto::PresentityUri& watcher);
    void unwatch(std::uint64_t watch);
    std::uint64_t query(const proto::PresentityUri& presentity);
    /// Nobody waits for the answer any more.
    void cancel_query(std::uint64_t query) { queries_.erase(query); }
    const OutWatch* find(std::uint64_t watch) const;
    std::size_t watches() const { return watches_.size(); }
    std::size_t queries() const { return queries_.size(); }           ///< unanswered
    std::size_t ending() const { return ending_.size(); }             ///< watches, until the peer knows
    std::size_t documents_in_parts() const { return parts_.size(); }  ///< of which some have come
    const std::map<std::uint64_t, OutWatch>& all() const { return watches_; }

    // ---- the channel's
    /// The peer knows nothing of us any more: everything is asked again, with what we hold.
    void ask_again();
    void receive(const proto::WatchStateMessage& message, std::vector<WatcherEvent>& events);
    void receive(const proto::SourcesMessage& message, std::vector<WatcherEvent>& events);
    /// These three answer false when the stream is not known yet: the packet must not be acknowledged then.
    bool receive(const proto::DocumentMessage& message, std::vector<WatcherEvent>& events);
    bool receive(const proto::CurrentMessage& message, std::vector<WatcherEvent>& events);
    bool receive(const proto::GoneMessage& message, std::vector<WatcherEvent>& events);
    bool write(Slot slot, PacketBuilder& packet);
    void acknowledged(const SentItem& item);
    void lost(const SentItem& item);

  private:
    struct Parts {
        proto::Sequence sequence;
        std::vector<proto::Bytes> bytes;
        std::size_t missing = 0;
    };
    struct Stream {
        bool shown = false;
        proto::Sequence sequence;
        proto::DocumentPtr document;
        proto::SteadyTime since{};
        std::set<std::uint64_t> watches;
    };
    void join_stream(std::uint64_t number, OutWatch& watch, std::uint64_t stream);
    void leave_stream(std::uint64_t number, OutWatch& watch);
    void ask_whole(std::uint64_t number, OutWatch& watch);
    using Streams = std::map<std::uint64_t, Stream>;
    void show(Streams::value_type& named, const proto::Sequence& sequence, proto::DocumentPtr document,
              std::vector<WatcherEvent>& events);
    static void show_to(OutWatch& watch, const Stream& stream);
    /// The whole document's bytes, when this was the last part.
    std::optional<proto::Bytes> collect(const proto::DocumentMessage& message);

    Outbox& outbox_;
    const ChannelTrace& trace_;
    std::map<std::uint64_t, OutWatch> watches_;
    std::set<std::uint64_t> ending_;  // ended here, the peer has not confirmed
    Streams streams_;
    std::uint64_t dropped_ = 0;             // the highest number of a stream that we left: the peer's only rise
    std::map<std::uint64_t, Parts> parts_;  // documents half arrived, by stream
    std::map<std::uint64_t, proto::PresentityUri> queries_;
    std::uint64_t last_watch_ = 0;
    std::uint64_t last_query_ = 0;
};

}  // namespace presmesh::overlay
