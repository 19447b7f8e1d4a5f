// The face of the overlay: publish, watch, and the five verbs. Finding goes through the DHT, following through the
// channel.
//
//   handle_input(now, from, bytes)   a datagram arrived at our socket
//   handle_timeout(now)              the wake-up came; early and spurious calls do nothing
//   next_timeout()                   when to call again; may change after any other call
//   poll_output()                    next datagram to send, until none; after every call that takes `now`
//   poll_event()                     next thing the owner should know, until none
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "overlay/contacts.hpp"
#include "overlay/dht.hpp"
#include "overlay/trace.hpp"
#include "proto/channel_messages.hpp"
#include "proto/endpoint.hpp"
#include "proto/federation.hpp"
#include "proto/fill.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/presence.hpp"
#include "proto/random.hpp"
#include "proto/record.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "proto/verification_cache.hpp"
#include "proto/watch_state.hpp"

namespace presmesh::overlay {

using FederationPtr = std::shared_ptr<const proto::Federation>;

struct Settings {
    proto::SigningKey node_key;
    proto::Certificate certificate;
    FederationPtr federation;
    std::vector<proto::Endpoint> advertised;                 ///< where others reach us; at most 2; port a multiple of 8
    std::uint64_t epoch = 0;                                 ///< higher than in any earlier run of this node
    proto::Duration crash_bound = std::chrono::seconds{30};  ///< crash of a node -> its presentities unknown here
    Trace* trace = nullptr;                                  ///< told the steps of the path; must outlive the overlay
    proto::VerificationCachePtr verified = {};               ///< the DHT's (DhtSettings); none: its own
    std::size_t watches_per_domain = proto::limits::watches_per_domain;
};

/// Which of a presentity's documents a watcher sees. The source's node numbers them; 0 is the full one.
using ViewId = std::uint32_t;
using WatchId = std::uint64_t;

using proto::Liveness;
using proto::WatchState;

/// The source node's answer to one watcher.
struct Answer {
    WatchState state = WatchState::pending;
    ViewId view = 0;     ///< meaningful when active
    std::string reason;  ///< when terminated: RFC 6665 section 4.1.3 ("rejected", "noresource", "giveup"...)
};

/// One source of a watched presentity, as this watch may see it.
struct SourceView {
    proto::NodeId node{};
    WatchState state = WatchState::pending;
    std::string reason;
    Liveness liveness = Liveness::unknown;
    proto::DocumentPtr document;  ///< null: nothing known (yet, or any more)
    proto::SteadyTime since{};    ///< when that document came
    proto::SteadyTime heard{};    ///< when its node was heard last
};

// ---- events
/// A watcher of another node asks for one of our presentities: answer with Overlay::answer, now or later; pending until
/// then.
struct WatchRequested {
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;  ///< its domain is the asking node's (checked)
};
struct WatchCancelled {
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;
};
/// Something about this watch's sources changed; ask sources().
struct WatchChanged {
    WatchId watch;
};
/// Another node of our domain that holds its users' rules too: ask_rules. Told now and then.
struct SiblingFound {
    proto::NodeId node{};
};
/// It wants to know how the rules changed here: tell_rules, now or when there is something.
struct RulesAsked {
    proto::NodeId node{};
    proto::RulesAskMessage message;
};
struct RulesTold {
    proto::NodeId node{};
    proto::RulesMessage message;
};
using Event = std::variant<WatchRequested, WatchCancelled, WatchChanged, SiblingFound, RulesAsked, RulesTold>;

struct PeerStatus {
    std::string domain;
    proto::NodeId node{};
    std::optional<proto::Endpoint> endpoint = {};  ///< none: no session
    Liveness liveness = Liveness::live;
    std::size_t watches_in = 0;                      ///< they watch ours
    std::size_t watches_out = 0;                     ///< we watch theirs
    std::optional<proto::SteadyTime> heard_at = {};  ///< over the channel: what its lease counts from
    // ---- repair, and whatever else is on its way
    std::size_t asking =
        0;  ///< watches and questions of ours that it has not taken in: it compares the digests in them
    std::size_t sending = 0;    ///< documents of ours that it has not taken in
    std::size_t in_flight = 0;  ///< packets it has not acknowledged
    std::size_t window = 0;     ///< so many may be
};
struct Status {
    proto::Duration crash_bound{};
    DhtStatus dht;
    std::vector<PeerStatus> peers;
    std::size_t published = 0;
    std::size_t watches = 0;
    std::vector<std::pair<std::string, std::uint64_t>>
        counters;  ///< datagrams, refusals by reason, resends...: name, value
    std::vector<std::pair<std::string, std::uint64_t>> gauges = {};  ///< how many there are now: name, value
    proto::Fills fills = {};
    std::size_t records_waiting = 0;  ///< due, not by a change alone, and held back by limits::record_puts_per_second
};

class Overlay {
  public:
    /// `dht` may be any implementation of the port; `random` must outlive the overlay.
    Overlay(Settings settings, std::unique_ptr<Dht> dht, proto::Random& random);
    ~Overlay();
    Overlay(const Overlay&) = delete;
    Overlay& operator=(const Overlay&) = delete;

    void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    std::optional<proto::Datagram> poll_output();
    std::optional<Event> poll_event();

    // ---- joining
    /// Addresses of other members' nodes (the federation file's, resolved). Tried again until somebody answers.
    void set_bootstrap(proto::Now now, std::vector<proto::Endpoint> nodes);
    /// Where nodes were met in an earlier run, tried when nobody answers for limits::contacts_after: names may not
    /// resolve, and who is listed may be gone. Those the federation file does not know (any more) are left out.
    void set_contacts(proto::Now now, const std::vector<Contact>& contacts);
    /// What to give set_contacts in the next run: nodes of other members that keep records, at most limits::contacts.
    std::vector<Contact> contacts() const;
    /// The file was read again: sessions, watches and records of removed or revoked members end now.
    void set_federation(proto::Now now, FederationPtr federation);
    /// A clean stop: tells watching nodes that this node's presentities are unknown from now on.
    void leave(proto::Now now);

    // ---- as a source
    /// What watchers of `view` of this presentity see from now on. View 0 is also what the DHT record sums up; setting
    /// it the first time announces the presentity. A null document withdraws the view (view 0: the whole source, and
    /// watchers are told there is none).
    void set_document(proto::Now now, const proto::PresentityUri& presentity, ViewId view, proto::DocumentPtr document);
    /// Has view 0 a document?
    bool publishes(const proto::PresentityUri& presentity) const;
    /// Answers WatchRequested, or changes an earlier answer.
    void answer(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                Answer answer);
    /// Answers WatchRequested with "terminated", and keeps nothing of the watcher: whoever asks again is a new one.
    void refuse(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher,
                std::string reason);
    /// After the answers of a turn: whoever they took the right to see from can open no record to come.
    void renew_keys(proto::Now now);
    /// Who may see it is decided otherwise now, perhaps of one who watches no longer: what it was given opens no record
    /// to come. Those who watch are answered besides.
    void authorization_changed(proto::Now now, const proto::PresentityUri& presentity);
    /// The same for each of our presentities.
    void all_authorizations_changed(proto::Now now);

    // ---- as a watcher
    /// Finds the presentity's sources and follows them until unwatch. WatchChanged tells of every difference.
    WatchId watch(proto::Now now, const proto::PresentityUri& watcher, const proto::PresentityUri& presentity);
    void unwatch(proto::Now now, WatchId watch);
    std::vector<SourceView> sources(WatchId watch) const;
    /// False until the first finding has come to an end: "no sources" means something only when true.
    bool settled(WatchId watch) const;

    // ---- among the nodes of a domain
    /// Are there others of ours, to be looked for? Not until told.
    void seek_siblings(proto::Now now, bool wanted);
    /// What is known here of that node's log of rules.
    void ask_rules(proto::Now now, const proto::NodeId& node, const proto::RulesAskMessage& message);
    /// At most limits::rules_message_bytes. Lost when the node forgets us: it asks again then.
    void tell_rules(proto::Now now, const proto::NodeId& node, proto::RulesMessage message);

    Status status() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::overlay
