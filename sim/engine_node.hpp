// Engine mode: plain OpenDHT (dht::Dht, no seal, no channel, no policies of ours) at an address of the world, used the
// way its users do: a put with a new value id per change, a get and a listen per watch.
#pragma once

#include <memory>

#include "sim/host.hpp"

namespace presmesh::sim {

[[gnu::weak]] std::unique_ptr<Host> make_engine_node(const HostSetup& setup);

}  // namespace presmesh::sim
