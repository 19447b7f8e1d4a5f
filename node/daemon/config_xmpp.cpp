#include <set>

#include "node/daemon/config_sections.hpp"

namespace presmesh::daemon {

namespace {

using std::chrono::seconds;
using translators::xmpp::ComponentSettings;
using translators::xmpp::XmppSettings;

constexpr std::uint16_t component_port = 5347;

/// "host:port", "[v6]:port" or "host".
void read_server(TomlSection& section, XmppSettings& settings) {
    const auto server = section.text_or("server", "127.0.0.1:" + std::to_string(component_port));
    const auto colon = server.rfind(':');
    const bool bare_v6 = server.find(':') != colon && server.front() != '[';
    settings.host = server;
    if (colon != std::string::npos && !bare_v6) {
        const auto port = server.substr(colon + 1);
        const bool digits =
            !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
        const int number = digits ? std::stoi(port) : 0;
        if (number < 1 || number > 65535)
            section.fault("server", "server must be host:port, and is \"" + server + "\"");
        settings.port = static_cast<std::uint16_t>(number);
        settings.host = server.substr(0, colon);
    }
    if (settings.host.size() > 2 && settings.host.front() == '[' && settings.host.back() == ']')
        settings.host = settings.host.substr(1, settings.host.size() - 2);
    if (settings.host.empty()) section.fault("server", "server must be host:port, and is \"" + server + "\"");
}

ComponentSettings read_component(TomlSection& section, SecretFiles& files) {
    ComponentSettings component;
    const auto host = section.required_text("host");
    if (!host.empty()) component.name = read_domain(section, "host", host);
    component.secret = read_secret(section, "secret", files);
    if (!section.has("secret") && !section.has("secret_file")) section.fault("secret", "needs secret or secret_file");
    component.gateway = section.flag("gateway", false);
    section.finish();
    return component;
}

void read_components(TomlSection& section, SecretFiles& files, XmppSettings& settings) {
    std::set<std::string> names;
    int gateways = 0;
    for (auto& part : section.tables("components")) {
        auto component = read_component(part, files);
        if (!component.name.empty() && !names.insert(component.name).second)
            part.fault("host", "host " + component.name + " is named twice");
        if (component.gateway && ++gateways > 1) part.fault("gateway", "gateway: there can be one");
        settings.components.push_back(std::move(component));
    }
    if (settings.components.empty())
        section.fault("components",
                      "needs components, for example components = [{ host = \"a.example\", secret_file = "
                      "\"component.secret\" }]");
}

XmppSettings read_one(TomlSection& section, SecretFiles& files) {
    XmppSettings settings;
    const auto domain = section.required_text("domain");
    if (!domain.empty()) settings.domain = read_domain(section, "domain", domain);
    read_server(section, settings);
    read_components(section, files, settings);
    settings.connect_timeout =
        in_seconds(section.duration("connect_timeout", seconds{1}, seconds{300}, settings.connect_timeout));
    settings.reconnect_min =
        in_seconds(section.duration("reconnect_min", seconds{1}, seconds{300}, settings.reconnect_min));
    settings.reconnect_max =
        in_seconds(section.duration("reconnect_max", seconds{1}, std::chrono::hours{1}, settings.reconnect_max));
    if (settings.reconnect_max < settings.reconnect_min)
        section.fault("reconnect_max", "reconnect_max must not be under reconnect_min");
    settings.ping_every =
        in_seconds(section.duration("ping_every", seconds{5}, std::chrono::hours{1}, settings.ping_every));
    settings.ping_timeout =
        in_seconds(section.duration("ping_timeout", seconds{1}, seconds{300}, settings.ping_timeout));
    settings.outage_hold =
        in_seconds(section.duration("outage_hold", seconds{0}, std::chrono::hours{24}, settings.outage_hold));
    settings.probes_per_second =
        static_cast<std::uint32_t>(section.number("probes_per_second", 1, 100'000, settings.probes_per_second));
    section.finish();
    return settings;
}

}  // namespace

std::vector<XmppSettings> read_xmpp(std::vector<TomlSection> sections, SecretFiles& files) {
    std::vector<XmppSettings> all;
    std::set<std::string> domains;
    for (auto& section : sections) {
        all.push_back(read_one(section, files));
        const auto& domain = all.back().domain;
        if (!domain.empty() && !domains.insert(domain).second)
            section.fault("domain", "domain " + domain + " has two [[xmpp]] sections");
    }
    return all;
}

}  // namespace presmesh::daemon
