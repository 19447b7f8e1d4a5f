// Engine mode: plain OpenDHT (dht::Dht, no seal, no channel, no policies of ours) at an address of the world, used the
// way its users do: a put with a new value id per change, kept alive until the next; a listen per watch; a get per
// look-up. Its traffic is named `content` where a put or an update of listeners, or the answer to one, leaves; the
// searches that lead to a put are `dht`, so that what a change costs is told in the engine's favour.
#pragma once

#include <memory>

#include "sim/host.hpp"

namespace presmesh::sim {

std::unique_ptr<Host> make_engine_node(const HostSetup& setup);

}  // namespace presmesh::sim
