// What the files config*.cpp share: values that more than one section has.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "node/daemon/config.hpp"
#include "proto/toml_section.hpp"

namespace presmesh::daemon {

using proto::TomlSection;

bool is_loopback(const proto::Endpoint& endpoint);
bool is_wildcard(const proto::Endpoint& endpoint);
/// Canonical, or empty and a fault.
std::string read_domain(TomlSection& section, std::string_view key, const std::string& text);
std::vector<proto::Endpoint> read_endpoints(TomlSection& section, std::string_view key,
                                            std::vector<std::string> fallback);
struct SecretFiles {
    std::string folder;           ///< from which relative paths are taken
    std::set<std::string> named;  ///< whole paths, of the sections read so far
    bool direct = false;          ///< one of them holds a secret itself
};
/// The key `name` ("secret"), or the file that `name`_file names (without its line end); empty when there is neither.
std::string read_secret(TomlSection& section, const std::string& name, SecretFiles& files);
std::chrono::seconds in_seconds(proto::Duration duration);

/// Two that cannot be had at once, as the wildcard and an address of its family.
void check_listens(const std::vector<Listening>& listens, std::vector<proto::FileFault>& faults);

/// `domain` is whose users a section is about that does not say.
std::vector<translators::sip::SipSettings> read_sip(std::vector<TomlSection> sections, SecretFiles& files,
                                                    const std::string& domain, std::vector<Listening>& listens);

std::vector<translators::xmpp::XmppSettings> read_xmpp(std::vector<TomlSection> sections, SecretFiles& files);

}  // namespace presmesh::daemon
