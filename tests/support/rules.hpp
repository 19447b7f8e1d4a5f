// Rules as the node's tests write them.
#pragma once

#include <string>

#include "node/rules.hpp"

namespace presmesh::testing {

inline node::RuleSet one_rule(std::string who, node::Handling handling) {
    return node::RuleSet::make({node::Rule::make(std::move(who), handling).value()}).value();
}

}  // namespace presmesh::testing
