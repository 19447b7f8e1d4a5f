// What the node turned away and why, picked out of all that its parts count.
#include <algorithm>
#include <array>

#include "node/daemon/node_report.hpp"

namespace presmesh::daemon {

namespace {

/// Counters of the overlay whose names say both: the part, and what happened there.
constexpr std::string_view refused_mark = "refused_";
constexpr std::array<std::array<std::string_view, 3>, 10> overlay_words{{
    {"dropped_output", "transport", "queue_full_out"},
    {"dropped_events", "transport", "queue_full_in"},
    {"dropped_queue", "transport", "queue_full_handshake"},
    {"dht_dropped_output", "dht", "queue_full_out"},
    {"dht_dropped_events", "dht", "queue_full_in"},
    {"channel_documents_bad", "channel", "malformed_document"},
    {"channel_watches_refused", "channel", "no_room_for_watch"},
    {"channel_watches_delayed", "channel", "watches_too_fast"},
    {"channel_messages_too_large", "channel", "message_too_large"},
    {"record_puts_refused", "publisher", "not_signed"},
}};

/// "dht_refused_quota" is part "dht", "refused_expired" the transport's.
void add_overlay(std::vector<Refused>& out, const std::string& name, std::uint64_t count) {
    for (const auto& [counter, part, reason] : overlay_words)
        if (name == counter) out.push_back({std::string(part), std::string(reason), count});
    const auto at = name.find(refused_mark);
    if (at == std::string::npos) return;
    const auto reason = name.substr(at + refused_mark.size());
    out.push_back({at == 0 ? "transport" : name.substr(0, at - 1), reason, count});
}

/// Those of the service and the translators: by a label that says why, where "ok" is no refusal.
bool tells_refusals(std::string_view name) {
    return name == "service_publish" || name == "service_set_publication" || name == "service_watch" ||
           name == "service_watch_requests" || name == "service_save_refused" || name == "xmpp_refused" ||
           name == "xmpp_dropped" || name == "sip_refused" || name == "sip_bad_documents" ||
           name == "udp_datagrams_lost" || name == "http_refused";
}

}  // namespace

std::vector<Refused> refusals(const NodeReport& report) {
    std::vector<Refused> out;
    for (const auto& [name, count] : report.overlay.counters) add_overlay(out, name, count);
    for (const auto& [at, count] : report.counters)
        if (tells_refusals(at.first) && at.second != "ok") out.push_back({at.first, at.second, count});
    std::erase_if(out, [](const Refused& refused) { return refused.count == 0; });
    std::sort(out.begin(), out.end());
    return out;
}

}  // namespace presmesh::daemon
