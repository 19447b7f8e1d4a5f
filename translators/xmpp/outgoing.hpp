// Presence on its way out to the attached server: its users (contacts) watch the federation's (RFC 8048 section 5.2,
// RFC 6121 sections 3 and 4 from the side of the watched user's server). One pair is one watch at the host; whatever is
// sent goes to that contact alone.
//
// A contact is sent one stanza per service (resource), and only what differs from what it was sent before. What is
// shown to it is remembered across restarts by resource, so that a resource which vanished while the node was away is
// taken down. What was taken down not long ago is taken down again when the stream that may not have brought it is
// back.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/random.hpp"
#include "translators/translator.hpp"
#include "translators/xmpp/subscriptions.hpp"
#include "translators/xmpp/wire.hpp"

namespace presmesh::translators::xmpp {

/// The namespace of the one element of ours: <unknown xmlns=.../> in a presence of type unavailable says that nothing
/// is known about the user now, which is not the same as offline. XMPP has no word of its own for it.
inline constexpr std::string_view ns_presmesh = "urn:presmesh:presence:0";

class Outgoing {
  public:
    /// All must outlive this.
    Outgoing(Wire& wire, Subscriptions& subscriptions, proto::Random& random);

    /// Watches again for every pair that was saved.
    void start(proto::Now now, Host& host, Translator& owner);

    // ---- from the contact. `stanza` is what came; the pair is checked already.
    void handle_subscribe(proto::Now now, const Pair& pair, const Element& stanza, std::size_t component);
    void handle_unsubscribe(proto::Now now, const Pair& pair);
    void handle_probe(proto::Now now, const Pair& pair, const Element& probe);

    // ---- from the host
    void view_changed(proto::Now now, WatchId watch, const View& view);

    /// The stream that carries this pair is up (again): the contact is told everything anew.
    void resync(proto::Now now, const Pair& pair);
    /// Those to whom something may have to be taken down again.
    void add_ended(std::set<Pair>& pairs) const;
    /// A clean stop: contacts are told that they know nothing from now on.
    void stop(proto::Now now);

    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;

  private:
    struct Shown {
        std::uint64_t hash = 0;  ///< of the stanza last sent; 0: not sent on this stream
        bool available = false;
        bool operator==(const Shown&) const = default;
    };
    struct Entry {
        std::optional<WatchId> watch;
        View view;
        bool viewed = false;  ///< the host has said something since the watch began
        proto::SteadyTime since{};
        std::map<std::string, Shown> shown;  ///< by resource
        std::uint32_t failures = 0;
        proto::SteadyTime due = proto::never;  ///< of a new watch, or of a second look at what is known
    };
    using Entries = std::map<Pair, Entry>;
    /// What a contact was told last of, and what the stream may have taken with it when it ended.
    struct Ended {
        std::map<std::string, proto::SteadyTime> resources;  ///< taken down, each with an `until` of its own
        bool unknown = false;                                ///< as such that nothing is known of
        bool refused = false;                                ///< the contact may see the user no more
        proto::SteadyTime until{};                           ///< a stream that is up then has brought it
    };

    proto::Result<void> ask(proto::Now now, const Pair& pair);
    bool watch(proto::Now now, const Pair& pair, Entry& entry, proto::Error* why = nullptr);
    void forget_watch(proto::Now now, Entry& entry);
    void apply(proto::Now now, const Pair& pair, Entry& entry);
    void apply_active(proto::Now now, const Pair& pair, Entry& entry);
    void apply_terminated(proto::Now now, const Pair& pair, Entry& entry);
    void show_document(proto::Now now, const Pair& pair, Entry& entry);
    void look_again(proto::Now now, const Pair& pair, Entry& entry, const proto::Presence& presence);
    void answer_probe(proto::Now now, const Pair& pair, Entry& entry, const Element& probe);
    bool send_shown(proto::Now now, const Pair& pair, Entry& entry, const std::string& resource, const Element& stanza);
    void take_down(proto::Now now, const Pair& pair, Entry& entry, bool unknown);
    static void forget_sent(Entry& entry);
    Ended* ending(proto::Now now, const Pair& pair);
    void note_down(proto::Now now, const Pair& pair, const std::string& resource, bool unknown);
    void end_again(proto::Now now, const Pair& pair);
    void set_due(const Pair& pair, Entry& entry, proto::SteadyTime due);
    void save_shown(const Pair& pair, const Entry& entry);
    void erase(proto::Now now, const Pair& pair);

    Wire& wire_;
    Subscriptions& subscriptions_;
    proto::Random& random_;
    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    Entries entries_;
    std::map<WatchId, Pair> by_watch_;
    std::set<std::pair<proto::SteadyTime, Pair>> due_;
    std::map<Pair, Ended> ended_;
    std::deque<std::pair<proto::SteadyTime, Pair>> ended_until_;  ///< a pair may stand in it again, later
    bool stopped_ = false;
};

}  // namespace presmesh::translators::xmpp
