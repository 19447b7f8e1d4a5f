// What /v1/node says, as lines for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace presmesh::cli {

using Json = nlohmann::ordered_json;

/// The member as text, "-" where there is none.
std::string word(const Json& json, const char* key);
/// The member, an empty object where there is none.
const Json& part(const Json& json, const char* key);

/// What `presmesh status` prints.
std::string status_text(const Json& json);

}  // namespace presmesh::cli
