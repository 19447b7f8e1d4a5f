// Short names for what tests of the node say all the time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/assert.hpp"
#include "proto/presence.hpp"
#include "proto/time.hpp"
#include "proto/uri.hpp"

namespace presmesh::testing {

inline proto::PresentityUri uri(std::string_view text) {
    auto parsed = proto::PresentityUri::parse(text);
    PRESMESH_ASSERT(parsed.has_value());
    return *parsed;
}

inline proto::Now at(proto::Duration since_start) {
    return {proto::SteadyTime{since_start + std::chrono::hours{1}},
            proto::wall_from_seconds(1'800'000'000) + since_start};
}

inline proto::Service service(std::string id, std::string note = {}, proto::Basic basic = proto::Basic::open) {
    proto::Service out;
    out.id = std::move(id);
    out.basic = basic;
    if (!note.empty()) out.notes.push_back({"", std::move(note)});
    return out;
}

inline proto::DocumentPtr document(proto::Presence presence) {
    auto made = proto::Document::make(std::move(presence));
    PRESMESH_ASSERT(made.has_value());
    return *made;
}

inline proto::DocumentPtr document(std::vector<proto::Service> services) {
    proto::Presence presence;
    presence.services = std::move(services);
    return document(std::move(presence));
}

/// An open service with a note.
inline proto::DocumentPtr online(std::string id = "phone", std::string note = "here") {
    return document({service(std::move(id), std::move(note))});
}

}  // namespace presmesh::testing
