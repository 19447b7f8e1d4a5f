#include "proto/channel_messages.hpp"

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::proto {

namespace {

// These numbers travel. Never use one again for something else.
constexpr std::uint64_t channel_version = 1;
constexpr std::size_t fields_max = 16;  // later minor versions may append fields; they are passed over
enum Kind : std::uint8_t {
    kind_ack = 1,
    kind_lease = 2,
    kind_leave = 3,
    kind_query = 4,
    kind_sources = 5,
    kind_watch = 6,
    kind_unwatch = 7,
    kind_watch_state = 8,
    kind_document = 9,
    kind_current = 10,
    kind_gone = 11,
    kind_rules_ask = 12,
    kind_rules = 13,
};

MsgpackWriter begin(std::uint8_t kind, std::size_t fields) {
    MsgpackWriter out;
    out.array(fields + 1).uint(kind);
    return out;
}

template <std::size_t N>
void write_optional(MsgpackWriter& out, const std::optional<std::array<std::uint8_t, N>>& value) {
    if (value)
        out.bin(*value);
    else
        out.nil();
}

void write(MsgpackWriter& out, const Sequence& sequence) {
    out.uint(sequence.epoch).uint(sequence.counter);
}

MsgpackWriter write(const AckMessage& m) {
    auto out = begin(kind_ack, 2);
    out.uint(m.largest).uint(m.below);
    return out;
}
MsgpackWriter write(const LeaseMessage& m) {
    auto out = begin(kind_lease, 1);
    out.uint(m.bound_ms);
    return out;
}
MsgpackWriter write(const LeaveMessage&) {
    return begin(kind_leave, 0);
}
MsgpackWriter write(const QueryMessage& m) {
    auto out = begin(kind_query, 2);
    out.uint(m.query).str(m.presentity.pres());
    return out;
}
MsgpackWriter write(const SourcesMessage& m) {
    auto out = begin(kind_sources, 3);
    out.uint(m.query).boolean(m.own).array(m.records.size());
    for (const auto& record : m.records) out.bin(record);
    return out;
}
MsgpackWriter write(const WatchMessage& m) {
    auto out = begin(kind_watch, 5);
    out.uint(m.watch).uint(m.revision).str(m.presentity.pres()).str(m.watcher.pres());
    write_optional(out, m.held);
    return out;
}
MsgpackWriter write(const UnwatchMessage& m) {
    auto out = begin(kind_unwatch, 1);
    out.uint(m.watch);
    return out;
}
MsgpackWriter write(const WatchStateMessage& m) {
    auto out = begin(kind_watch_state, 6);
    out.uint(m.watch).uint(m.revision).uint(static_cast<std::uint8_t>(m.state)).str(m.reason).uint(m.stream);
    write_optional(out, m.content_key);
    return out;
}
MsgpackWriter write(const DocumentMessage& m) {
    auto out = begin(kind_document, 6);
    out.uint(m.stream);
    write(out, m.sequence);
    out.uint(m.index).uint(m.count).bin(m.bytes);
    return out;
}
MsgpackWriter write(const CurrentMessage& m) {
    auto out = begin(kind_current, 4);
    out.uint(m.stream);
    write(out, m.sequence);
    out.bin(m.digest);
    return out;
}
MsgpackWriter write(const GoneMessage& m) {
    auto out = begin(kind_gone, 3);
    out.uint(m.stream);
    write(out, m.sequence);
    return out;
}
MsgpackWriter write(const RulesAskMessage& m) {
    auto out = begin(kind_rules_ask, 2);
    out.uint(m.log).uint(m.since);
    return out;
}
MsgpackWriter write(const RulesMessage& m) {
    auto out = begin(kind_rules, 4);
    out.uint(m.log).uint(m.since).uint(m.upto).array(m.changes.size());
    for (const auto& change : m.changes) {
        out.array(5).str(change.presentity.canonical()).boolean(change.decision).str(change.who);
        change.handling ? out.uint(*change.handling) : out.nil();
        out.uint(change.stamp);
    }
    return out;
}

// ---- reading

Sequence read_sequence(MsgpackReader& in) {
    Sequence sequence;
    sequence.epoch = in.uint();
    sequence.counter = in.uint();
    return sequence;
}

PresentityUri read_uri(MsgpackReader& in) {
    auto text = in.str(3 * limits::uri_bytes);
    if (!in.ok()) return {};
    auto uri = PresentityUri::parse(text);
    if (!uri) {
        in.fail(uri.error().reason, "a name that is none");
        return {};
    }
    if (uri->pres() != text) in.fail(Reason::not_canonical, "a name in another spelling");
    return std::move(*uri);
}

template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> read_optional(MsgpackReader& in) {
    if (in.try_nil()) return std::nullopt;
    return in.fixed<N>();
}

SourcesMessage read_sources(MsgpackReader& in) {
    SourcesMessage m;
    m.query = in.uint();
    m.own = in.boolean();
    auto count = in.array(limits::records_per_answer);
    for (std::size_t i = 0; i < count && in.ok(); ++i) {
        auto record = in.bin(limits::record_bytes);
        m.records.emplace_back(record.begin(), record.end());
    }
    return m;
}

WatchMessage read_watch(MsgpackReader& in) {
    WatchMessage m;
    m.watch = in.uint();
    m.revision = static_cast<std::uint32_t>(in.uint(UINT32_MAX));
    m.presentity = read_uri(in);
    m.watcher = read_uri(in);
    m.held = read_optional<32>(in);
    return m;
}

WatchStateMessage read_watch_state(MsgpackReader& in) {
    WatchStateMessage m;
    m.watch = in.uint();
    m.revision = in.uint();
    m.state = static_cast<WatchState>(in.uint(2));
    m.reason = in.str(limits::reason_bytes);
    m.stream = in.uint();
    m.content_key = read_optional<32>(in);
    return m;
}

DocumentMessage read_document(MsgpackReader& in) {
    DocumentMessage m;
    m.stream = in.uint();
    m.sequence = read_sequence(in);
    m.index = static_cast<std::uint16_t>(in.uint(UINT16_MAX));
    m.count = static_cast<std::uint16_t>(in.uint(limits::document_parts));
    auto bytes = in.bin(limits::channel_datagram_bytes);
    m.bytes.assign(bytes.begin(), bytes.end());
    if (in.ok() && m.index >= m.count) in.fail(Reason::malformed, "a part outside of its document");
    return m;
}

CurrentMessage read_current(MsgpackReader& in) {
    CurrentMessage m;
    m.stream = in.uint();
    m.sequence = read_sequence(in);
    m.digest = in.fixed<32>();
    return m;
}

RuleChange read_rule_change(MsgpackReader& in) {
    RuleChange change;
    if (in.array(5) != 5) in.fail(Reason::malformed, "a rule has five fields");
    auto presentity = PresentityUri::from_canonical(in.str(limits::uri_bytes));
    if (in.ok() && !presentity) in.fail(presentity.error().reason, "a name that is none");
    if (presentity) change.presentity = std::move(*presentity);
    change.decision = in.boolean();
    change.who = in.str(limits::uri_bytes);
    if (!in.try_nil()) change.handling = static_cast<std::uint8_t>(in.uint(UINT8_MAX));
    change.stamp = in.uint();
    return change;
}

RulesMessage read_rules(MsgpackReader& in) {
    RulesMessage m;
    m.log = in.uint();
    m.since = in.uint();
    m.upto = in.uint();
    if (in.ok() && m.upto < m.since) in.fail(Reason::malformed, "it ends before it begins");
    for (auto left = in.array(limits::rules_per_message); left > 0 && in.ok(); --left)
        m.changes.push_back(read_rule_change(in));
    return m;
}

struct KnownKind {
    std::size_t fields;
    ChannelMessage (*read)(MsgpackReader&);
};

const KnownKind* known_kind(std::uint64_t kind) {
    static constexpr auto table = std::to_array<KnownKind>({
        {2,
         [](MsgpackReader& in) -> ChannelMessage {
             auto a = in.uint();
             return AckMessage{a, in.uint()};
         }},
        {1,
         [](MsgpackReader& in) -> ChannelMessage {
             return LeaseMessage{static_cast<std::uint32_t>(in.uint(UINT32_MAX))};
         }},
        {0, [](MsgpackReader&) -> ChannelMessage { return LeaveMessage{}; }},
        {2,
         [](MsgpackReader& in) -> ChannelMessage {
             auto q = in.uint();
             return QueryMessage{q, read_uri(in)};
         }},
        {3, [](MsgpackReader& in) -> ChannelMessage { return read_sources(in); }},
        {5, [](MsgpackReader& in) -> ChannelMessage { return read_watch(in); }},
        {1, [](MsgpackReader& in) -> ChannelMessage { return UnwatchMessage{in.uint()}; }},
        {6, [](MsgpackReader& in) -> ChannelMessage { return read_watch_state(in); }},
        {6, [](MsgpackReader& in) -> ChannelMessage { return read_document(in); }},
        {4, [](MsgpackReader& in) -> ChannelMessage { return read_current(in); }},
        {3,
         [](MsgpackReader& in) -> ChannelMessage {
             auto s = in.uint();
             return GoneMessage{s, read_sequence(in)};
         }},
        {2,
         [](MsgpackReader& in) -> ChannelMessage {
             auto log = in.uint();
             return RulesAskMessage{log, in.uint()};
         }},
        {4, [](MsgpackReader& in) -> ChannelMessage { return read_rules(in); }},
    });
    return kind >= 1 && kind <= table.size() ? &table[kind - 1] : nullptr;
}

void read_message(MsgpackReader& in, std::vector<ChannelMessage>& out) {
    auto count = in.array(fields_max);
    if (in.ok() && count == 0) in.fail(Reason::malformed, "a message without a kind");
    const auto kind = in.uint();
    if (!in.ok()) return;
    const auto* known = known_kind(kind);
    if (known == nullptr) return in.skip(count - 1);
    if (count - 1 < known->fields) return in.fail(Reason::malformed, "a message cut short");
    out.push_back(known->read(in));
    in.skip(count - 1 - known->fields);
}

}  // namespace

Bytes encode(const ChannelMessage& message) {
    return std::visit([](const auto& m) { return write(m).take(); }, message);
}

Bytes encode(const ChannelHeader& header) {
    MsgpackWriter out;
    out.array(4).uint(channel_version).uint(header.own).uint(header.peer).uint(header.number);
    return out.take();
}

bool fits_watch(const PresentityUri& presentity, const PresentityUri& watcher) {
    const WatchMessage longest{UINT64_MAX, UINT32_MAX, presentity, watcher, Digest{}};
    return encode(ChannelPacket{{UINT64_MAX, UINT64_MAX, UINT64_MAX}, {longest}}).size() <=
           limits::channel_datagram_bytes;
}

Bytes encode(const ChannelPacket& packet) {
    auto out = encode(packet.header);
    for (const auto& message : packet.messages) {
        auto bytes = encode(message);
        out.insert(out.end(), bytes.begin(), bytes.end());
    }
    return out;
}

Result<ChannelPacket> decode_channel_packet(BytesView bytes) {
    if (bytes.size() > limits::channel_datagram_bytes) return refuse(Reason::too_large, "channel packet");
    MsgpackReader in(bytes);
    ChannelPacket packet;
    const auto count = in.array(fields_max);
    const auto version = in.uint();
    if (in.ok() && version != channel_version) return refuse(Reason::unsupported_version, "channel packet");
    if (in.ok() && count < 4) in.fail(Reason::malformed, "a header cut short");
    packet.header.own = in.uint();
    packet.header.peer = in.uint();
    packet.header.number = in.uint();
    if (in.ok()) in.skip(count - 4);
    while (in.ok() && !in.at_end()) read_message(in, packet.messages);
    if (auto status = in.finish(); !status) return tl::make_unexpected(status.error());
    return packet;
}

}  // namespace presmesh::proto
