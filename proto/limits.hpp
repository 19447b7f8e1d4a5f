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
inline constexpr std::size_t summary_bytes = 128;       ///< of a summary before sealing; the largest record (two IPv6 endpoints, delegated) still fits
inline constexpr std::size_t record_endpoints = 2;      ///< one of each address family
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
inline constexpr std::size_t stanza_bytes = 64 * 1024;      ///< XMPP, one first-level element; RFC 6120 asks for at least 10000
inline constexpr std::size_t stanza_attributes = 64;         ///< of one element
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

// Sealed transport
inline constexpr std::size_t certificate_bytes = 512;       ///< encoded; the longest domain makes about 400
inline constexpr std::size_t peers = 16'384;                ///< nodes with a session; about 1 KB each
inline constexpr std::size_t peers_per_domain = 64;         ///< node certificates of one domain at a time: what one member can take up of the table and of the id space
inline constexpr std::size_t pending_handshakes = 1'024;    ///< that we started
inline constexpr std::size_t queued_per_handshake = 16;     ///< datagrams that wait for one handshake
inline constexpr std::size_t queued_datagrams = 4'096;      ///< that wait for handshakes in all: 5 MB
inline constexpr std::size_t transport_queue = 16'384;      ///< datagrams and events the owner has not fetched
inline constexpr std::size_t unanswered_kept = 4;           ///< last datagrams per peer, sent again when it turns out to have restarted
inline constexpr auto unanswered_age = 5s;                  ///< older ones are not worth it
inline constexpr int handshakes_per_second = 500;           ///< answered in all; each costs 0.25 ms, so an eighth of a core. Twice that in a burst
inline constexpr int handshakes_per_second_per_address = 50;  ///< a provider's nodes may share one address
inline constexpr std::size_t handshake_addresses = 1'024;   ///< addresses counted at a time; past it a cookie is asked for
inline constexpr int cookies_per_second = 1'000;            ///< 25 bytes each
inline constexpr int stranger_answers_per_second = 100;     ///< UNKNOWN, and WELCOME sent again
inline constexpr auto cookie_secret_age = 2min;             ///< a cookie is good for one to two of these
inline constexpr auto hello_resend = 250ms;                 ///< then 0.5 s, 1 s, 2 s
inline constexpr int hello_attempts = 5;                    ///< the last one waits 2 s: 5.75 s in all
inline constexpr auto hello_memory = 10min;                 ///< how long a node's last HELLO time is remembered after its session
inline constexpr auto session_idle = 5min;                  ///< unless held
inline constexpr auto session_silence = 10s;                ///< nothing back for that long while we send: shake hands again
inline constexpr auto shake_again_gap = 1s;                 ///< between handshakes with a node that has a session
inline constexpr auto session_rekey_age = 1h;               ///< and the session ends for good at twice that
inline constexpr std::uint64_t session_rekey_bytes = 1ull << 36;  ///< 64 GB
inline constexpr auto session_overlap = 30s;                ///< an old session still opens what was on the way
inline constexpr auto session_unconfirmed = 10s;            ///< we answered a HELLO and no data came
inline constexpr std::size_t replay_window = 2'048;         ///< counters
inline constexpr auto transport_sweep = 30s;

}  // namespace presmesh::proto::limits
