// What is known of a user, and who may know it, as lines for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace presmesh::cli {

using Json = nlohmann::ordered_json;

/// The member, quotable; empty where there is no text.
std::string text_of(const Json& json, const char* key);
/// "pres:alice@a.example  open away "lunch" (phone)". One line, whatever the user says in a note.
std::string line_of(const Json& view);
std::string rules_text(const Json& json);
std::string watchers_text(const Json& json);

}  // namespace presmesh::cli
