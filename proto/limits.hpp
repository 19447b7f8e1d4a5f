// Every bound of the house, with its reason: how much is kept, taken, sent or tried, and for how long. A bound not
// here is a bug. What a format or an RFC fixes (lengths of fields, timers) stands where it is read or kept.
// A bound a line, its reason beside it:
// clang-format off
#pragma once

#include <array>
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
inline constexpr std::size_t certificates_verified = 8192;  ///< certificates whose signature was found good; 100 bytes each
inline constexpr std::size_t delegations_verified = 8192;   ///< likewise; one provider may host the users of thousands of domains
inline constexpr std::size_t records_verified = 4096;    ///< records whose signature was found good lately; 700 bytes each. Eight replicas answer a look-up within seconds
inline constexpr auto records_verified_for = 1min;       ///< then a copy is verified anew: a refresh of the record has another signature

// Names
inline constexpr std::size_t uri_bytes = 1024;          ///< scheme, user and domain of any spelling: the longest user, all of it percent-encoded
inline constexpr std::size_t user_bytes = 255;          ///< canonical user part; RFC 6122 allows 1023, no deployed server does
inline constexpr std::size_t domain_bytes = 253;        ///< RFC 1035
inline constexpr std::size_t language_tag_bytes = 64;   ///< well above any that is registered
inline constexpr std::size_t jid_part_bytes = 1023;     ///< of a JID's local part, domain or resource (RFC 7622 section 3.1)

// Documents
inline constexpr std::size_t document_bytes = 64 * 1024;   ///< encoded; larger publications are refused by name (413)
inline constexpr std::size_t pidf_bytes = 256 * 1024;      ///< a PIDF body before parsing
inline constexpr std::size_t xml_depth = 32;
inline constexpr std::size_t xml_elements = 4096;          ///< per document
inline constexpr std::size_t xml_expanded_bytes = 4 * document_bytes;  ///< names, namespaces and attributes of all elements of one document or stanza. A tree has the namespace with each element, so a long one under a prefix would grow a thousandfold; 4096 elements of usual namespaces fit
inline constexpr std::size_t stanza_bytes = 64 * 1024;      ///< XMPP, one first-level element; RFC 6120 asks for at least 10000
inline constexpr std::size_t repeated_note_bytes = 4 * document_bytes; ///< of a document's notes in the stanzas of all its services together; else one document would be 4 MB to each contact. 64 services may repeat 4 KB each
inline constexpr std::size_t stanza_attributes = 64;         ///< of one element
inline constexpr std::size_t skipped_stanza_bytes = 10 * 1024 * 1024; ///< a stanza over its bounds is read past, not kept; over this the stream ends. Servers let their users send 256 KiB
inline constexpr std::size_t skipped_stanza_depth = 100'000; ///< expat keeps about 100 bytes per open element; 256 KiB of "<a>" are 87,000
inline constexpr std::size_t skipped_tag_bytes = 1024 * 1024;  ///< expat keeps a tag until it is whole
inline constexpr std::size_t skipped_attribute_bytes = 3'200;  ///< of a skipped stanza's from, to, id, type; a JID has up to 3071 (RFC 7622)
inline constexpr std::size_t services_per_document = 64;
inline constexpr std::size_t notes_per_element = 32;       ///< and names of activities
inline constexpr std::size_t extensions_per_element = 64;

// Presence service
inline constexpr std::size_t publications_per_presentity = 32;
inline constexpr std::size_t presentities_per_node = 250'000;
inline constexpr std::size_t presentities_watched_share = 2;  ///< of presentities_per_node, one domain may be the first to watch so large a part: half
inline constexpr std::size_t watches_per_node = 500'000;
inline constexpr std::size_t watches_per_watcher = 10'000;
inline constexpr std::size_t watchers_per_presentity = 50'000; ///< a famous user; each costs a few hundred bytes
inline constexpr std::size_t watchers_share = 2;  ///< of watchers_per_presentity, one other domain's watchers may take so large a part: half
inline constexpr std::size_t pending_watchers_per_presentity = 200; ///< a person can not decide on more; the rest is told to try later
inline constexpr std::size_t pending_watchers_per_domain = 50;  ///< of those places, for one domain's watchers: no domain can take them all
inline constexpr std::size_t rules_per_presentity = 1'000;
inline constexpr std::size_t rules_with_told = 2 * rules_per_presentity; ///< with what other nodes of the domain tell of: two that were apart may have as many each, and no block is lost
inline constexpr std::size_t rules_per_message = 64;          ///< told to another node of the domain at once
inline constexpr std::size_t rules_message_bytes = 1080;      ///< of names and 24 for each: the longest two fit, and a datagram holds it
inline constexpr std::size_t rules_taken_back = 100'000;      ///< remembered, so that no node of the domain brings them back; the oldest goes first
inline constexpr std::size_t turn_rounds = 32;              ///< tell-and-answer rounds inside one turn; what is left waits for the next
inline constexpr unsigned change_burst = 20;                ///< changes of one presentity that go out as they come; then one every change_interval, the newest
inline constexpr auto change_interval = 5s;                ///< RFC 3856 section 6.10
inline constexpr unsigned told_burst = 40;                 ///< changes of what one watch sees: two sources may have their bursts at once
inline constexpr auto told_interval = 2s;                  ///< and two go on changing; a source that keeps no pace is slowed here
inline constexpr auto publication_min_expires = 60s;       ///< RFC 3903 leaves it to us; shorter is SIP 423
inline constexpr auto publication_max_expires = 24h;
inline constexpr auto wall_step = 1min;                    ///< the wall clock ran ahead of the steady one by so much: it was set, or the machine stood still. Less is no harm to a publication
inline constexpr auto wall_looked_at = 1min;               ///< so often at least, while something is published
inline constexpr auto farewell = 24h;                      ///< how long "published nothing any more" is told as offline
inline constexpr std::size_t farewell_share = 4;           ///< at most presentities_per_node / this are remembered so
inline constexpr auto publication_default_expires = 1h;    ///< RFC 3903 section 6
inline constexpr std::size_t saved_tag_bytes = 64;         ///< of a saved publication's entity tag; ours have 11
inline constexpr std::size_t saved_owner_bytes = 512;      ///< and of the name of the translator that set it: "xmpp." and a domain, or what the config says

// SIP translator
inline constexpr std::size_t sip_message_bytes = pidf_bytes + 16 * 1024; ///< the largest document, and its headers
inline constexpr std::size_t sip_transactions = 65'536;            ///< requests remembered against retransmission for 32 s; beyond: forgotten first to last
inline constexpr std::size_t sip_transaction_bytes = 32 * 1024 * 1024; ///< of them all with their answers; a burst of 24,000 needs 15 MB
inline constexpr std::size_t sip_unanswered = 20'000;              ///< requests the owner has not come to; more are turned away
inline constexpr std::size_t sip_unanswered_bytes = 64 * 1024 * 1024; ///< of them all; 20,000 of usual size are 40 MB
inline constexpr std::size_t sip_sources = 16'384;                 ///< addresses whose rate is counted at a time
inline constexpr std::size_t sip_nonces = 65'536;                  ///< whose use is remembered, against replay; about 100 bytes each. 250,000 users who come anew each hour make 21,000 in nonce_lifetime; beyond: the oldest are stale
inline constexpr std::uint32_t sip_nonce_window = 64;              ///< counts below a nonce's highest that may still come: requests of one client that overtook each other
inline constexpr int sip_messages_per_wake = 16;                    ///< read, and given to the node in one turn, before other sockets have theirs
inline constexpr unsigned sip_udp_buffer = 4 * 1024 * 1024;        ///< bytes; a flash crowd waits in the kernel, not in retransmission
inline constexpr unsigned sip_tcp_queue = 1'000;                   ///< messages per connection; sofia-sip's own most
inline constexpr auto sip_tcp_idle = 15min;                        ///< then a connection is closed
inline constexpr auto sip_tcp_partial = 30s;                       ///< how long a message may take to arrive whole
inline constexpr std::size_t sip_udp_message_bytes = 1'300;        ///< of a request that may go over UDP: RFC 3261 section 18.1.1, and what one forged SUBSCRIBE can have sent to somebody else. A state that is larger goes only where a NOTIFY was answered
inline constexpr std::uint32_t sip_notify_failures = 8;             ///< NOTIFYs of a subscription in a row; 20 min
inline constexpr std::uint32_t sip_notify_failures_proxy = 16;      ///< the same behind a proxy that is silent, and was not always: an hour, in which most watchers refresh
inline constexpr auto sip_last_parts = 32s;                         ///< what a NOTIFY says is left of a subscription that ends, while there is more to say: as long as one may go unanswered (64*T1)
inline constexpr auto winfo_interval = 5s;                         ///< RFC 3857 section 4.10: between two NOTIFYs of one subscription to watcher information, unless the second goes on with what did not fit the first
inline constexpr std::size_t winfo_document_bytes = 60'000;        ///< over TCP; about 400 watchers. The rest of a longer list comes in the next ones
inline constexpr std::size_t winfo_changes = 1'000;                ///< watchers whose changes wait for a subscription's next NOTIFY; 100 bytes each. Beyond: they are forgotten, and the list is told anew
inline constexpr std::size_t winfo_per_presentity = 32;            ///< subscriptions to its watcher information: one person's devices, some of them twice
inline constexpr std::size_t winfo_subscriptions = 100'000;        ///< of one translator; each costs about 2 KB. One for each user that eight shards serve
inline constexpr std::size_t sip_header_parameters = 32;           ///< of one header value we read ourselves
inline constexpr std::size_t sip_header_bytes = 8 * 1024;          ///< of such a value; the longest credentials have a few hundred
inline constexpr std::uint64_t sip_resubscribes_per_second = 500;  ///< after a restart of the attached server everyone subscribes again: it is not knocked over at once

// XMPP translator
inline constexpr std::size_t xmpp_write_bytes = 64 * 1024;         ///< handed to a socket at once
inline constexpr std::size_t xmpp_output_bytes = 16 * 1024 * 1024; ///< queued for a server that does not read; beyond: the stream is dropped and resynchronized
inline constexpr std::size_t xmpp_pairs = 500'000;                 ///< subscriptions of one attached server, either way
inline constexpr std::size_t xmpp_requests_per_domain = xmpp_pairs / 2; ///< of those, unanswered requests of one domain's watchers: no domain can take them all
inline constexpr std::size_t xmpp_resources = 32;                  ///< of one user that we keep; more are counted and left out
inline constexpr auto xmpp_first_copy_wait = 2s;                   ///< after an approval the server sends the state by itself; then it is asked
inline constexpr auto xmpp_answer_wait = 5s;                       ///< a probe's answers have no end mark: what came by then is all there is
inline constexpr int xmpp_probe_tries = 3;                         ///< the last by `subscribe`; then silence of a server that is up means offline
inline constexpr auto xmpp_differ_wait = 2s;                       ///< the copies of one broadcast come in one burst
inline constexpr auto xmpp_ask_again = 10min;                      ///< a refusal stands at least this long
inline constexpr auto xmpp_unanswered_linger = 24h;                ///< then a request that nobody waits for is taken back
inline constexpr std::size_t xmpp_swept_at_once = 2'000;           ///< authorizations given back in one turn
inline constexpr auto xmpp_settle = 10s;                           ///< a fresh watch takes its time to find the sources: until then "nothing known" and "pending" take nothing down
inline constexpr auto xmpp_unsure = 2min;                          ///< what was sent so long ago a stream that is still up has brought
inline constexpr auto xmpp_retry_least = 30s;                      ///< before a watch that ended is made again; doubles,
inline constexpr auto xmpp_retry_most = 1h;                        ///< up to this
inline constexpr auto xmpp_look_again_most = 24h;                  ///< at what activities begin or end later; the two clocks may part

// Datagrams, sessions and channel: see overlay's part below
inline constexpr std::size_t datagram_bytes = 1280;        ///< plain bytes in one DATA, as many as OpenDHT packs; sealing adds 35
inline constexpr std::size_t channel_datagram_bytes = 1180;///< of them, what the channel packs: sealed it stays under 1232, the least IPv6 MTU less headers

// Sealed transport
inline constexpr std::size_t certificate_bytes = 512;       ///< encoded; the longest domain makes about 400
inline constexpr std::size_t peers = 16'384;                ///< nodes with a session; about 1 KB each
inline constexpr std::size_t peers_per_domain = 64;         ///< node certificates of one domain at a time: what one member can take up of the table and of the id space
inline constexpr std::size_t pending_handshakes = 1'024;    ///< that we started
inline constexpr std::size_t queued_per_handshake = 16;     ///< datagrams that wait for one handshake
inline constexpr std::size_t queued_datagrams = 4'096;      ///< that wait for handshakes in all: 5 MB
inline constexpr std::size_t transport_queue = 16'384;      ///< datagrams and events the owner has not fetched
inline constexpr std::size_t unanswered_kept = 4;           ///< last datagrams per peer, sent again when it turns out to have given our session up
inline constexpr auto unanswered_age = 5s;                  ///< older ones are not worth it
inline constexpr int handshakes_per_second = 500;           ///< answered in all; each costs 0.25 ms, so an eighth of a core. Twice that in a burst
inline constexpr int handshakes_per_second_per_address = 50;  ///< a provider's nodes may share one address
inline constexpr std::size_t handshake_addresses = 1'024;   ///< addresses counted at a time; past it a cookie is asked for
inline constexpr int cookies_per_second = 1'000;            ///< 25 bytes each
inline constexpr int stranger_answers_per_second = 100;     ///< UNKNOWN, and WELCOME sent again
inline constexpr auto cookie_secret_age = 2min;             ///< a cookie is good for one to two of these
inline constexpr auto hello_resend = 250ms;                 ///< then 0.5 s, 1 s, 2 s
inline constexpr int hello_attempts = 5;                    ///< the last one waits 2 s: 5.75 s in all
inline constexpr int hello_cookies = 3;                     ///< taken for one HELLO: its secret may change meanwhile, not more often
inline constexpr int hello_bad_answers = 8;                 ///< WELCOMEs looked at for one HELLO; each costs two signature checks
inline constexpr std::size_t addresses_per_peer = 4;        ///< where a node was last reached: who sends there finds its session
inline constexpr auto hello_memory = 10min;                 ///< how long a node's last HELLO time is remembered after its session, and a quarter longer at most
inline constexpr auto welcome_kept = 10s;                   ///< an answer to a HELLO, to be sent again: longer than the other end asks
inline constexpr auto session_idle = 15s;                   ///< and until the next sweep; unless held. Over the DHT of a large federation two nodes speak once, or again after many minutes
inline constexpr int session_idle_times = 4;                ///< times as long as it was in use, where that is more: who spoke again and again will do so
inline constexpr auto session_idle_most = 1min;             ///< Of 512 nodes that come, go and look up both spare a third of the handshakes; 5 min would spare 60%, and 10,000 nodes take half as much memory again
inline constexpr auto session_silence = 10s;                ///< nothing back for that long while we send what wants an answer: shake hands again
inline constexpr std::uint32_t session_silence_sent = 3;    ///< and so many datagrams that want one
inline constexpr auto shake_again_gap = 1s;                 ///< between handshakes with a node that has a session
inline constexpr auto session_rekey_age = 1h;               ///< and the session ends for good at twice that
inline constexpr std::uint64_t session_rekey_bytes = 1ull << 36;  ///< 64 GB
inline constexpr auto session_overlap = 30s;                ///< an old session still opens what was on the way
inline constexpr auto session_unconfirmed = 10s;            ///< we answered a HELLO and no data came
inline constexpr std::size_t replay_window = 2'048;         ///< counters
inline constexpr auto transport_sweep = 30s;                ///< what is over is looked for as often at least,
inline constexpr auto transport_sweep_busy = 10s;           ///< and as often by who is awake anyway: most of what a DHT's node keeps is of peers it heard once
// Channel: what two nodes keep about each other
inline constexpr std::size_t records_per_answer = 2;       ///< of other sources, in one answer; two fit a datagram
inline constexpr std::size_t reason_bytes = 64;            ///< RFC 6665's reasons are far shorter
inline constexpr std::size_t document_part_bytes = 1024;   ///< of a document too large for one datagram; leaves room for the header
inline constexpr std::size_t document_parts = document_bytes / document_part_bytes + 1;
inline constexpr std::size_t watches_per_peer = 250'000;   ///< a peer may be the only other provider, with all our watchers
inline constexpr std::size_t watches_per_domain = watches_per_peer; ///< of ours, by watchers of one domain: its nodes, peers_per_domain of them, have no more than one alone may
inline constexpr std::size_t streams_receiving_parts = 64; ///< documents half arrived, per peer; more are not acknowledged, so come again
inline constexpr std::size_t channel_window_first = 32;    ///< packets in flight to a peer of unknown capacity
inline constexpr std::size_t channel_window_least = 4;
inline constexpr std::size_t channel_window_most = 256;    ///< about 300 kB in flight
inline constexpr auto resend_first = 500ms;                ///< before a round trip was measured
inline constexpr auto resend_least = 50ms;
inline constexpr auto resend_most = 5s;                    ///< so that a healed partition is noticed within this
inline constexpr auto resend_heard = 250ms;                ///< between two attempts in answer to a peer that acknowledged nothing for a while, and is heard: it may be back, and shows as live what it missed changes of
inline constexpr auto resend_unknown = 20s;                ///< to a peer whose lease ran out
inline constexpr auto ask_gone_every = 10ms;               ///< one of those out of reach, once another of them is heard again: a network that was cut is whole again, perhaps
inline constexpr auto ask_gone_again = 30s;                ///< and not again before: where nodes come and go, most of the others are gone for good
inline constexpr auto peer_forget = 10min;                 ///< a peer silent for so long: its watches end
inline constexpr auto peer_quiet = 1min;                   ///< whom we do not follow owes us no sign of life: asked for one after so long, and a bit
inline constexpr auto lease_bound_least = 2s;              ///< a peer may not ask us for more than a lease a second
inline constexpr auto lease_bound_most = 10min;
inline constexpr int channel_packets_per_second_per_peer = 4'000; ///< that want an acknowledgement, from one node; twice that in a burst. 100,000 answers with their documents in 10 s are 2,500. What is over comes again
inline constexpr int watches_per_second_per_peer = 10'000; ///< begun or asked about by one node; twice that in a burst: a flash crowd of 100,000 in 10 s
inline constexpr std::size_t tombstones_per_peer = 1'024;  ///< ended watches remembered, against late copies of their start
inline constexpr std::size_t channel_leftovers = 1'024;    ///< of ended watches and questions, kept for a peer out of reach or that acknowledges nothing; beyond, and beyond what still counts, all is forgotten and what counts asked anew
inline constexpr int memories_per_second_per_peer = 1;     ///< "I remember nothing of you": all we watch there is asked again. A node says so when it starts, and after peer_forget
inline constexpr int memories_burst_per_peer = 4;
inline constexpr std::size_t endpoints_per_node = 4;       ///< addresses a node may be dialed at: its record's two, and where it was seen
inline constexpr auto dial_first = 1s;                     ///< between attempts to reach a node we follow
inline constexpr std::size_t bootstrap_endpoints = 256;    ///< a node or two of every member
inline constexpr auto bootstrap_again_most = 1min;
inline constexpr auto bootstrap_refresh = 10min;           ///< an address that answered is knocked at again; costs a ping
inline constexpr std::size_t contacts = 8;                 ///< nodes of other members, kept over a restart
inline constexpr auto contact_stays = 1h;                  ///< not met for so long: another one takes its place
inline constexpr auto contacts_after = 10s;                ///< nobody answered since the start: those of the last run are tried
inline constexpr auto contacts_saved_first = 1min;         ///< after the start
inline constexpr auto contacts_saved_every = 10min;        ///< and at a clean stop
inline constexpr auto dial_most = 20s;

// Finding
inline constexpr std::size_t nodes_asked_per_domain = 4;   ///< nodes of a presentity's domain that are watched at
inline constexpr std::size_t sources_per_presentity = 8;   ///< followed at once
inline constexpr std::size_t lookups_at_once = 32;         ///< DHT gets; one costs about 75 messages
inline constexpr std::size_t listens_at_once = 256;        ///< for nodes of a domain; one costs about 5 messages a minute
inline constexpr auto query_patience = 1s;                 ///< for nodes of the domain, before the DHT is asked
inline constexpr auto answer_patience = 3s;                ///< for nodes that the DHT named, session made and all
inline constexpr auto lookup_patience = 30s;               ///< for a DHT get to end
inline constexpr auto siblings_first = 10s;                ///< after the first neighbour, to look for other nodes of the own domain; and again when nobody answered
inline constexpr auto siblings_again = 1h;                 ///< one look-up; who starts looks for those that run
inline constexpr auto look_again_first = 5s;
inline constexpr auto look_again_most = 40s;               ///< for a node of a domain that nobody answers for: one look-up for all its users
inline constexpr auto look_again_most_live = 5min;         ///< where a node of the domain answers: others of it may have come
inline constexpr auto get_again_first = 20s;               ///< for the presentity's own records
inline constexpr auto get_again_most = 30min;
inline constexpr auto domain_node_young = 30min;           ///< a node that announced itself so lately is tried before its domain's others are looked for: it does so every domain_record_refresh, and a quarter later at most
inline constexpr auto domain_nodes_fresh = 20s;            ///< how long a look-up of a domain's nodes serves other watches
inline constexpr auto domain_nodes_fresh_live = 5min;      ///< the same, while one of them answers
inline constexpr std::size_t records_known = 4'096;        ///< records of others kept for answering queries

// Publishing
inline constexpr auto record_rewrite_least = 10min;        ///< between two writes of one presentity's changed record; it is for finding, and for the last known state of a source whose node is gone: watchers follow over the channel
inline constexpr auto join_time = 1min;                    ///< a node that joined knows few others for so long, and what it puts may lie too far from its key
inline constexpr std::array domain_record_early{std::chrono::seconds{15}, std::chrono::seconds{60}, std::chrono::seconds{300}};  ///< between its first writes
inline constexpr auto domain_record_refresh = 20min;       ///< about 50 messages each
inline constexpr auto domain_record_lifetime = 2h;         ///< so that nodes that are gone are not looked for all day
inline constexpr auto tombstone_lifetime = 1h;             ///< of the record that says "withdrawn", at least; as long as what it replaces
inline constexpr auto record_old = record_lifetime * 3 / 4;  ///< a record not refreshed by then goes before others: refreshing begins at half its life
inline constexpr unsigned record_old_share = 4;             ///< but one put in so many is left to what is new or changed
inline constexpr std::size_t record_puts_per_second = 20;  ///< 250,000 records a day need 6 with half-life refreshes
inline constexpr std::chrono::microseconds record_put_interval = std::chrono::microseconds{std::chrono::seconds{1}} / record_puts_per_second;
inline constexpr std::size_t record_rewrites_per_second = 10; ///< of them, because of changes alone; some 50 messages each. A record is behind by record_rewrite_least, and a second more for each ten that wait before it: if 100,000 change all the time, 2.8 hours
inline constexpr std::chrono::microseconds record_rewrite_interval = std::chrono::microseconds{std::chrono::seconds{1}} / record_rewrites_per_second;

// The DHT
inline constexpr std::size_t presentities_per_shard = 12'500; ///< so that who writes much stores much for others. CPU asks for no more than one: 100,000 with 1, 2, 8 shards take 0.0059, 0.0056, 0.0052 cores
inline constexpr auto search_kept_of_get = 1min;              ///< after it ended: who finds nobody asks again within that; then in 5 minutes and more. With 15 s the halves of a healed partition met later, after 65 s at worst
inline constexpr auto search_kept_of_put = 5s;                ///< the next put of the key is minutes or hours away, and each packet is compared with every search
inline constexpr std::size_t dht_packet_bytes = 1'400;        ///< OpenDHT sends up to 1280 of fragments and a header
inline constexpr auto put_again_first = 1s;                   ///< after a put that nobody took, as before the first peer was known
inline constexpr auto put_again_most = 1min;                  ///< and no more a second than new ones: record_puts_per_second
inline constexpr std::size_t dht_values_per_packet = 64;      ///< looked at in a put; OpenDHT packs fewer than 50
inline constexpr std::size_t dht_output = 16'384;             ///< packets the owner has not fetched
inline constexpr std::size_t dht_events = 65'536;             ///< records found that the owner has not fetched
inline constexpr std::size_t dht_loop_packets_per_turn = 1'000; ///< among our own shards; the rest waits for the next turn
inline constexpr int dht_packets_per_second_per_peer = 2'000; ///< from one node; twice that in a burst. OpenDHT's own limits are off (they isolate)
inline constexpr int dht_records_per_second_per_peer = 200;   ///< put by one node, each worth a signature check; it writes record_puts_per_second, in a small network to eight shards of ours
inline constexpr int dht_listens_per_second_per_peer = 100;   ///< and renewals, every 30 s: OpenDHT keeps each for 10 minutes and more. In a small network listens_at_once reach all our shards
inline constexpr int dht_listens_burst_per_peer = 2'048;      ///< listens_at_once, to eight shards
inline constexpr std::size_t records_per_key = 64;            ///< sources of one presentity, or nodes of one domain
inline constexpr std::size_t records_per_member = 250'000;    ///< as many as one domain's node may have presentities
inline constexpr std::size_t records_in_all = 500'000;        ///< about 1 KB each

// HTTP
inline constexpr std::size_t http_body_bytes = 256 * 1024;  ///< of a request; as large as the largest PIDF body
inline constexpr std::size_t http_header_bytes = 16 * 1024; ///< request line and fields; tokens and URIs are far shorter
inline constexpr auto http_idle = 75s;                      ///< without a request, then the connection is closed
inline constexpr auto http_request_time = 30s;              ///< from a request's first byte to its last, and for a response to be taken
inline constexpr auto http_fetch_wait = 2s;                 ///< for the first state of a presentity that was not watched yet
inline constexpr auto http_fetch_wait_max = 30s;            ///< what ?wait= may ask for
inline constexpr std::size_t http_streams = 10'000;         ///< event streams and waiting fetches of all clients together
inline constexpr auto http_linger = 2s;                     ///< a refused request is read on for so long, so that its client comes to read why
inline constexpr std::size_t http_slot_name_bytes = 64;     ///< of a publication's name; people choose it
inline constexpr std::size_t http_token_bytes_least = 16;   ///< 16 characters of any alphabet are beyond guessing over a network
inline constexpr auto http_retry = 1s;                      ///< what an event stream asks of its client before the next attempt; presmesh watch begins with it, too
inline constexpr auto http_retry_most = 30s;                ///< of presmesh watch
inline constexpr std::size_t http_reply_bytes = 64 * 1024 * 1024;  ///< that the presmesh command reads from its daemon: 50,000 watchers fit

// The daemon
inline constexpr std::size_t operator_file_bytes = 16 * 1024 * 1024;  ///< configs, keys, federation files; 100,000 members fit
inline constexpr std::size_t state_free_bytes = 256 * 1024 * 1024;  ///< free where the state lies, or doctor says so: the file of 50,000 users, its log of 64 MB, and some days to act
inline constexpr std::size_t counters = 4096;               ///< distinct ones kept; labels must not grow with what peers send
inline constexpr std::size_t udp_batch = 64;                ///< datagrams of one system call, and of one turn
inline constexpr std::size_t udp_receive_bytes = 2048;      ///< more than any datagram of ours; a longer one is cut, and refused as such
inline constexpr int udp_kernel_bytes = 4 * 1024 * 1024;    ///< asked of the kernel each way: a burst of 3,000 datagrams
inline constexpr int udp_batches_per_wake = 4;              ///< so that a flood at one socket does not keep the others and the timer waiting
inline constexpr int sqlite_log_pages = 16'384;             ///< 64 MiB: a log that the checkpointer cannot keep small, since nobody ever pauses, the writer itself begins anew
inline constexpr auto certificate_warning = 14 * 24h;       ///< before its end: doctor calls it a fault, and the log tells of it
inline constexpr auto certificate_check = 24h;              ///< between two such lines of the log
inline constexpr auto stop_time = 3s;                       ///< for goodbyes still on their way out

}  // namespace presmesh::proto::limits
