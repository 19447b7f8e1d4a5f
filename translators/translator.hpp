// The one door between the node and everything that speaks another protocol. A translator asks Host, and is told
// through Translator. Neither translator knows that the other exists; HTTP goes through the same door.
//
// A turn: the node's owner calls in with one Now; whatever changed is told to the translators before the turn ends;
// what was saved is committed before the turn confirms anything (so nothing is confirmed that a crash could forget).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/presence.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "proto/watch_state.hpp"

namespace presmesh::translators {

using WatchId = std::uint64_t;

using proto::Liveness;
using proto::WatchState;

/// What one watcher may see of one presentity now: composed over all sources, and authorized.
struct View {
    WatchState state = WatchState::pending;
    std::string reason;  ///< when terminated: "rejected", "noresource", "deactivated", "giveup"
    Liveness liveness = Liveness::live;
    proto::DocumentPtr document;  ///< null: nothing is known (RFC 6665 neutral state; not "offline")
};

/// RFC 3903's four operations: initial (document, no etag), refresh (etag), modify (both), remove (etag, expires 0).
struct PublishRequest {
    proto::PresentityUri presentity;
    std::string etag;
    proto::DocumentPtr document;
    std::optional<std::chrono::seconds> expires;  ///< none: the default of limits.hpp
};
struct PublishReceipt {
    std::string etag;              ///< new at every success
    std::chrono::seconds expires;  ///< granted; 0 after a removal
};

/// What brought a watcher where it stands (RFC 3857 section 4.7.1).
enum class WatcherEvent : std::uint8_t {
    subscribe,
    approved,
    deactivated,
    probation,
    rejected,
    timeout,
    giveup,
    noresource
};

/// One watcher of a presentity, as the presentity's own user may see it.
struct WatcherStatus {
    proto::PresentityUri watcher;
    WatchState state = WatchState::pending;  ///< terminated: refused, or gone
    WatcherEvent event = WatcherEvent::subscribe;
    proto::WallTime since{};  ///< when this node first knew of it
    bool operator==(const WatcherStatus&) const = default;
};
struct WatcherChange {
    WatcherStatus status;
    bool arrived = false;  ///< nobody can have been told of it yet
};

class Translator;

class Host {
  public:
    virtual ~Host() = default;

    // ---- publishing
    /// Is this one of the presentities this node publishes for (one of its own domains)?
    virtual bool serves(const proto::PresentityUri& presentity) const = 0;
    /// not_found (not ours), condition_failed (412), interval_too_brief (423, with limits::publication_min_expires),
    /// too_large, quota.
    virtual proto::Result<PublishReceipt> publish(proto::Now now, const PublishRequest& request) = 0;
    /// For attached servers, whose word is final: sets this translator's one publication for a presentity, kept until
    /// replaced, withdrawn (null document), or expires. Does not use entity tags.
    virtual proto::Result<void> set_publication(proto::Now now, Translator& translator,
                                                const proto::PresentityUri& presentity, proto::DocumentPtr document,
                                                std::chrono::seconds expires) = 0;

    // ---- watching
    /// Starts a watch; view_changed tells of the first view and every later one. The watcher must belong to one of this
    /// node's domains; quota. Not called back from inside.
    virtual proto::Result<WatchId> watch(proto::Now now, Translator& owner, const proto::PresentityUri& watcher,
                                         const proto::PresentityUri& presentity) = 0;
    virtual void unwatch(proto::Now now, WatchId watch) = 0;
    /// The view as it is now.
    virtual View view(WatchId watch) const = 0;

    // ---- authorization, for attached servers whose users answer there
    /// Answers Translator::wanted (active or terminated), or takes an earlier answer back (pending).
    virtual void decide(proto::Now now, Translator& translator, const proto::PresentityUri& presentity,
                        const proto::PresentityUri& watcher, WatchState state, std::string reason) = 0;

    // ---- watcher information (RFC 3857)
    /// From now on `owner` is told by watchers_changed; once per presentity, whoever asks again is told no more often.
    /// not_found (not ours).
    virtual proto::Result<void> observe_watchers(Translator& owner, const proto::PresentityUri& presentity) = 0;
    virtual void unobserve_watchers(Translator& owner, const proto::PresentityUri& presentity) = 0;
    /// The first `most` pending and active watchers of a presentity whose URIs come after `after` (empty: of all).
    virtual std::vector<WatcherStatus> watchers_after(const proto::PresentityUri& presentity,
                                                      const proto::PresentityUri& after, std::size_t most) const = 0;

    // ---- what must survive a restart. Keys are the translator's own; values are bounded by limits::document_bytes.
    virtual void save(Translator& translator, std::string_view key, proto::BytesView value) = 0;
    virtual void erase(Translator& translator, std::string_view key) = 0;
    virtual std::vector<std::pair<std::string, proto::Bytes>> load(Translator& translator) const = 0;

    // ---- being seen
    /// A step of the path (ARCHITECTURE.md) for the log, e.g. step(now, "sip.publish", presentity, "etag=...").
    /// `detail` must hold no presence content.
    virtual void step(proto::Now now, std::string_view step, const proto::PresentityUri& presentity,
                      std::string_view detail) = 0;
    /// A counter that /metrics shows, e.g. count("sip_requests", "PUBLISH").
    virtual void count(std::string_view name, std::string_view label, std::uint64_t by = 1) = 0;
};

class Translator {
  public:
    virtual ~Translator() = default;
    /// Stable across restarts: names this translator's saved state and its metrics ("sip.serve", "xmpp.a.example").
    virtual std::string_view name() const = 0;

    /// Called once, before anything else: take `host`, load and restore what was saved, start watches.
    virtual void start(proto::Now now, Host& host) = 0;
    /// A clean stop begins: say goodbye where the protocol has a word for it; the last outputs are still sent.
    virtual void stop(proto::Now now) = 0;

    // ---- told
    virtual void view_changed(proto::Now now, WatchId watch, const View& view) = 0;
    /// Attached servers only: are this presentity's state and authorization to be had from this translator's server?
    virtual bool attends(const proto::PresentityUri& presentity) const = 0;
    /// `watcher` (of any domain but the server's own) wants `presentity`, which this translator attends: bring its
    /// state by set_publication and answer by decide. Told again for each watcher; idempotent.
    virtual void wanted(proto::Now now, const proto::PresentityUri& presentity,
                        const proto::PresentityUri& watcher) = 0;
    virtual void unwanted(proto::Now now, const proto::PresentityUri& presentity,
                          const proto::PresentityUri& watcher) = 0;

    /// Of a presentity whose watchers it observes: those that came, changed or went since the last time, once each.
    /// Also told, maybe with none at all, when the presentity is served no more.
    virtual void watchers_changed(proto::Now, const proto::PresentityUri&, const std::vector<WatcherChange>&) {}

    // ---- time
    virtual void handle_timeout(proto::Now now) = 0;
    virtual proto::SteadyTime next_timeout() const = 0;
};

}  // namespace presmesh::translators
