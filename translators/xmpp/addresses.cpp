#include "translators/xmpp/addresses.hpp"

#include "proto/escaping.hpp"
#include "proto/limits.hpp"

namespace presmesh::translators::xmpp {

namespace {

constexpr std::string_view escaped_at = "\\40";

std::string packed(const proto::PresentityUri& user, const std::string& host) {
    auto local = user.jid();
    local.replace(local.rfind('@'), 1, escaped_at);
    if (local.size() > proto::limits::jid_part_bytes)  // in A-labels any name fits
        local = proto::jid_escape(user.user()).append(escaped_at) + user.domain();
    return local + "@" + proto::unicode_domain(host);
}

std::optional<proto::PresentityUri> unpacked(std::string_view local) {
    const auto at = local.rfind(escaped_at);
    if (at == std::string_view::npos) return std::nullopt;
    auto user = proto::PresentityUri::from_jid(std::string(local.substr(0, at)) + "@" +
                                               std::string(local.substr(at + escaped_at.size())));
    if (!user) return std::nullopt;
    return *user;
}

}  // namespace

JidCuts cut_jid(std::string_view jid) {
    JidCuts parts;
    const auto slash = jid.find('/');
    if (slash != std::string_view::npos) parts.resource = jid.substr(slash + 1);
    jid = jid.substr(0, slash);
    const auto at = jid.find('@');
    if (at != std::string_view::npos) parts.local = jid.substr(0, at);
    parts.domain = at == std::string_view::npos ? jid : jid.substr(at + 1);
    return parts;
}

std::optional<Addresses::Address> Addresses::of_user(const proto::PresentityUri& user) const {
    std::optional<std::size_t> gateway;
    for (std::size_t i = 0; i < settings_.components.size(); ++i) {
        const auto& component = settings_.components[i];
        if (component.gateway) {
            gateway = i;
        } else if (component.name == user.domain()) {
            return Address{user.jid(), i};
        }
    }
    if (!gateway) return std::nullopt;
    return Address{packed(user, settings_.components[*gateway].name), *gateway};
}

std::optional<proto::PresentityUri> Addresses::user_at(std::size_t component, std::string_view jid) const {
    if (jid.size() > 4 * proto::limits::uri_bytes) return std::nullopt;
    const auto& host = settings_.components[component];
    const auto parts = cut_jid(jid);
    const auto domain = proto::canonical_domain(parts.domain);
    if (!domain || *domain != host.name || parts.local.empty()) return std::nullopt;
    if (host.gateway) {
        auto user = unpacked(parts.local);
        // A name has one spelling here: what this gateway would not write itself, it does not read.
        const auto written = user ? of_user(*user) : std::nullopt;
        if (!written || written->component != component || user->domain() == settings_.domain) return std::nullopt;
        return user;
    }
    auto user = proto::PresentityUri::from_jid(jid.substr(0, jid.find('/')));
    if (!user) return std::nullopt;
    return *user;
}

std::optional<proto::PresentityUri> Addresses::contact(std::string_view jid) const {
    if (jid.size() > 4 * proto::limits::uri_bytes || cut_jid(jid).local.empty()) return std::nullopt;
    auto user = proto::PresentityUri::from_jid(jid.substr(0, jid.find('/')));
    if (!user || user->domain() != settings_.domain) return std::nullopt;
    return *user;
}

}  // namespace presmesh::translators::xmpp
