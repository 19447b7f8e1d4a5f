#include <sodium.h>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/record.hpp"
#include "proto/text.hpp"

namespace presmesh::proto {

namespace {

constexpr std::uint64_t summary_version = 1;
constexpr std::size_t summary_fields = 6;
constexpr std::string_view purpose = "presmesh summary 1";
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t most_activities = 15;
constexpr std::array<std::size_t, 3> padded_lengths{32, 64, limits::summary_bytes};
constexpr const char* service_id = "summary";

Bytes pack(const Summary& summary) {
    MsgpackWriter out;
    out.array(summary_fields).uint(summary_version).uint(static_cast<std::uint8_t>(summary.basic));
    if (summary.show)
        out.uint(static_cast<std::uint8_t>(*summary.show));
    else
        out.nil();
    if (summary.priority)
        out.sint(*summary.priority);
    else
        out.nil();
    out.str(summary.note).array(summary.activities.size());
    for (const auto& name : summary.activities) out.str(name);
    return out.take();
}

std::string cut(std::string_view text, std::size_t most) {
    if (text.size() <= most) return std::string(text);
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
    return std::string(text.substr(0, most));
}

// The note first, then activities in their order for as long as they fit.
Summary fitted(const Summary& whole) {
    Summary out = whole;
    out.note = cut(whole.note, limits::summary_note_bytes);
    out.activities.clear();
    for (const auto& name : whole.activities) {
        if (out.activities.size() == most_activities) break;
        out.activities.push_back(name);
        if (pack(out).size() > limits::summary_bytes) out.activities.pop_back();
    }
    return out;
}

void add_activities(Summary& out, const std::optional<Activities>& from, WallTime now) {
    if (!from || !from->hold_at(now)) return;
    for (const auto& name : from->names)
        if (!name.empty() && std::find(out.activities.begin(), out.activities.end(), name) == out.activities.end())
            out.activities.push_back(name);  // one without a name is refused by who reads
}

void take_first_note(Summary& out, const std::vector<Note>& notes) {
    if (out.note.empty() && !notes.empty()) out.note = notes.front().text;
}

std::optional<Show> read_show(MsgpackReader& in) {
    if (in.try_nil()) return std::nullopt;
    std::uint64_t value = in.uint();
    if (in.ok() && (value < 1 || value > 4)) in.fail(Reason::malformed, "no such show");
    return in.ok() ? std::optional(static_cast<Show>(value)) : std::nullopt;
}

std::optional<std::int8_t> read_priority(MsgpackReader& in) {
    if (in.try_nil()) return std::nullopt;
    return static_cast<std::int8_t>(in.sint(INT8_MIN, INT8_MAX));
}

// What a translator can say in XML: it becomes a document again.
bool holds_text(const Summary& summary) {
    return is_text(summary.note) && std::all_of(summary.activities.begin(), summary.activities.end(),
                                                [](const auto& name) { return !name.empty() && is_text(name); });
}

Result<Summary> unpack(BytesView plain) {
    MsgpackReader in(plain);
    std::size_t fields = in.array(limits::summary_bytes);
    std::uint64_t version = in.uint();
    if (in.ok() && version > summary_version) in.fail(Reason::unsupported_version, "a newer summary");
    if (in.ok() && (version != summary_version || fields < summary_fields)) in.fail(Reason::malformed, "another form");
    Summary out;
    out.basic = static_cast<Basic>(in.uint(1));
    out.show = read_show(in);
    out.priority = read_priority(in);
    out.note = in.str(limits::summary_note_bytes);
    for (std::size_t n = in.array(most_activities); n > 0 && in.ok(); --n)
        out.activities.emplace_back(in.str(limits::summary_bytes));
    if (in.ok()) in.skip(fields - summary_fields);
    BytesView padding = in.rest();
    if (std::any_of(padding.begin(), padding.end(), [](std::uint8_t b) { return b != 0; }))
        in.fail(Reason::malformed, "bytes after the end");
    if (!holds_text(out)) in.fail(Reason::malformed, "not text");
    if (auto fine = in.status(); !fine) return tl::make_unexpected(fine.error());
    return out;
}

void pad(Bytes& plain) {
    for (std::size_t length : padded_lengths)
        if (plain.size() <= length) return plain.resize(length);
}

}  // namespace

Summary Summary::of(const Presence& presence, WallTime now) {
    Summary out;
    out.basic = presence.is_open() ? Basic::open : Basic::closed;
    const Service* best = presence.best_service();
    for (const Person& person : presence.persons) add_activities(out, person.activities, now);
    if (best != nullptr) {
        out.show = best->show;
        out.priority = best->priority;
        add_activities(out, best->activities, now);
        take_first_note(out, best->notes);
    }
    for (const Person& person : presence.persons) take_first_note(out, person.notes);
    take_first_note(out, presence.notes);
    return fitted(out);
}

Presence Summary::to_presence() const {
    Presence out;
    Service service;
    service.id = service_id;
    service.basic = basic;
    service.show = show;
    service.priority = priority;
    if (!note.empty()) service.notes.push_back({"", note});
    out.services.push_back(std::move(service));
    if (activities.empty()) return out;
    Person person;
    person.id = service_id;
    person.activities.emplace();
    person.activities->names = activities;
    out.persons.push_back(std::move(person));
    return out;
}

Bytes seal_summary(const Summary& summary, const SymmetricKey& content_key, Random& random) {
    Bytes plain = pack(fitted(summary));
    pad(plain);
    Bytes out(nonce_bytes + plain.size() + tag_bytes);
    random.fill({out.data(), nonce_bytes});
    BytesView bound = as_bytes(purpose);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + nonce_bytes, nullptr, plain.data(), plain.size(),
                                               bound.data(), bound.size(), nullptr, out.data(), content_key.data());
    sodium_memzero(plain.data(), plain.size());
    return out;
}

Result<Summary> open_summary(BytesView sealed, const SymmetricKey& content_key) {
    if (sealed.size() < nonce_bytes + tag_bytes) return refuse(Reason::malformed, "too short for a sealed summary");
    if (sealed.size() > limits::record_bytes) return refuse(Reason::too_large, "sealed summary");
    Bytes plain(sealed.size() - nonce_bytes - tag_bytes);
    BytesView bound = as_bytes(purpose);
    int code = crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data() + nonce_bytes,
                                                          sealed.size() - nonce_bytes, bound.data(), bound.size(),
                                                          sealed.data(), content_key.data());
    if (code != 0) return refuse(Reason::bad_signature, "sealed under another key");
    auto summary = unpack(plain);
    sodium_memzero(plain.data(), plain.size());
    return summary;
}

}  // namespace presmesh::proto
