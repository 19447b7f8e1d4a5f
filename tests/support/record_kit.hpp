// Records of nodes that a FederationKit has certified.
#pragma once

#include <cstdlib>

#include "proto/record.hpp"
#include "tests/support/federation_kit.hpp"

namespace presmesh::testing {

/// A presentity's record, issued at the kit's epoch for `lifetime`.
inline proto::Record record_of(const NodeKit& node, const proto::Federation& federation, const std::string& presentity,
                               std::uint64_t counter, proto::Duration lifetime = std::chrono::hours{20}) {
    const auto uri = proto::PresentityUri::parse(presentity).value();
    proto::Record record;
    record.presentity = proto::presentity_key(federation.key, uri);
    record.domain = uri.domain();
    record.sequence = {1, counter};
    record.issued = proto::wall_from_seconds(kit_epoch_s);
    record.expires = record.issued + lifetime;
    record.endpoints = {proto::Endpoint::v4(0x0a000001, 4000)};
    record.digest.fill(static_cast<std::uint8_t>(counter));
    proto::SeededRandom random(counter);
    record.sealed_summary =
        proto::seal_summary({proto::Basic::open, {}, {}, "here", {}}, proto::SymmetricKey{}, random);
    if (!proto::sign(record, node.key, node.certificate)) std::abort();
    return record;
}

}  // namespace presmesh::testing
