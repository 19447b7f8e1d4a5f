#include "proto/watch_state.hpp"

namespace presmesh::proto {

std::string_view to_string(WatchState state) {
    switch (state) {
        case WatchState::pending:
            return "pending";
        case WatchState::active:
            return "active";
        case WatchState::terminated:
            return "terminated";
    }
    return "unknown";
}

std::string_view to_string(Liveness liveness) {
    switch (liveness) {
        case Liveness::live:
            return "live";
        case Liveness::stale:
            return "stale";
        case Liveness::unknown:
            return "unknown";
    }
    return "unknown";
}

}  // namespace presmesh::proto
