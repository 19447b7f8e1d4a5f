// How a translator stands with the server it is attached to: what an operator has to see when presence does not cross.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/time.hpp"

namespace presmesh::translators {

enum class LinkState : std::uint8_t {
    untried,  ///< nothing was asked of the server yet, or it has still time to answer
    up,
    down,
};
constexpr std::string_view to_string(LinkState state) {
    return state == LinkState::up ? "up" : state == LinkState::down ? "down" : "untried";
}

struct LinkStatus {
    std::string name;  ///< the translator's, and what tells its links apart: "xmpp.a.example/b.example"
    LinkState state = LinkState::untried;
    std::string reason;       ///< why it is down, one word or a SIP status: "connection-refused", "401";
                              ///< of one that is up: what is wrong all the same
    proto::WallTime since{};  ///< when the state became what it is

    /// The moment counts when the state is another; the reason is the newest.
    void set(proto::Now now, LinkState to, std::string_view why = {}) {
        if (state != to) since = now.wall;
        state = to;
        reason = why;
    }
    bool operator==(const LinkStatus&) const = default;
};

}  // namespace presmesh::translators
