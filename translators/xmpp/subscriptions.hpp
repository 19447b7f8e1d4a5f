// RFC 6121 appendix A: nine states, two tables, and the pairs they are kept for. We stand where the server of the
// federation's user would: "user" is the federation's (alice@a.example), "contact" the attached server's
// (juliet@x.example).
//   From: juliet may see alice (an outgoing watch of ours).  To: alice may see juliet (an incoming one).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::xmpp {

/// RFC 6121 appendix A.1, in its order. The numbers are kept on disk.
enum class Subscription : std::uint8_t {
    none = 1,
    none_pending_out = 2,     ///< the user asked
    none_pending_in = 3,      ///< the contact asked
    none_pending_out_in = 4,  ///< both asked
    to = 5,
    to_pending_in = 6,
    from = 7,
    from_pending_out = 8,
    both = 9,
};
enum class SubscriptionKind : std::uint8_t { subscribe = 0, unsubscribe = 1, subscribed = 2, unsubscribed = 3 };

std::string_view to_string(Subscription subscription);
std::string_view to_string(SubscriptionKind kind);
std::optional<SubscriptionKind> subscription_kind(std::string_view presence_type);

struct SubscriptionStep {
    bool pass;  ///< outbound: the stanza is sent; inbound: it is acted upon. The tables' SHOULD NOT counts as no.
    Subscription next;
    std::optional<SubscriptionKind> reply;  ///< what the server side answers by itself
    bool operator==(const SubscriptionStep&) const = default;
};

/// Appendix A.2: the federation's user does this to the contact.
SubscriptionStep outbound(Subscription current, SubscriptionKind kind);
/// Appendix A.3: the contact's stanza has arrived.
SubscriptionStep inbound(Subscription current, SubscriptionKind kind);

/// The contact may see the user.
bool has_from(Subscription subscription);
/// The user may see the contact.
bool has_to(Subscription subscription);
bool has_pending_in(Subscription subscription);
bool has_pending_out(Subscription subscription);

/// Whom a subscription is about.
struct Pair {
    proto::PresentityUri contact;  ///< the attached server's user
    proto::PresentityUri user;     ///< the federation's
    auto operator<=>(const Pair&) const = default;
};

struct SubscriptionEntry {
    Subscription state = Subscription::none;
    /// Since when nobody has used the To side: after XmppSettings::linger it is given back. None while it is used.
    std::optional<proto::WallTime> idle_since;
    /// The user has not been sent what the contact's other watchers see, and is shown nothing until then.
    bool parked = false;
    bool operator==(const SubscriptionEntry&) const = default;
};

/// Every pair that is not in state None, written through to the host's store.
class Subscriptions {
  public:
    /// Reads what was saved; entries it cannot read are erased and counted ("xmpp_dropped", "saved_subscription").
    void start(Host& host, Translator& owner);

    const SubscriptionEntry* find(const Pair& pair) const;
    Subscription state(const Pair& pair) const;
    /// None erases the pair.
    void set_state(const Pair& pair, Subscription state);
    void set_idle(const Pair& pair, std::optional<proto::WallTime> since);
    void set_parked(const Pair& pair, bool parked);

    /// In order of contact, then user.
    const std::map<Pair, SubscriptionEntry>& all() const { return entries_; }
    std::size_t size() const { return entries_.size(); }
    /// How many users this contact watches or asks to watch; for the bound on one contact.
    std::size_t asked_by(const proto::PresentityUri& contact) const;
    /// How many requests of this domain's users wait for an answer.
    std::size_t requests_of(std::string_view domain) const;

  private:
    void save(const Pair& pair, const SubscriptionEntry& entry);
    void tally(const Pair& pair, Subscription before, Subscription after);

    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    std::map<Pair, SubscriptionEntry> entries_;
    std::map<std::string, std::size_t, std::less<>> requests_;  ///< by the user's domain, those that wait
};

}  // namespace presmesh::translators::xmpp
