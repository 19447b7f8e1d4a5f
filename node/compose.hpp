// Several documents about one presentity become one (RFC 4479 section 4, RFC 3856 section 6.9). Pure functions: the
// same inputs in any order give the same bytes, on every node.
//
//   services  all are kept. One id twice: the same contact means the same service, and its newest version wins; else
//   both
//             stay and the one of the later origin is renamed ("id-2").
//   persons   equal ones (ids and times aside) become one; when they disagree all are kept.
//   devices   one per device id, the newest.
//   notes and extensions of the document: all different ones.
//
// Newest: the greater timestamp (the device's own word), then the greater `published` or, where there is none, `stamp`,
// then the greater origin. Elements that differ in `published` alone are equal.
#pragma once

#include <string>
#include <vector>

#include "overlay/overlay.hpp"
#include "proto/presence.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

struct Contribution {
    std::string origin;       ///< stable name: of the publication, or of the source's node
    proto::WallTime stamp{};  ///< when it was published, where that is known; else zero
    proto::DocumentPtr document;
};

struct Composition {
    proto::DocumentPtr document;  ///< null when there was no document
    bool complete = true;         ///< false: the whole would have passed limits.hpp; later origins were left out
};

/// `document` with every element marked as published now; what `before` (may be null) has unchanged keeps its time.
/// too_large.
proto::Result<proto::DocumentPtr> mark_published(const proto::DocumentPtr& document, const proto::DocumentPtr& before,
                                                 proto::WallTime now);

/// Null documents are passed over; a single one composes to itself (the same pointer).
Composition compose(std::vector<Contribution> contributions);

/// What a watcher sees of all the sources of `presentity` that it may see.
///   state     active if any is, but not by a node that is gone where another one rejects the watcher; else pending if
///             any is, or nothing is known; else terminated with the first one's reason
///   liveness  of the best source that is shown; sources that are unknown are shown only when there is no better
/// A source that merely says "nothing is published here any more" is not shown beside one where something is, nor in
/// place of one that is unknown and was heard later than that was said.
translators::View compose_view(const std::vector<overlay::SourceView>& sources, const proto::PresentityUri& presentity);

/// What a politely blocked watcher sees: one closed service, always the same for a presentity.
proto::DocumentPtr offline_document(const proto::PresentityUri& presentity);

/// Would a watcher notice?
bool same_view(const translators::View& one, const translators::View& other);

}  // namespace presmesh::node
