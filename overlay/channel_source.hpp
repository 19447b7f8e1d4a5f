// One channel seen from the source's end: the peer's watches of our presentities, and the streams that carry documents
// to them. Watches with the same (presentity, view) share a stream. Only the newest document of a stream is ever kept.
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "overlay/flight.hpp"
#include "overlay/outbox.hpp"
#include "overlay/overlay.hpp"
#include "overlay/trace.hpp"
#include "proto/channel_messages.hpp"
#include "proto/fifo.hpp"
#include "proto/limits.hpp"

namespace presmesh::overlay {

/// What a stream shows: a numbered document, or (null) that there is none.
struct StreamValue {
    proto::Sequence sequence;
    proto::DocumentPtr document;
};

// What the owner has to act on.
struct InboundWatch {
    std::uint64_t watch = 0;
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;
};
struct InboundUnwatch {
    std::uint64_t watch = 0;
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;
};
struct InboundQuery {
    std::uint64_t query = 0;
    proto::PresentityUri presentity;
};
using SourceEvent = std::variant<InboundWatch, InboundUnwatch, InboundQuery>;

class ChannelSource {
  public:
    /// `room`: watches that the peer may have here; who comes later is told to try again (terminated, "giveup").
    ChannelSource(Outbox& outbox, const ChannelTrace& trace, std::size_t room = proto::limits::watches_per_peer)
        : outbox_(outbox), trace_(trace), room_(room) {}

    // ---- the owner's
    /// `value` is what the answer's view shows now; not looked at unless the answer is active.
    void answer(std::uint64_t watch, const Answer& answer, const std::optional<proto::SymmetricKey>& content_key,
                const StreamValue& value);
    /// Does nothing when nobody follows this view here.
    void set_value(const proto::PresentityUri& presentity, ViewId view, const StreamValue& value);
    /// Each InboundQuery wants one.
    void answer_query(proto::SourcesMessage answer);
    /// Tells the peer, which did not ask, of a node of our domain: its signed record. The oldest gives way, one for
    /// each node being enough (limits::peers_per_domain).
    void announce(proto::Bytes record);
    /// True once for each time that the peer begins to watch here: it is to be told of the domain's other nodes.
    bool introduce() { return !std::exchange(introduced_, true); }
    std::size_t watches() const { return watches_.size(); }
    /// Those that were answered so, and that the peer has not ended.
    std::vector<InboundWatch> terminated() const;
    /// These three: at most limits::tombstones_per_peer.
    std::size_t ended() const { return buried_.size(); }             ///< watches, remembered
    std::size_t turned_away() const { return turned_away_.size(); }  ///< watches, until the peer knows
    std::size_t answers() const { return answers_.size(); }          ///< to questions, until the peer has them
    /// Ends every watch; the events say so.
    void forget(std::vector<SourceEvent>& events);

    // ---- the channel's
    /// False when it must come again later: too many wait to be told that there is no room.
    bool receive(const proto::WatchMessage& message, std::vector<SourceEvent>& events);
    void receive(const proto::UnwatchMessage& message, std::vector<SourceEvent>& events);
    /// Likewise: too many answers wait for the peer.
    bool receive(const proto::QueryMessage& message, std::vector<SourceEvent>& events);
    /// Adds what the slot has to say; false when the packet is full and the slot has to come again.
    bool write(Slot slot, PacketBuilder& packet);
    void acknowledged(const SentItem& item);
    void lost(const SentItem& item);

  private:
    struct Watch {
        proto::PresentityUri presentity;
        proto::PresentityUri watcher;
        std::uint32_t revision = 0;
        std::optional<proto::Digest> held;
        bool answered = false;
        Answer answer;
        std::optional<proto::SymmetricKey> content_key;
        std::uint64_t stream = 0;
        std::uint64_t state_revision = 0;
    };
    struct Stream {
        proto::PresentityUri presentity;
        ViewId view = 0;
        std::size_t watches = 0;
        StreamValue value;
        std::size_t leaving = 0;      // watches that were taken off it, which the peer does not know yet
        std::uint64_t version = 0;    // of what is to be sent; a new one makes all earlier packets meaningless
        bool held = false;            // the peer said that it holds this very document
        std::set<std::uint16_t> due;  // parts to send
    };
    void join(Watch& watch, ViewId view, const StreamValue& value);
    void leave_stream(Watch& watch);
    void take_off(std::uint64_t number, std::uint64_t stream);
    void let_go(std::uint64_t number);
    void renew(std::uint64_t number, Stream& stream);
    bool write_state(std::uint64_t number, PacketBuilder& packet);
    bool write_value(std::uint64_t number, PacketBuilder& packet);
    bool write_answer(std::uint64_t number, PacketBuilder& packet);
    bool turn_away(std::uint64_t watch);
    void bury(std::uint64_t watch);
    // Short and mostly empty, as nearly all channels have them.
    using Answers = boost::container::flat_map<std::uint64_t, proto::SourcesMessage>;
    Answers& answers_of(std::uint64_t query) { return (query & proto::announcement) != 0 ? announced_ : answers_; }

    Outbox& outbox_;
    const ChannelTrace& trace_;
    std::size_t room_;
    std::map<std::uint64_t, Watch> watches_;
    std::map<std::uint64_t, Stream> streams_;
    std::map<std::pair<proto::PresentityUri, ViewId>, std::uint64_t> stream_of_;
    boost::container::flat_set<std::pair<std::uint64_t, std::uint64_t>> leaving_;  // watch, stream
    Answers answers_;                                                              // to questions
    std::size_t asked_ = 0;  // questions that the owner has not answered yet
    Answers announced_;
    std::uint64_t announcements_ = 0;
    bool introduced_ = false;
    boost::container::flat_map<std::uint64_t, std::uint64_t>
        turned_away_;  // watches without room, until the peer knows: revision
    std::uint64_t last_stream_ = 0;
    std::uint64_t last_version_ = 0;
    boost::container::flat_set<std::uint64_t>
        buried_;  // ended watches: a late copy of their start must not begin them again
    proto::Fifo<std::uint64_t> buried_order_;
};

}  // namespace presmesh::overlay
