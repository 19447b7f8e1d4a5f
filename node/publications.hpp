// Publications: soft state with entity tags (RFC 3903) and the word of attached servers, kept over restarts, composed
// into this source's one document per presentity.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "node/settings.hpp"
#include "node/store.hpp"
#include "proto/limits.hpp"
#include "proto/presence.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

/// For people and HTTP: what is published, not its content.
struct PublicationInfo {
    std::string etag;   ///< empty for an attached server's
    std::string owner;  ///< translator name; empty for those with entity tags
    proto::WallTime expires{};
    std::size_t bytes = 0;
};

class Publications {
  public:
    /// `store` and `random` must outlive it.
    Publications(Store& store, proto::Random& random, const ServiceLimits& limits);

    /// Reads what was saved; what ran out meanwhile is erased. Once, before anything else.
    void load(proto::Now now);

    /// RFC 3903's four operations. condition_failed (unknown entity tag), interval_too_brief, too_large (also when the
    /// composed document would be), quota, malformed (neither document nor entity tag).
    proto::Result<translators::PublishReceipt> publish(proto::Now now, const translators::PublishRequest& request);
    /// Sets (or with a null document, or no time left, removes) the one publication of `owner`. too_large, quota.
    proto::Result<void> set(proto::Now now, std::string_view owner, const proto::PresentityUri& presentity,
                            proto::DocumentPtr document, std::chrono::seconds expires);

    /// Ends what ran out, by the steady clock, or by the wall clock where that has run ahead of it (a machine that
    /// stood still, a clock that was set). The word of an attached server that was heard in this run goes by the steady
    /// clock alone: its translator knows when the server falls silent.
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const { return std::min(next_expiry(), next_look()); }

    /// This source's document; null when nothing is known. Whoever took back the last publication is known to be
    /// offline.
    proto::DocumentPtr document(const proto::PresentityUri& presentity) const;
    /// When that document became what it is, in this run.
    proto::SteadyTime since(const proto::PresentityUri& presentity) const;
    /// Presentities whose document may differ from what it was at the last call; each once, in the order of change.
    std::vector<proto::PresentityUri> take_changed();
    /// All of a domain count as changed: what they mean to the outside did.
    void mark_changed(std::string_view domain);

    std::vector<PublicationInfo> list(const proto::PresentityUri& presentity) const;
    std::size_t presentities() const { return sources_.size() - farewells_; }
    std::size_t count() const { return count_ - farewells_; }
    std::size_t farewells() const { return farewells_; }

  private:
    struct Publication {
        std::string id;  ///< fixed over its life; orders composition
        std::string etag;
        std::string owner;
        proto::DocumentPtr document;
        proto::WallTime expires{};
        proto::WallTime stamp{};   ///< when its document was published; of no two of a presentity the same
        proto::SteadyTime due{};   ///< when it expires, as far as is known now,
        std::uint64_t number = 0;  ///< and under which number that is noted
        bool restored = false;     ///< said in an earlier run
    };
    struct Source {
        std::vector<Publication> publications;
        proto::DocumentPtr document;
        proto::SteadyTime since{};
    };
    struct Expiry {
        proto::SteadyTime when{};
        std::uint64_t number = 0;
        proto::PresentityUri presentity;
        auto operator<=>(const Expiry&) const = default;
    };

    proto::Result<translators::PublishReceipt> create(proto::Now now, const translators::PublishRequest& request,
                                                      std::chrono::seconds expires);
    proto::Result<translators::PublishReceipt> update(proto::Now now, const translators::PublishRequest& request,
                                                      std::chrono::seconds expires);
    proto::Result<std::chrono::seconds> granted(std::optional<std::chrono::seconds> asked) const;
    proto::WallTime next_stamp(proto::Now now, const proto::PresentityUri& presentity) const;
    proto::DocumentPtr published_as(const proto::PresentityUri& presentity, std::string_view id) const;
    /// Replaces or adds a publication if the whole still composes.
    proto::Result<void> put(proto::Now now, const proto::PresentityUri& presentity, Publication publication,
                            std::chrono::seconds expires);
    void remove(proto::Now now, const proto::PresentityUri& presentity, std::string_view id);
    void erase_row(const proto::PresentityUri& presentity, std::vector<Publication>& all, std::string_view id);
    proto::SteadyTime next_expiry() const { return expiries_.empty() ? proto::never : expiries_.begin()->when; }
    proto::SteadyTime next_look() const {
        return expiries_.empty() ? proto::never : looked_at_ + proto::limits::wall_looked_at;
    }
    bool wall_ran_ahead(proto::Now now);
    void follow_wall(proto::Now now);
    Publication& noted(const Expiry& expiry);
    void expire_at(const proto::PresentityUri& presentity, Publication& publication, proto::SteadyTime when);
    void unschedule(const proto::PresentityUri& presentity, const Publication& publication);
    void say_farewell(proto::Now now, const proto::PresentityUri& presentity);
    void keep(proto::Now now, const proto::PresentityUri& presentity, Publication& publication,
              std::chrono::seconds left);
    static proto::DocumentPtr composed(const std::vector<Publication>& publications);
    void settle(proto::Now now, const proto::PresentityUri& presentity, Source& source, proto::DocumentPtr document);
    void save(const proto::PresentityUri& presentity, const Publication& publication);
    bool restore(proto::Now now, std::string_view key, proto::BytesView value);
    std::string fresh_tag();
    std::string fresh_id(proto::WallTime stamp);

    Store& store_;
    proto::Random& random_;
    ServiceLimits limits_;
    std::unordered_map<proto::PresentityUri, Source> sources_;
    std::set<Expiry> expiries_;
    std::uint64_t last_number_ = 0;
    proto::Duration wall_ahead_ = proto::Duration::max();  ///< of the steady clock, when the two last agreed
    proto::SteadyTime looked_at_{};                        ///< at both
    std::vector<proto::PresentityUri> changed_;
    std::set<proto::PresentityUri> changed_set_;
    std::size_t count_ = 0;  ///< farewells too
    std::size_t farewells_ = 0;
};

}  // namespace presmesh::node
