#include "node/daemon/link_log.hpp"

namespace presmesh::daemon {

using translators::LinkState;

void LinkLog::tell(Links links) {
    for (std::size_t i = 0; i < links.size(); ++i) {
        if (told_[i] == links[i]) continue;
        told_[i] = links[i];
        if (links[i].state == LinkState::up && links[i].reason.empty())
            log_.info("an attached server is there", {{"link", links[i].name}});
        if (links[i].state == LinkState::up && !links[i].reason.empty())
            log_.warning("an attached server is there, but not set up for us",
                         {{"link", links[i].name}, {"why", links[i].reason}});
        if (links[i].state == LinkState::down)
            log_.warning("an attached server is not to be had", {{"link", links[i].name}, {"why", links[i].reason}});
    }
}

}  // namespace presmesh::daemon
