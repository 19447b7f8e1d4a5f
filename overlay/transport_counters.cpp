#include "overlay/transport_counters.hpp"

namespace presmesh::overlay {

std::vector<std::pair<std::string, std::uint64_t>> TransportCounters::named() const {
    std::vector<std::pair<std::string, std::uint64_t>> out{
        {"datagrams_in", datagrams_in},
        {"bytes_in", bytes_in},
        {"datagrams_out", datagrams_out},
        {"bytes_out", bytes_out},
        {"handshakes_started", handshakes_started},
        {"handshakes_answered", handshakes_answered},
        {"handshakes_failed", handshakes_failed},
        {"cookies_sent", cookies_sent},
        {"unknown_sent", unknown_sent},
        {"moves", moves},
        {"dropped_output", dropped_output},
        {"dropped_events", dropped_events},
        {"dropped_queue", dropped_queue},
    };
    for (std::size_t reason = 0; reason < refused_.size(); ++reason) {
        if (refused_[reason] != 0) {
            out.emplace_back("refused_" + std::string(to_string(static_cast<proto::Reason>(reason))), refused_[reason]);
        }
    }
    return out;
}

}  // namespace presmesh::overlay
