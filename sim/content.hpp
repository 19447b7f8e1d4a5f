// What a user says, such that whoever sees it can tell whose it is, which one, and that nobody made it up.
#pragma once

#include <cstdint>
#include <optional>

#include "proto/presence.hpp"

namespace presmesh::sim {

/// The `version`th document (from 1) of a presentity; `filler` bytes of text make it larger.
proto::DocumentPtr make_document(std::uint64_t seed, std::uint32_t presentity, std::uint32_t version,
                                 std::uint32_t filler);
/// Which version of the presentity's this is; none: not one that make_document gives.
std::optional<std::uint32_t> version_in(std::uint64_t seed, std::uint32_t presentity, const proto::Presence& presence);

}  // namespace presmesh::sim
