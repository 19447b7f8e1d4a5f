// Who watches our presentities, and how each stands: decided by the rules, by the presentity's user, or by the attached
// server that attends the presentity. Tells nobody by itself: what changed is taken by the presence service at the end
// of a turn.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "node/rule_book.hpp"
#include "node/settings.hpp"
#include "overlay/overlay.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

/// How a watcher stands now.
struct Standing {
    overlay::WatchState state = overlay::WatchState::pending;
    bool polite = false;  ///< active, but shown the offline document
    std::string reason;   ///< when terminated
    bool operator==(const Standing&) const = default;
};

/// A presentity and one watcher of it.
struct Relation {
    proto::PresentityUri presentity;
    proto::PresentityUri watcher;
    auto operator<=>(const Relation&) const = default;
};

class Watchers {
  public:
    enum class From : std::uint8_t { here, elsewhere };

    struct Watcher {
        Standing standing;
        bool here = false;       ///< through a translator or observer of this node
        bool elsewhere = false;  ///< through another node
        proto::WallTime since{};
        translators::Translator* attendant = nullptr;  ///< was told that it is wanted
        std::optional<Standing> decided;               ///< by the attendant
        bool changed = false;
        translators::WatcherEvent event = translators::WatcherEvent::subscribe;  ///< that brought it there
    };
    /// What became of watchers, by presentity.
    using News = std::map<proto::PresentityUri, std::vector<translators::WatcherChange>>;
    /// For a translator: somebody wants, or no longer wants, one of the presentities it attends.
    struct Want {
        translators::Translator* translator;
        Relation relation;
        bool wanted;
    };

    /// `rules` must outlive it.
    Watchers(const RuleBook& rules, const ServiceLimits& limits);
    void set_translators(std::vector<translators::Translator*> translators) { translators_ = std::move(translators); }

    /// Adding again is fine, and makes the standing count as changed. quota.
    proto::Result<void> add(proto::Now now, const Relation& relation, From from);
    void remove(const Relation& relation, From from);
    /// An attendant's answer; without effect for a watcher that is gone, or that another one attends.
    void decide(const translators::Translator& translator, const Relation& relation, Standing standing);
    /// The rules of a presentity, or the decision about one watcher, changed.
    void authorize_again(const proto::PresentityUri& presentity);
    void authorize_again(const Relation& relation);
    /// The node's own rules changed.
    void authorize_all_again();

    const Watcher* find(const Relation& relation) const;
    /// In the order of URIs.
    std::vector<std::pair<proto::PresentityUri, Watcher>> list(const proto::PresentityUri& presentity) const;
    /// Watchers through other nodes, of presentities of this domain; in order.
    std::vector<Relation> elsewhere(std::string_view domain) const;
    /// The first `most` pending and active ones after `after`, in the order of URIs.
    std::vector<translators::WatcherStatus> list_after(const proto::PresentityUri& presentity,
                                                       const proto::PresentityUri& after, std::size_t most) const;
    /// Does another node's watcher see the offline document of this presentity?
    bool any_polite(const proto::PresentityUri& presentity) const;
    std::size_t count() const { return count_; }
    std::size_t pending() const { return pending_; }

    /// Since the last call; each once, in the order of change. Their watchers may be gone meanwhile.
    std::vector<Relation> take_changed();
    std::vector<Want> take_wants() { return std::exchange(wants_, {}); }

    // ---- watcher information (RFC 3857), of presentities that somebody asks about
    void observe(const proto::PresentityUri& presentity) { observed_.insert(presentity); }
    void unobserve(const proto::PresentityUri& presentity);
    /// A presentity with something new, maybe nothing of any watcher.
    void touch_observed(std::string_view domain);
    /// Since the last call; whoever came and went (as a fetch does), or was refused as soon as it came, is not in it.
    News take_news();

  private:
    struct Noted {
        bool arrived = false;
        std::optional<translators::WatcherStatus> gone;  ///< holds unless it is there again
    };

    struct Audience {
        std::map<proto::PresentityUri, Watcher> watchers;
        std::size_t pending = 0;
        std::map<std::string, std::size_t, std::less<>> pending_of;  ///< by the watcher's domain
        std::size_t polite = 0;
        std::size_t elsewhere = 0;
        std::map<std::string, std::size_t, std::less<>> elsewhere_of;  ///< likewise
        std::string begun_by;  ///< whose watcher through another node came first; empty: one of this node's
    };

    /// Anybody may watch anything: no domain can take all the room there is for presentities that are watched from
    /// elsewhere, and none takes that of our own users, whose watches are bounded by themselves.
    bool has_room(std::string_view watching_domain) const;
    /// Nor can one other domain take all the places of a presentity's watchers.
    bool has_room(const Audience& audience, const proto::PresentityUri& watcher) const;
    void set_present(Audience& audience, const proto::PresentityUri& name, Watcher& watcher, From from, bool present);
    void authorize(const Relation& relation, Audience& audience, Watcher& watcher);
    translators::Translator* attendant_of(const Relation& relation) const;
    void set_attendant(const Relation& relation, Watcher& watcher, translators::Translator* attendant);
    void set_standing(const Relation& relation, Audience& audience, Watcher& watcher, Standing standing);
    bool too_many_pending(const Audience& audience, const proto::PresentityUri& watcher) const;
    void tally(Audience& audience, const proto::PresentityUri& watcher, const Standing& standing, int by);
    void mark(const Relation& relation, Watcher& watcher);
    void note_arrival(const Relation& relation);
    void note_change(const Relation& relation);
    void note_end(const Relation& relation, const Watcher& watcher);
    void forget(const Relation& relation);
    Audience* audience(const proto::PresentityUri& presentity);

    const RuleBook& rules_;
    ServiceLimits limits_;
    std::vector<translators::Translator*> translators_;
    std::map<proto::PresentityUri, Audience> audiences_;
    std::map<std::string, std::size_t, std::less<>> begun_by_;  ///< audiences, by domain
    std::size_t begun_elsewhere_ = 0;
    std::vector<Relation> changed_;
    std::vector<Want> wants_;
    std::set<proto::PresentityUri> observed_;
    std::map<proto::PresentityUri, std::map<proto::PresentityUri, Noted>> noted_;  ///< of them, in this turn
    std::size_t count_ = 0;
    std::size_t pending_ = 0;
};

}  // namespace presmesh::node
