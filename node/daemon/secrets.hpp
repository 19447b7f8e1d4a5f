// Whether what must stay secret does, as far as a look at the files can tell.
#pragma once

#include <string>
#include <vector>

#include "node/daemon/config.hpp"

namespace presmesh::daemon {

/// The domain key when it lies beside the node's own files: who breaks into the node then has the whole provider.
/// Empty: it does not.
std::string domain_key_here(const Config& config);
/// Of the keys, tokens, the federation file, the attached servers' secrets and a configuration that holds one, those
/// that more than owner (0600) and group may read (0640), a sentence each.
std::vector<std::string> exposed_secrets(const Config& config);

}  // namespace presmesh::daemon
