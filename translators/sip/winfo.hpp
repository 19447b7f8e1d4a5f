// Watcher information for its subscribers (RFC 3857): who subscribed to which presentity's, and what each has still to
// be told. Their dialogs, NOTIFYs and rates are the Notifier's.
//
// The first document says the whole list; a longer one than fits goes on in partial ones, at once. Later ones say who
// came, changed or went meanwhile, the newest of each. Where too many wait, or a NOTIFY was lost, the list is told
// anew: so what is kept of a subscription is bounded, however long the list is.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "proto/result.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/winfo_document.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

class Winfo {
  public:
    using Id = std::uint64_t;  ///< of a subscription, the Notifier's

    void start(Host& host, Translator& owner);
    /// Owes it the whole list. not_found (the presentity is not ours), quota.
    proto::Result<void> add(Id id, const proto::PresentityUri& presentity);
    void remove(Id id);
    /// Those whose presentity it is.
    std::vector<Id> changed(const proto::PresentityUri& presentity, const std::vector<WatcherChange>& changes);
    /// It asked again, or a document did not arrive: it is owed the whole list.
    void begin_again(Id id);
    /// It ends: what is owed is told, and nothing that comes after.
    void close(Id id);
    bool owes(Id id) const;
    /// What was owed did not fit the last document.
    bool goes_on(Id id) const;
    /// The next document, as much as fits; the whole list again where nothing is owed. Null: no such subscription.
    Body write(proto::WallTime now, Id id, std::uint32_t version, std::size_t most_bytes);

    std::size_t size() const { return owed_.size(); }

  private:
    struct Owed {
        proto::PresentityUri presentity;
        bool begins = true;  ///< with a full document
        bool lists = true;   ///< those after `listed`
        bool goes_on = false;
        bool closed = false;
        proto::PresentityUri listed;  ///< the last of the list that was told
        std::map<proto::PresentityUri, WatcherChange> changes;

        bool any() const { return lists || !changes.empty(); }
        void begin_again();
        void change(const WatcherChange& change);
    };
    using Said = std::set<proto::PresentityUri>;

    static Said write_changes(WinfoDocument& document, proto::WallTime now, Owed& owed);
    void write_list(WinfoDocument& document, proto::WallTime now, Owed& owed, const Said& said) const;

    Host* host_ = nullptr;
    Translator* owner_ = nullptr;
    std::map<Id, Owed> owed_;
    std::map<proto::PresentityUri, std::set<Id>> by_presentity_;
};

}  // namespace presmesh::translators::sip
