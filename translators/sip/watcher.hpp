// Our own SUBSCRIBEs to an attached server, one per presentity that the federation wants (RFC 6665's subscriber).
//
// What the server notifies becomes this translator's publication, with a lifetime that ends a little after the
// subscription that brought it: a server that stays away leaves its users unknown, not online. Whether the server lets
// us watch becomes the answer to Translator::wanted.
//
// A server that restarts is subscribed to again, with jitter and at a bounded rate. It is noticed by a ping: OPTIONS
// tells whether it answers at all, but a restart can fall between two of them; so one of our subscriptions in turn is
// refreshed instead, while there is any. 481 means that the server forgot it, and then every other one is refreshed
// too. Without any, the pings go on: operators are told how the link stands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "proto/random.hpp"
#include "proto/time.hpp"
#include "proto/timer_queue.hpp"
#include "proto/uri.hpp"
#include "translators/link_status.hpp"
#include "translators/sip/outbox.hpp"
#include "translators/sip/settings.hpp"
#include "translators/sip/subscription.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

struct ParameterizedValue;

class Watcher {
  public:
    Watcher(const SipSettings& settings, proto::Random& random, Outbox& outbox);

    void start(proto::Now now, Host& host, Translator& owner);
    /// Ends our subscriptions politely; what was learned stays published until it expires.
    void stop();
    void wanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher);
    void unwanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher);

    void handle_notify(proto::Now now, const Request& request);
    /// The answer to one of our SUBSCRIBEs or OPTIONS; false when it is to nothing of ours.
    bool handle_response(proto::Now now, const Response& response);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    /// Has the server come back since this was asked last?
    bool take_return() { return std::exchange(returned_, false); }

    std::size_t size() const { return follows_.size(); }
    /// How the server takes what we ask; untried until it answers something, or does not in time.
    const LinkStatus& link() const { return link_; }

  private:
    using Id = std::uint64_t;
    /// Who is watched, as whom we subscribe.
    using Key = std::pair<proto::PresentityUri, std::string>;

    struct Follow {
        Key key;
        std::set<proto::PresentityUri> watchers;
        Dialog dialog;
        bool established = false;     ///< the dialog has its other end
        TransactionId under_way = 0;  ///< a SUBSCRIBE not yet answered; 0: none
        std::uint32_t asked_expires = 0;
        bool again = false;         ///< another SUBSCRIBE is wanted once this one is answered
        bool challenged = false;    ///< the SUBSCRIBE under way carries credentials already
        std::string authorization;  ///< sent with the next SUBSCRIBE, then forgotten
        std::string proxy_authorization;
        std::uint32_t min_expires = 0;           ///< as a 423 said
        std::uint32_t failures = 0;              ///< in a row
        proto::SteadyTime begun{};               ///< when the dialog was
        bool notified = false;                   ///< a NOTIFY came in the dialog
        proto::SteadyTime notify_by{};           ///< when the first of them must have
        proto::SteadyTime ask_at{};              ///< when the next SUBSCRIBE goes out
        bool stopped = false;                    ///< the server said no for good
        proto::SteadyTime lapses{};              ///< when the server forgets the subscription
        proto::SteadyTime confirmed{};           ///< when the server last said that it knows the subscription
        WatchState state = WatchState::pending;  ///< what the server last said
        std::string reason;
    };

    // our SUBSCRIBEs
    void subscribe_anew(proto::Now now, Id id);
    void subscribe(proto::Now now, Id id);
    void send_subscribe(Id id, std::uint32_t expires);
    void handle_accepted(proto::Now now, Id id, const Response& response);
    void handle_challenge(proto::Now now, Id id, const Response& response);
    void handle_refused(proto::Now now, Id id, const Response& response);
    void retry_after(proto::Now now, Id id, std::chrono::seconds wait);
    void back_off(proto::Now now, Id id, std::uint32_t at_least_s);
    void give_up(proto::Now now, Id id, std::string reason);
    void refresh_after(proto::Now now, Id id, std::chrono::seconds granted);
    void ask_at(Id id, proto::SteadyTime at);
    static bool awaits_notify(const Follow& follow);
    void handle_mute(proto::Now now, Id id);
    static void forgive(proto::Now now, Follow& follow);
    bool alone(Id id) const;

    // their NOTIFYs
    Id find(const Request& request) const;
    bool adopt(Id id, const Request& request);
    void take_state(proto::Now now, Id id, const ParameterizedValue& state, const Request& request);
    void take_body(proto::Now now, Id id, const Request& request);
    void take_end(proto::Now now, Id id, const ParameterizedValue& state);

    void decide(proto::Now now, Follow& follow, WatchState state, std::string reason);
    void remove(Id id);
    std::string identity_for(const proto::PresentityUri& watcher) const;

    // is the server there, and does it remember us?
    void ping(proto::Now now);
    void send_options();
    /// The follow after the one pinged last that stands, so that a refresh proves something; 0: none.
    Id next_to_ping(proto::Now now);
    void handle_pong(proto::Now now, const Response& response);
    void handle_forgotten(proto::Now now, Id id);
    proto::SteadyTime spread(proto::Now now);

    // how the link stands, for operators
    void link_answered(proto::Now now);
    void link_accepted(proto::Now now);
    void link_failed(proto::Now now, std::string why);

    const SipSettings& settings_;
    proto::Random& random_;
    Outbox& outbox_;
    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    std::map<Id, Follow> follows_;
    std::map<Key, Id> by_key_;
    std::map<std::string, Id, std::less<>> by_tag_;  ///< by our tag
    std::map<TransactionId, Id> by_transaction_;
    proto::TimerQueue<Id> timers_;
    Id last_ = 0;

    std::set<TransactionId> pings_;
    std::uint32_t ping_cseq_ = 0;
    proto::SteadyTime next_ping_ = proto::never;
    proto::SteadyTime last_pong_{};
    bool server_away_ = false;
    bool returned_ = false;
    Id last_pinged_ = 0;
    LinkStatus link_;
    std::optional<proto::SteadyTime> accepted_;  ///< when the server last took a SUBSCRIBE
    proto::SteadyTime doubted_{};  ///< when everything was last asked for again because something was forgotten
};

}  // namespace presmesh::translators::sip
