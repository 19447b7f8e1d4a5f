// Views, rules and watchers as HTTP shows them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/daemon/http_message.hpp"
#include "node/presence_service.hpp"
#include "translators/translator.hpp"

namespace presmesh::daemon {

inline constexpr std::string_view media_json = "application/json";
inline constexpr std::string_view media_pidf = "application/pidf+xml";

/// {"presentity": ..., "state": ..., "reason": ..., "liveness": ..., "presence": {...} or null}
std::string view_to_json(const proto::PresentityUri& presentity, const translators::View& view);
/// A whole answer: 200; 403 when the presentity refuses this watcher; for PIDF 204 when nothing is known.
HttpResponse view_response(const proto::PresentityUri& presentity, const translators::View& view,
                           std::string_view media);

std::string rules_to_json(const proto::PresentityUri& presentity, const node::RuleSet& rules,
                          const std::vector<node::Rule>& decisions);
/// {"rules": [{"who": "b.example", "handling": "allow"}]}; malformed, quota.
proto::Result<node::RuleSet> rules_from_json(std::string_view json);

std::string watchers_to_json(const proto::PresentityUri& presentity, const std::vector<node::WatcherInfo>& watchers);
struct Decision {
    proto::PresentityUri watcher;
    std::optional<node::Handling> handling;  ///< none: the decision is taken back
};
/// {"watcher": "bob@b.example", "decision": "allow" | "block" | "polite-block" | "confirm" | null}
proto::Result<Decision> decision_from_json(std::string_view json);

}  // namespace presmesh::daemon
