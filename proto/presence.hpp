// The one presence value every translator speaks: the RFC 4479 data model (person, services, devices) with RPID
// activities (RFC 4480), notes by language, XMPP show and priority, idle times, and every extension element kept as it
// came.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"

namespace presmesh::proto {

enum class Basic : std::uint8_t { closed = 0, open = 1 };                // RFC 3863 section 4.1.4
enum class Show : std::uint8_t { away = 1, chat = 2, dnd = 3, xa = 4 };  // RFC 6121 section 4.7.2.1; none = available

struct Note {
    std::string lang;  ///< BCP 47, empty when not said
    std::string text;
    bool operator==(const Note&) const = default;
};

/// One element we do not interpret, as XML that stands by itself (its namespaces declared on it), in the one spelling
/// of FORMAT.md (extension), so that equal elements are equal strings. See is_extension_xml in text.hpp.
using ExtensionXml = std::string;

/// RPID activities (RFC 4480 section 3.2).
struct Activities {
    std::vector<std::string>
        names;  ///< RPID local names ("away", "on-the-phone"); "other:TEXT" for <other>TEXT</other>
    std::vector<Note> notes;
    std::optional<WallTime> from;
    std::optional<WallTime> until;
    bool operator==(const Activities&) const = default;
    /// Are they going on (RFC 4480 section 3.1)? Announced and past ones are no state of now.
    bool hold_at(WallTime now) const { return (!from || *from <= now) && (!until || now < *until); }
};

/// RPID user-input (RFC 4480 section 3.14), XEP-0319 idle.
struct UserInput {
    bool idle = false;
    std::optional<WallTime> last_input;  ///< "idle since"
    std::optional<std::uint32_t> idle_threshold_s;
    bool operator==(const UserInput&) const = default;
};

/// When the source's node took an element as it is now: which of two versions of it, told by two nodes, is the newer.
/// Set by nodes; translators neither set nor show it.
using Published = std::optional<WallTime>;

/// A PIDF tuple; an XMPP resource.
struct Service {
    std::string id;  ///< unique in the document; the XMPP resource, or the tuple id
    std::optional<Basic> basic;
    std::optional<Show> show;
    std::string contact;                            ///< contact URI, empty when none
    std::optional<std::uint16_t> contact_priority;  ///< thousandths, 0..1000 (RFC 3863 section 4.1.5)
    std::optional<std::int8_t> priority;            ///< XMPP, -128..127; kept beside contact_priority, see MAPPING.md
    std::vector<Note> notes;
    std::optional<Activities> activities;
    std::optional<UserInput> user_input;
    std::vector<std::string> device_ids;  ///< RFC 4479 section 3.4
    std::optional<WallTime> timestamp;
    std::vector<ExtensionXml> status_extensions;  ///< children of <status> we do not interpret
    std::vector<ExtensionXml> extensions;         ///< children of <tuple>, or of <presence/> in XMPP
    Published published = {};
    bool operator==(const Service&) const = default;
};

struct Person {
    std::string id;
    std::optional<Activities> activities;
    std::optional<UserInput> user_input;
    std::vector<Note> notes;
    std::optional<WallTime> timestamp;
    std::vector<ExtensionXml> extensions;
    Published published = {};
    bool operator==(const Person&) const = default;
};

struct Device {
    std::string id;
    std::string device_id;
    std::optional<UserInput> user_input;
    std::vector<Note> notes;
    std::optional<WallTime> timestamp;
    std::vector<ExtensionXml> extensions;
    Published published = {};
    bool operator==(const Device&) const = default;
};

struct Presence {
    std::vector<Service> services;
    std::vector<Person> persons;  ///< one after composition; several when sources disagree (RFC 4479 section 3.2)
    std::vector<Device> devices;
    std::vector<Note> notes;
    std::vector<ExtensionXml> extensions;
    bool operator==(const Presence&) const = default;

    /// Any service open?
    bool is_open() const;
    /// The open service of the highest priority (first in document order among equals), or the first, or none.
    const Service* best_service() const;
};

/// The times a document can hold: the years 1 to 9999, which RFC 3339 can write.
inline constexpr WallTime least_document_time = wall_from_seconds(-62'135'596'800);
inline constexpr WallTime greatest_document_time = wall_from_seconds(253'402'300'800) - Duration{1};

/// Canonical msgpack (FORMAT.md: document). Equal values give equal bytes.
Bytes encode(const Presence& presence);
/// malformed, not_canonical, too_large, unsupported_version.
Result<Presence> decode_presence(BytesView bytes);

/// The document everyone hands around: its bytes and their digest. Nodes keep a great many, and look into few, so the
/// value is not kept.
struct Document {
    Bytes bytes;
    Digest digest{};

    /// Decoded anew by each call, a few microseconds. A value: name it before walking its lists.
    Presence presence() const;
    /// too_large (whole, or a list of it); malformed: text that is not is_text, an extension that is not
    /// is_extension_xml, a number or time out of range.
    static Result<std::shared_ptr<const Document>> make(Presence presence);
    /// As decode_presence. `bytes` is kept as it came, so a digest of it stays true for those who knew more fields.
    static Result<std::shared_ptr<const Document>> read(BytesView bytes);
};
using DocumentPtr = std::shared_ptr<const Document>;

/// Equal bytes, or both null.
inline bool same_document(const DocumentPtr& one, const DocumentPtr& other) {
    return one == other || (one && other && one->digest == other->digest);
}

}  // namespace presmesh::proto
