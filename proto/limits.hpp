// Every bound of the house, with its reason. A bound not here is a bug.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace presmesh::proto::limits {

using namespace std::chrono_literals;

// Records
inline constexpr std::size_t record_bytes = 520;        ///< packed; with OpenDHT's own value header it stays at or under 560, beyond which OpenDHT fragments
inline constexpr std::size_t summary_note_bytes = 64;   ///< of the first note; the rest of the document is had over the channel
inline constexpr auto record_lifetime = 24h;            ///< OpenDHT value types may keep no longer
inline constexpr auto record_clock_skew = 5min;         ///< how far in the future `issued` may lie

// Trust
inline constexpr std::size_t statements_cached = 8192;  ///< certificates and delegations whose signature was found good; 64 bytes each

// Names
inline constexpr std::size_t uri_bytes = 1024;          ///< scheme, user and domain of any spelling: the longest user, all of it percent-encoded
inline constexpr std::size_t user_bytes = 255;          ///< canonical user part; RFC 6122 allows 1023, no deployed server does
inline constexpr std::size_t domain_bytes = 253;        ///< RFC 1035

// Documents
inline constexpr std::size_t document_bytes = 64 * 1024;   ///< encoded; larger publications are refused by name (413)
inline constexpr std::size_t pidf_bytes = 256 * 1024;      ///< a PIDF body before parsing
inline constexpr std::size_t xml_depth = 32;
inline constexpr std::size_t xml_elements = 4096;          ///< per document
inline constexpr std::size_t services_per_document = 64;
inline constexpr std::size_t notes_per_element = 32;
inline constexpr std::size_t extensions_per_element = 64;

// Presence service
inline constexpr std::size_t publications_per_presentity = 32;
inline constexpr std::size_t presentities_per_node = 250'000;
inline constexpr std::size_t watches_per_node = 500'000;
inline constexpr std::size_t watches_per_watcher = 10'000;
inline constexpr std::size_t watchers_per_presentity = 50'000; ///< a famous user; each costs a few hundred bytes
inline constexpr std::size_t pending_watchers_per_presentity = 200; ///< a person can not decide on more; the rest is told to try later
inline constexpr std::size_t rules_per_presentity = 1'000;
inline constexpr std::size_t turn_rounds = 32;              ///< tell-and-answer rounds inside one turn; what is left waits for the next
inline constexpr auto publication_min_expires = 60s;       ///< RFC 3903 leaves it to us; shorter is SIP 423
inline constexpr auto publication_max_expires = 24h;
inline constexpr auto publication_default_expires = 1h;    ///< RFC 3903 section 6

// Datagrams, sessions and channel: see overlay's part below
inline constexpr std::size_t datagram_bytes = 1280;        ///< of UDP payload we send: under the least IPv6 MTU less headers is 1232, OpenDHT sends up to 1280
inline constexpr std::size_t channel_datagram_bytes = 1180;///< plain bytes the channel packs in one datagram, so that sealing keeps it under 1232

}  // namespace presmesh::proto::limits
