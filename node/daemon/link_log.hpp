// Tells the log when an attached server goes away or comes back; once for each change, not for each attempt.
#pragma once

#include <span>
#include <vector>

#include "node/daemon/log.hpp"
#include "translators/link_status.hpp"

namespace presmesh::daemon {

class LinkLog {
  public:
    using Links = std::span<const translators::LinkStatus>;
    LinkLog(Log& log, Links links) : log_(log), told_(links.begin(), links.end()) {}
    /// The same links as ever, as they are now.
    void tell(Links links);

  private:
    Log& log_;
    std::vector<translators::LinkStatus> told_;
};

}  // namespace presmesh::daemon
