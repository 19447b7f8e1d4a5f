// The overlay's contacts, kept over a restart: with them a node finds back when no name resolves and nobody is at the
// federation file's addresses. Addresses only: who answers there shows its certificate as anybody does.
#pragma once

#include <vector>

#include "node/store.hpp"
#include "overlay/overlay.hpp"
#include "proto/time.hpp"

namespace presmesh::node {

class SavedContacts {
  public:
    /// Both must outlive it.
    SavedContacts(Store& store, overlay::Overlay& overlay) : store_(store), overlay_(overlay) {}

    /// Those of the last run go to the overlay.
    void start(proto::Now now);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const { return save_at_; }
    /// Where they differ from what is saved.
    void save();

  private:
    std::vector<overlay::Contact> saved() const;

    Store& store_;
    overlay::Overlay& overlay_;
    proto::SteadyTime save_at_ = proto::never;
};

}  // namespace presmesh::node
