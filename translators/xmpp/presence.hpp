// <presence/> (RFC 6121 section 4) <-> proto::Service, as RFC 8048 and MAPPING.md say. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/presence.hpp"
#include "proto/result.hpp"
#include "translators/xmpp/stanza.hpp"

namespace presmesh::translators::xmpp {

/// What shows `presence` to one watcher: one stanza per service, from `from_bare` with the service's id as resource
/// (see resource_of), to `to`. A document without services says unavailable from the bare address. With `previous`,
/// what that watcher was shown before: resources that were available and are gone become unavailable, first; and a
/// service whose stanza is what it was before is left out. Without (a first showing, a probe), everything is said.
/// Activities count as they stand at `now`, in both.
std::vector<Element> presence_stanzas(const proto::Presence& presence, const proto::Presence* previous,
                                      std::string_view from_bare, std::string_view to, proto::WallTime now);
/// When activities begin or end next, after `now`: what is shown may be another then.
std::optional<proto::WallTime> next_change(const proto::Presence& presence, proto::WallTime now);

/// The service one stanza tells of; its id is the resource of `from` ("" for a bare address). malformed: no `from`;
/// type neither absent nor "unavailable". An unknown show is passed over; a priority that is no number is 0, one out of
/// range is the nearest in range.
proto::Result<proto::Service> service_of(const Element& stanza);

/// Takes in what a server said of one resource. Services stand in order of their ids, so that the order in which
/// stanzas came leaves no trace. Of those that are closed only the last to go is kept, so that resources that come and
/// go do not pile up; unavailable from the bare address closes all. False when nothing changed, or an open service
/// finds no room (limits::services_per_document).
bool apply(proto::Presence& presence, proto::Service service);

/// Is this service shown as available?
bool is_available(const proto::Service& service);

/// The show and the notes a watcher is told of, over all that may say them (MAPPING.md: reading order).
std::optional<proto::Show> show_of(const proto::Service& service, const proto::Presence& presence, proto::WallTime now);
std::vector<proto::Note> notes_of(const proto::Service& service, const proto::Presence& presence, proto::WallTime now);

/// A service id as a resourcepart: itself where servers take it as it is, else a name made from its digest.
std::string resource_of(std::string_view service_id);

/// "<bare>/<resource>" taken apart; resource empty for a bare address.
struct JidParts {
    std::string_view bare;
    std::string_view resource;
};
JidParts split_jid(std::string_view jid);

}  // namespace presmesh::translators::xmpp
