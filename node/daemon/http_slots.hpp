// The publications made over HTTP, by a name of the client's choosing: a PUT to one replaces what the last PUT to it
// said, with no entity tag to remember (entity tags are there for those who want them). Kept over restarts beside the
// publications.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::daemon {

class HttpSlots {
  public:
    /// Reads what was saved. `translator` names it; both must outlive this.
    void start(proto::Now now, translators::Host& host, translators::Translator& translator);

    /// Empty when the slot is empty or ran out.
    std::string etag(proto::Now now, const proto::PresentityUri& presentity, std::string_view name) const;
    void set(proto::Now now, const proto::PresentityUri& presentity, std::string_view name, std::string etag,
             std::chrono::seconds expires);
    void erase(const proto::PresentityUri& presentity, std::string_view name);
    /// A publication got a new entity tag by its old one: whichever slot had that follows.
    void replace(proto::Now now, const proto::PresentityUri& presentity, std::string_view old_etag,
                 const std::string& new_etag, std::chrono::seconds expires);
    /// Forgets what ran out; called now and then, since each slot's publication is bounded and runs out anyway.
    void sweep(proto::Now now);
    std::size_t size() const { return slots_.size(); }

  private:
    struct Slot {
        std::string etag;
        proto::SteadyTime until{};  ///< no shorter than its publication
    };
    using Slots = std::map<std::string, Slot, std::less<>>;
    static std::string key_of(const proto::PresentityUri& presentity, std::string_view name);
    void forget(Slots::iterator slot);

    Slots slots_;
    translators::Host* host_ = nullptr;
    translators::Translator* translator_ = nullptr;
};

}  // namespace presmesh::daemon
