// proto::Presence as JSON (node/CONFIG.md): the same members by the same names, absent when empty; times in RFC 3339.
//
//   {"services": [{"id": "phone", "basic": "open", "show": "away", "contact": "sip:a@b", "contact_priority": 0.8,
//                  "priority": 5, "notes": [{"lang": "en", "text": "lunch"}],
//                  "activities": {"names": ["meal"], "notes": [], "from": "...", "until": "..."},
//                  "user_input": {"idle": true, "last_input": "2026-01-02T03:04:05Z", "idle_threshold_s": 600},
//                  "device_ids": ["..."], "timestamp": "...", "status_extensions": ["<x/>"], "extensions": []}],
//    "persons": [...], "devices": [{"id": "d", "device_id": "urn:..."}], "notes": [], "extensions": []}
//
// Unknown members are refused by name: a misspelt "shwo" must not silently show somebody as available.
#pragma once

#include <string>
#include <string_view>

#include "proto/presence.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

/// One line, members in a fixed order. What is not UTF-8 comes out with U+FFFD.
std::string presence_to_json(const proto::Presence& presence);
/// malformed (detail says where: "services[0].show"), too_large.
proto::Result<proto::Presence> presence_from_json(std::string_view json);

}  // namespace presmesh::daemon
