// Whoever watches without being a translator: HTTP's event streams, the command line, tests.
#pragma once

#include "proto/time.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

class Observer {
  public:
    virtual ~Observer() = default;
    /// The first view and every later one that differs; at the end of a turn, at most once per turn and watch. May call
    /// back.
    virtual void view_changed(proto::Now now, translators::WatchId watch, const translators::View& view) = 0;
};

}  // namespace presmesh::node
