// What two nodes say to each other on the channel (FORMAT.md: channel). A packet is one datagram's plain bytes: a
// header and several messages. Each side keeps *slots* (a watch, the state of a watch, the value of a stream); a
// message carries the newest content of a slot, and is sent again, in later packets, until a packet that carried it was
// acknowledged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/record.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"
#include "proto/watch_state.hpp"

namespace presmesh::proto {

/// `own` and `peer` name the memory either side has of the other: a higher `own` than before says "I remember nothing
/// of you", and what was addressed to an earlier `peer` counts for nothing.
struct ChannelHeader {
    std::uint64_t own = 0;
    std::uint64_t peer = 0;    ///< 0: not heard of yet
    std::uint64_t number = 0;  ///< of this packet, rising from 1; 0 when no acknowledgement is wanted
    bool operator==(const ChannelHeader&) const = default;
};

/// The packets `largest` and, for bit i of `below`, `largest - 1 - i` have been taken in.
struct AckMessage {
    std::uint64_t largest = 0;
    std::uint64_t below = 0;
    bool operator==(const AckMessage&) const = default;
};
/// "I am alive, and want to hear the same of you within this bound."
struct LeaseMessage {
    std::uint32_t bound_ms = 0;
    bool operator==(const LeaseMessage&) const = default;
};
/// A clean stop: nothing is known of the sender's presentities from now on.
struct LeaveMessage {
    bool operator==(const LeaveMessage&) const = default;
};
/// Who are the sources of this presentity, as far as you know?
struct QueryMessage {
    std::uint64_t query = 0;
    PresentityUri presentity;
    bool operator==(const QueryMessage&) const = default;
};
/// In the number of a query: nobody asked. The records are of nodes of the sender's domain.
inline constexpr std::uint64_t announcement = std::uint64_t{1} << 63;
struct SourcesMessage {
    std::uint64_t query = 0;
    bool own = false;            ///< the answering node is a source itself
    std::vector<Bytes> records;  ///< signed records of other sources, at most limits::records_per_answer
    bool operator==(const SourcesMessage&) const = default;
};
/// A watch. Sent again with a higher revision when the document named by `held` is held no more.
struct WatchMessage {
    std::uint64_t watch = 0;  ///< numbered by the watching side, never used twice on a channel
    std::uint32_t revision = 0;
    PresentityUri presentity;
    PresentityUri watcher;
    std::optional<Digest> held;  ///< of the document the watching side has already
    bool operator==(const WatchMessage&) const = default;
};
struct UnwatchMessage {
    std::uint64_t watch = 0;
    bool operator==(const UnwatchMessage&) const = default;
};
/// The source's answer to one watch. An active watch names the stream that its document travels on.
struct WatchStateMessage {
    std::uint64_t watch = 0;
    std::uint64_t revision = 0;  ///< higher ones replace lower ones
    WatchState state = WatchState::pending;
    std::string reason;                       ///< when terminated
    std::uint64_t stream = 0;                 ///< when active
    std::optional<SymmetricKey> content_key;  ///< opens the record's summary; only for those who may see everything
    bool operator==(const WatchStateMessage&) const = default;
};
/// A stream's new document, or one part of it.
struct DocumentMessage {
    std::uint64_t stream = 0;
    Sequence sequence;
    std::uint16_t index = 0;  ///< below count
    std::uint16_t count = 1;
    Bytes bytes;
    bool operator==(const DocumentMessage&) const = default;
};
/// A stream's document is the one the watching side said it holds.
struct CurrentMessage {
    std::uint64_t stream = 0;
    Sequence sequence;
    Digest digest{};
    bool operator==(const CurrentMessage&) const = default;
};
/// There is no source behind the stream now.
struct GoneMessage {
    std::uint64_t stream = 0;
    Sequence sequence;
    bool operator==(const GoneMessage&) const = default;
};

/// Between nodes of one domain: "tell me how its users changed their rules, after `since` in your log".
struct RulesAskMessage {
    std::uint64_t log = 0;    ///< the one that `since` counts in; another than the receiver's: from its beginning
    std::uint64_t since = 0;  ///< a position in it; 0: the beginning
    bool operator==(const RulesAskMessage&) const = default;
};
/// A rule about who may see a presentity, or its user's decision about one watcher.
struct RuleChange {
    PresentityUri presentity;
    bool decision = false;
    std::string who;                       ///< canonical "user@domain", a domain, or "*"; at most limits::uri_bytes
    std::optional<std::uint8_t> handling;  ///< RFC 5025 section 3.2.1's number; none: taken back
    std::uint64_t stamp = 0;               ///< ms since 1970, and above what it replaces: the highest holds
    bool operator==(const RuleChange&) const = default;
};
struct RulesMessage {
    std::uint64_t log = 0;
    std::uint64_t since = 0;
    std::uint64_t upto = 0;           ///< what is told is all that changed after `since`, up to this position
    std::vector<RuleChange> changes;  ///< at most limits::rules_per_message
    bool operator==(const RulesMessage&) const = default;
};

using ChannelMessage =
    std::variant<AckMessage, LeaseMessage, LeaveMessage, QueryMessage, SourcesMessage, WatchMessage, UnwatchMessage,
                 WatchStateMessage, DocumentMessage, CurrentMessage, GoneMessage, RulesAskMessage, RulesMessage>;

struct ChannelPacket {
    ChannelHeader header;
    std::vector<ChannelMessage> messages;
    bool operator==(const ChannelPacket&) const = default;
};

/// Two of the longest names, percent-encoded, fill more than a datagram: nobody can be asked about such a pair.
bool fits_watch(const PresentityUri& presentity, const PresentityUri& watcher);

Bytes encode(const ChannelMessage& message);
Bytes encode(const ChannelHeader& header);
/// A packet is its header and then its messages, one after the other.
Bytes encode(const ChannelPacket& packet);
/// malformed, not_canonical, too_large, unsupported_version. Messages of kinds we do not know are left out.
Result<ChannelPacket> decode_channel_packet(BytesView bytes);

}  // namespace presmesh::proto
