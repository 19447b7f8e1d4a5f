// The namespaces of PIDF documents, and what a show implies in RPID: reader and writer agree here.
#pragma once

#include <optional>
#include <string_view>

#include "proto/presence.hpp"

namespace presmesh::translators::sip {

inline constexpr std::string_view ns_pidf = "urn:ietf:params:xml:ns:pidf";
inline constexpr std::string_view ns_data_model = "urn:ietf:params:xml:ns:pidf:data-model";
inline constexpr std::string_view ns_rpid = "urn:ietf:params:xml:ns:pidf:rpid";
inline constexpr std::string_view ns_jabber = "jabber:client";

inline constexpr std::string_view show_names[] = {"", "away", "chat", "dnd", "xa"};  // by proto::Show

/// The one RPID activity that is written beside a show, so that SIP clients that know RPID see it; empty for chat.
constexpr std::string_view implied_activity(proto::Show show) {
    if (show == proto::Show::dnd) return "busy";
    return show == proto::Show::chat ? "" : "away";
}

}  // namespace presmesh::translators::sip
