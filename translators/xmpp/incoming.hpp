// Presence on its way in from the attached server: the federation's users watch its users (RFC 8048 section 5.3). For
// each pair we hold a subscription at the server; the server sends each subscribed user a copy of its own of every
// presence stanza, and of all copies one document is made, which the host is given for everybody whom the contact has
// approved.
//
// The rule that keeps directed presence (RFC 6121 section 4.6) with the one it was meant for (RFC 8048 section 8.2): a
// state is published when every approved, wanted watcher has been sent it. When copies still differ after a while,
// those who hold the copy of the few are parked: their authorization goes back to pending until they agree with the
// others again, so that they see neither another's copy nor an old one as if it were news; the copy of the many is
// published. Who comes while something is published begins parked, until the same was sent to them too: asking again
// shows nothing to somebody whom the contact has blocked (XEP-0191). What was published last outlives the node's
// process, and so does who is parked.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/presence.hpp"
#include "translators/translator.hpp"
#include "translators/xmpp/settings.hpp"
#include "translators/xmpp/subscriptions.hpp"
#include "translators/xmpp/wire.hpp"

namespace presmesh::translators::xmpp {

class Incoming {
  public:
    /// All must outlive this.
    Incoming(const XmppSettings& settings, Wire& wire, Subscriptions& subscriptions);

    void start(proto::Now now, Host& host, Translator& owner);

    // ---- from the host
    void wanted(proto::Now now, const Pair& pair);
    void unwanted(proto::Now now, const Pair& pair);

    // ---- from the contact; the pair is checked already
    void handle_subscribed(proto::Now now, const Pair& pair);
    void handle_unsubscribed(proto::Now now, const Pair& pair);
    /// No type, or unavailable.
    void handle_presence(proto::Now now, const Pair& pair, const Element& stanza);
    void handle_error(proto::Now now, const Pair& pair, const Element& stanza);

    /// This stream is up (again): what came before it says little now.
    void stream_up(std::size_t component);
    /// The stream that carries this pair is up (again): what waits is asked again, what is approved is probed.
    void resync(proto::Now now, const Pair& pair);
    /// The stream that carries this pair has been away too long: what we have of it is worth nothing any more.
    void forget(proto::Now now, const Pair& pair);
    /// Gives back what nobody uses: authorizations after XmppSettings::linger, unanswered requests sooner. True: there
    /// may be more.
    bool sweep(proto::Now now);

    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;

    /// Of how many something is kept here.
    std::size_t contacts() const { return contacts_.size(); }

  private:
    using ServicePtr = std::shared_ptr<const proto::Service>;
    /// What one watcher was sent: the open services by resource, or what remains of the last one.
    struct Content {
        std::map<std::string, ServicePtr> open;
        ServicePtr last;  ///< closed; only when none is open
        /// Offline is offline: a server repeats that (to a probe, after an approval) without the last words.
        bool operator==(const Content& other) const;
    };
    struct Copy {
        bool wanted = false;
        bool parked = false;
        bool known = false;  ///< content means something
        Content content;
        std::uint64_t changed = 0;  ///< order of arrival
        // A probe that is out: what it has confirmed, how often it was asked.
        bool asked = false;
        bool answered = false;
        std::set<std::string> confirmed;
        int tries = 0;
        proto::SteadyTime due = proto::never;  ///< when to look what came of it
        proto::SteadyTime refused_until{};     ///< an answer given shortly ago is not asked for again
    };
    struct Contact {
        std::map<proto::PresentityUri, Copy> copies;
        std::map<std::string, ServicePtr> recent;  ///< by resource, so that equal copies share one value
        std::size_t awaiting = 0;                  ///< copies with a due time: an answer is still to come
        proto::PresentityUri differs;              ///< the copy that differed when last looked; looked at first
        std::optional<proto::Digest> published;
        proto::SteadyTime settle = proto::never;   ///< copies have differed for a while when it comes
        proto::SteadyTime refresh = proto::never;  ///< the publication is to be given again
        proto::SteadyTime due = proto::never;      ///< as in contact_due_
    };

    Copy& copy_of(const Pair& pair);
    void set_due(const Pair& pair, Copy& copy, proto::SteadyTime due);
    void plan(const proto::PresentityUri& name, Contact& contact);

    void ask(proto::Now now, const Pair& pair);
    void probe(proto::Now now, const Pair& pair, Copy& copy);
    void close_probe(proto::Now now, const Pair& pair, Copy& copy);
    static ServicePtr offline(Contact& contact);
    bool follows(const Pair& pair) const;
    bool take(const Pair& pair, Copy& copy, const Element& stanza);
    void refused(proto::Now now, const Pair& pair, std::string reason);
    void decide(proto::Now now, const Pair& pair, WatchState state, std::string reason = {});
    bool begins_parked(const Pair& pair, const Contact& contact) const;
    void set_parked(const Pair& pair, Copy& copy, bool parked);

    bool waits(const Pair& pair, const Copy& copy) const;
    bool is_fresh(const Pair& pair, const Copy& copy) const;
    bool votes(const Pair& pair, const Copy& copy) const;
    void reconcile(proto::Now now, const proto::PresentityUri& name);
    Copy* first_voter(const proto::PresentityUri& name, Contact& contact);
    bool agree(const proto::PresentityUri& name, Contact& contact, const Content& content);
    bool all_known(const proto::PresentityUri& name, const Contact& contact) const;
    void settle(proto::Now now, const proto::PresentityUri& name, Contact& contact);
    void park(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content);
    void show(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content);
    ServicePtr last_words(const proto::PresentityUri& name, Contact& contact, const Content& content) const;
    proto::Result<proto::DocumentPtr> document_of(proto::Presence presence) const;
    bool publish(proto::Now now, const proto::PresentityUri& name, Contact& contact, const Content& content);
    void withdraw(proto::Now now, const proto::PresentityUri& name, Contact& contact);
    bool is_over(proto::Now now, const SubscriptionEntry& entry) const;
    void forget_refusals(proto::Now now);
    void erase(const Pair& pair);

    const XmppSettings& settings_;
    Wire& wire_;
    Subscriptions& subscriptions_;
    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    std::map<proto::PresentityUri, Contact> contacts_;
    std::set<proto::PresentityUri> inherited_;  ///< contacts of whom an earlier run may have published something
    std::set<std::pair<proto::SteadyTime, Pair>> copy_due_;
    std::set<std::pair<proto::SteadyTime, proto::PresentityUri>> contact_due_;
    std::deque<std::pair<proto::SteadyTime, Pair>> refusals_;  ///< by their end; a pair may stand in it again, later
    std::uint64_t arrivals_ = 0;
    std::map<std::size_t, std::uint64_t> up_since_;  ///< by component: arrivals_ when its stream came up
};

}  // namespace presmesh::translators::xmpp
