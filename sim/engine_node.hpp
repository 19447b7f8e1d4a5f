// Engine mode: plain OpenDHT (dht::Dht, no seal, no channel, no policies of ours) at an address of the world, used the
// way its users do: a put with a new value id per change, kept alive until the next; a listen per watch; a get per
// look-up. Its traffic is named `content` where a put or an update of listeners, or the answer to one, leaves; the
// searches that lead to a put are `dht`, so that what a change costs is told in the engine's favour.
#pragma once

#include <memory>

#include "sim/world.hpp"

namespace presmesh::sim {

/// `permanent`: OpenDHT keeps what is put alive. It then asks each storing node for the value before it sends it, which
/// makes a put one round trip longer.
std::unique_ptr<Host> make_engine_node(const HostSetup& setup, bool permanent);

/// Plain OpenDHT keeps nothing when it goes.
class EngineHosts final : public HostMaker {
  public:
    explicit EngineHosts(bool permanent = true) : permanent_(permanent) {}
    std::unique_ptr<Host> make(proto::Now, const HostSetup& setup) override {
        return make_engine_node(setup, permanent_);
    }
    void gone(NodeIndex, bool, bool) override {}

  private:
    bool permanent_;
};

}  // namespace presmesh::sim
