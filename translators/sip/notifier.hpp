// The notifier of RFC 6665 for Event: presence (RFC 3856) and presence.winfo (RFC 3857): answers SUBSCRIBE, owes
// NOTIFYs.
//
// Every NOTIFY of presence carries the whole state; what one of watcher information says is Winfo's. One is under way
// per dialog at a time; states that change meanwhile overtake each other and the newest goes next. A token bucket per
// subscription bounds the rate, and RFC 6446's max-rate where the watcher asks; a SUBSCRIBE's own NOTIFY, the one that
// tells of an approval and the last one are exempt. min-rate repeats the state. A subscription is saved, so that a
// restarted node goes on in the same dialog with higher CSeq.
//
// Anybody's address can stand in a Contact. Until a NOTIFY was answered from there with 2xx, none is larger than RFC
// 3261 section 18.1.1 has go over UDP: a larger state is left out, and follows the answer. What of a document did not
// fit one NOTIFY follows its answer as well, before the subscription ends if it ends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/random.hpp"
#include "proto/time.hpp"
#include "proto/timer_queue.hpp"
#include "proto/uri.hpp"
#include "translators/sip/outbox.hpp"
#include "translators/sip/settings.hpp"
#include "translators/sip/subscription.hpp"
#include "translators/sip/winfo.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

class Notifier {
  public:
    Notifier(const SipSettings& settings, proto::Random& random, Outbox& outbox);

    /// Takes the host and brings back the saved subscriptions that have not expired; those that have get their last
    /// NOTIFY.
    void start(proto::Now now, Host& host, Translator& owner);

    /// A SUBSCRIBE whose sender is who From says. The response goes out first, then the NOTIFY it owes.
    void handle_subscribe(proto::Now now, const Request& request);
    /// The answer to one of our NOTIFYs; false when it is to nothing of ours.
    bool handle_response(proto::Now now, const Response& response);
    void view_changed(proto::Now now, WatchId watch, const View& view);
    void watchers_changed(proto::Now now, const proto::PresentityUri& presentity,
                          const std::vector<WatcherChange>& changes);
    /// The attached server, behind which the watchers are, was away: what it did not take is sent again soon.
    void server_returned(proto::Now now);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const { return timers_.next(); }

    std::size_t size() const { return subscriptions_.size(); }
    std::size_t winfo_size() const { return winfo_.size(); }

  private:
    using Id = std::uint64_t;

    struct Subscription {
        SavedSubscription kept;
        std::uint32_t saved_cseq = 0;    ///< CSeq up to here may be used without saving again
        proto::SteadyTime saved_at{};    ///< in a turn before this one, or in it
        proto::SteadyTime deadline{};    ///< when it expires
        WatchId watch = 0;               ///< 0: none, for watcher information, or when it was refused at the restart
        TransactionId under_way = 0;     ///< the NOTIFY not yet answered; 0: none
        bool due = false;                ///< a state waits to be sent
        bool urgent = false;             ///< and may not wait for the rate
        std::string ending;              ///< reason of the last NOTIFY; empty: goes on
        bool closing = false;            ///< a NOTIFY went of those that end it
        bool last_sent = false;          ///< and the last of them
        bool fetch = false;              ///< Expires: 0 in a new dialog
        bool reached = false;            ///< a NOTIFY was answered with 2xx
        bool reads = false;              ///< the last one was, at the Contact that it has now
        bool moved = false;              ///< to another Contact, since the last NOTIFY
        bool withheld = false;           ///< the last NOTIFY left out a state that is too large for who never answered
        std::uint32_t failures = 0;      ///< of NOTIFYs in a row
        bool unanswered = false;         ///< the last of them was silence, not an answer that says when to come back
        proto::SteadyTime not_before{};  ///< of the next NOTIFY: back-off, or the wait for a first state
        proto::SteadyTime sent_at{};     ///< the last NOTIFY
        double tokens = 0;
        proto::SteadyTime tokens_at{};
        bool has_shown = false;  ///< the three below are of a NOTIFY sent
        WatchState shown_state = WatchState::pending;
        Liveness shown_liveness = Liveness::live;
        proto::DocumentPtr shown;
    };
    using Subscriptions = std::map<Id, Subscription>;

    // SUBSCRIBE
    void handle_initial(proto::Now now, const Request& request, Package package);
    void handle_refresh(proto::Now now, const Request& request, Id id);
    std::optional<Response> refuse(const Request& request, Package package) const;
    bool may_ask(const Request& request, const SavedSubscription& kept) const;
    proto::Result<WatchId> follow(proto::Now now, Id id, const SavedSubscription& kept);
    std::uint32_t grant(const Request& request) const;
    Response accepted(const Request& request, const std::string& tag, std::uint32_t expires) const;
    void open(proto::Now now, const Request& request, Id id, const SavedSubscription& kept, WatchId watch);
    Subscription& add(proto::Now now, Id id, SavedSubscription kept, WatchId watch);
    Id find(const Request& request, Package package) const;

    // NOTIFY
    void pump(proto::Now now, Id id);
    void send(proto::Now now, Id id, Subscription& subscription);
    View view_of(const Subscription& subscription) const;
    Request compose(proto::Now now, Id id, Subscription& subscription, const View& view);
    void put_body(proto::Now now, Id id, Subscription& subscription, const View& view, Request& request);
    Body body_for(const Subscription& subscription, const View& view);
    bool goes_on(Id id, const Subscription& subscription) const;
    bool has_token(proto::Now now, Subscription& subscription) const;
    proto::SteadyTime next_token(const Subscription& subscription) const;
    static proto::Duration least_gap(const SavedSubscription& kept);
    proto::Duration repeat_floor(const SavedSubscription& kept) const;
    proto::SteadyTime next_by_rate(Id id, const Subscription& subscription) const;
    proto::SteadyTime next_repeat(const Subscription& subscription) const;
    bool is_news(const Subscription& subscription, const View& view) const;
    void end(proto::Now now, Id id, std::string reason);
    void fail(proto::Now now, Id id, const Response& response);
    void schedule(Id id, const Subscription& subscription);
    void wake(proto::Now now, Id id);

    // keeping
    void restore(proto::Now now, const std::string& key, proto::BytesView value);
    void save(proto::Now now, Subscription& subscription);
    void remove(proto::Now now, Id id);

    const SipSettings& settings_;
    proto::Random& random_;
    Outbox& outbox_;
    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    Subscriptions subscriptions_;
    std::map<std::string, Id, std::less<>> by_tag_;  ///< by our tag, which is unique
    std::map<WatchId, Id> by_watch_;
    std::map<TransactionId, Id> by_transaction_;
    proto::TimerQueue<Id> timers_;
    Winfo winfo_;
    Id last_ = 0;

    // The body made last: one document often goes to many watchers.
    struct LastBody {
        proto::PresentityUri presentity;
        proto::DocumentPtr document;
        Body body;
    } last_body_;
};

}  // namespace presmesh::translators::sip
