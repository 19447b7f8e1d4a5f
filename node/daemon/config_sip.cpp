#include <set>

#include "node/daemon/config_sections.hpp"

namespace presmesh::daemon {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using translators::sip::Account;
using translators::sip::Mode;
using translators::sip::SipSettings;

milliseconds in_milliseconds(proto::Duration d) {
    return std::chrono::duration_cast<milliseconds>(d);
}

/// "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "ADDRESS:PORT".
bool is_listen_address(std::string_view text) {
    for (const std::string_view transport : {"udp:", "tcp:"}) {
        if (text.starts_with(transport)) text.remove_prefix(transport.size());
    }
    return proto::Endpoint::parse(text).has_value();
}

void add_listens(const TomlSection& section, std::string_view text, std::vector<Listening>& listens) {
    const auto colon = text.find(':');
    const auto transport = text.substr(0, colon);
    const bool said = transport == "udp" || transport == "tcp";
    const auto at = proto::Endpoint::parse(said ? text.substr(colon + 1) : text);
    if (!at) return;
    for (const bool tcp : {false, true})
        if (!said || tcp == (transport == "tcp"))
            listens.push_back({section.name(), section.line_of("listen"), tcp, *at});
}

void read_listen(TomlSection& section, SipSettings& settings, std::vector<Listening>& listens) {
    settings.listen = section.texts("listen");
    if (!section.has("listen")) settings.listen = {"127.0.0.1:5060"};
    for (const auto& text : settings.listen) {
        add_listens(section, text, listens);
        if (!is_listen_address(text)) {
            section.fault("listen",
                          "listen must be such as \"udp:127.0.0.1:5060\", \"tcp:[::1]:5060\", or without a transport "
                          "for both, and is \"" +
                              text + "\"");
        }
    }
    if (settings.listen.empty()) section.fault("listen", "listen must not be empty");
}

void read_domains(TomlSection& section, const std::string& own, SipSettings& settings) {
    for (const auto& text : section.texts("domains")) settings.domains.push_back(read_domain(section, "domains", text));
    if (!section.has("domains") && !own.empty()) settings.domains = {own};
    if (section.has("domains") && settings.domains.empty()) section.fault("domains", "domains must not be empty");
}

void read_ha1(TomlSection& section, const char* key, std::size_t digits, std::string& into) {
    into = section.text_or(key, "");
    const bool hex = into.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (into.empty() || (hex && into.size() == digits)) return;
    section.fault(key, std::string(key) + " must be " + std::to_string(digits) + " lower-case hexadecimal digits");
}

void read_accounts(TomlSection& section, SipSettings& settings) {
    for (auto& part : section.tables("accounts")) {
        const auto user = part.required_text("user");
        Account account;
        read_ha1(part, "ha1_md5", 32, account.ha1_md5);
        read_ha1(part, "ha1_sha256", 64, account.ha1_sha256);
        if (account.ha1_md5.empty() && account.ha1_sha256.empty()) part.fault("user", "needs ha1_md5 or ha1_sha256");
        if (!user.empty() && !settings.accounts.emplace(user, account).second)
            part.fault("user", "user " + user + " is named twice");
        part.finish();
    }
    if (settings.authenticate && settings.accounts.empty())
        section.fault("authenticate", "authenticate = true needs accounts");
}

/// "192.0.2.5" or "2001:db8::5", as in a URI (in brackets) or not.
proto::Result<proto::Endpoint> read_address(std::string_view text) {
    const bool bare_v6 = text.find(':') != std::string_view::npos && !text.starts_with('[');
    return proto::Endpoint::parse((bare_v6 ? "[" + std::string(text) + "]" : std::string(text)) + ":0");
}

/// Of "sip:user@host:port;parameters"; an IPv6 address in its brackets.
std::string_view host_of(std::string_view uri) {
    uri.remove_prefix(uri.find(':') + 1);
    uri.remove_prefix(uri.find('@') + 1);
    uri = uri.substr(0, uri.find_first_of(";?"));
    return uri.starts_with('[') ? uri.substr(0, uri.find(']') + 1) : uri.substr(0, uri.find(':'));
}

/// Contact and Via take a host; the port is that of the socket.
void read_advertised(TomlSection& section, SipSettings& settings) {
    settings.advertised = section.text_or("advertised", "");
    if (!section.has("advertised")) return;
    const bool address = proto::Endpoint::parse(settings.advertised + ":0").has_value();
    if (address || proto::canonical_domain(settings.advertised)) return;
    section.fault("advertised",
                  "advertised must be a host such as \"sip.example.com\", \"192.0.2.1\" or \"[2001:db8::1]\", without "
                  "a port, and is \"" +
                      settings.advertised + "\"");
}

bool asks_for_tls(std::string_view uri) {
    return uri.starts_with("sips:") || uri.find(";transport=tls") != std::string_view::npos;
}

void read_server(TomlSection& section, SipSettings& settings) {
    const bool attach = settings.mode == Mode::attach;
    settings.server = attach ? section.required_text("server") : section.text_or("server", "");
    if (settings.server.empty()) return;
    if (asks_for_tls(settings.server)) {
        section.fault("server",
                      "server asks for TLS, which a node does not speak over SIP: name a UDP or TCP address of the "
                      "server, on loopback or a private network, or of a proxy that speaks TLS to it");
    } else if (!settings.server.starts_with("sip:")) {
        section.fault("server", "server must be a SIP URI such as \"sip:127.0.0.1:5060;transport=tcp\", and is \"" +
                                    settings.server + "\"");
    } else {
        return;
    }
    settings.server.clear();  // nothing more to say about it
}

/// Where the attached server's SUBSCRIBEs come from. A name is not resolved: what it stands for may change, and who
/// changes it would be believed.
void read_from(TomlSection& section, SipSettings& settings) {
    const auto texts = section.texts("from");
    for (const auto& text : texts) {
        if (const auto address = read_address(text))
            settings.from.push_back(*address);
        else
            section.fault("from",
                          "from must be addresses such as \"192.0.2.5\" or \"2001:db8::5\", and is \"" + text + "\"");
    }
    if (section.has("from") && texts.empty()) section.fault("from", "from must not be empty");
    if (section.has("from") || settings.server.empty() || settings.mode != Mode::attach) return;
    if (const auto address = read_address(host_of(settings.server)))
        settings.from = {*address};
    else
        section.fault(
            "server",
            "server says no address: SUBSCRIBEs are taken from the server alone, so add the addresses that it "
            "sends from, such as from = [\"192.0.2.5\"]");
}

void read_attach(TomlSection& section, SecretFiles& files, SipSettings& settings) {
    const bool attach = settings.mode == Mode::attach;
    read_server(section, settings);
    read_from(section, settings);
    settings.watcher = section.text_or("watcher", "");
    if (!settings.watcher.empty() && !proto::PresentityUri::parse(settings.watcher)) {
        section.fault("watcher", "watcher must be a SIP URI such as \"sip:presmesh@example.com\", and is \"" +
                                     settings.watcher + "\"");
    }
    if (settings.watcher.empty() && attach && !settings.domains.empty())
        settings.watcher = "sip:presmesh@" + settings.domains.front();
    settings.as_real_watcher = section.flag("as_real_watcher", settings.as_real_watcher);
    settings.credentials.user = section.text_or("user", "");
    settings.credentials.password = read_secret(section, "password", files);
    settings.credentials.realm = section.text_or("password_realm", "");
    if (settings.credentials.user.empty() != settings.credentials.password.empty())
        section.fault("user", "needs user and password (or password_file) together");
    settings.subscribe_expires =
        in_seconds(section.duration("subscribe_expires", seconds{60}, hours{24}, settings.subscribe_expires));
    settings.ping_every = in_seconds(section.duration("ping_every", seconds{0}, hours{1}, settings.ping_every));
    settings.state_grace = in_seconds(section.duration("state_grace", seconds{0}, hours{1}, settings.state_grace));
    for (const auto* key :
         {"server", "from", "watcher", "as_real_watcher", "user", "subscribe_expires", "ping_every", "state_grace"}) {
        if (!attach && section.has(key)) section.fault(key, std::string(key) + " is of mode = \"attach\" only");
    }
}

void read_serve(TomlSection& section, SipSettings& settings) {
    settings.authenticate = section.flag("authenticate", settings.authenticate);
    settings.realm = section.text_or("realm", "");
    read_accounts(section, settings);
    settings.nonce_lifetime =
        in_seconds(section.duration("nonce_lifetime", seconds{10}, hours{24}, settings.nonce_lifetime));
    for (const auto* key : {"authenticate", "realm", "accounts", "nonce_lifetime"}) {
        if (settings.mode == Mode::attach && section.has(key))
            section.fault(key, std::string(key) + " is of mode = \"serve\" only");
    }
}

SipSettings read_one(TomlSection& section, SecretFiles& files, const std::string& domain,
                     std::vector<Listening>& listens) {
    SipSettings settings;
    settings.mode = section.choice("mode", {"serve", "attach"}, 0) == 0 ? Mode::serve : Mode::attach;
    if (!section.has("mode")) section.fault("mode", "needs mode = \"serve\" or mode = \"attach\"");
    settings.name = section.text_or("name", settings.mode == Mode::serve ? "sip.serve" : "sip.attach");
    read_domains(section, domain, settings);
    read_listen(section, settings, listens);
    read_advertised(section, settings);
    read_attach(section, files, settings);
    read_serve(section, settings);
    settings.rate.burst = static_cast<std::uint32_t>(section.number("rate_burst", 1, 1'000'000, settings.rate.burst));
    settings.rate.interval =
        in_milliseconds(section.duration("rate_interval", seconds{0}, hours{1}, settings.rate.interval));
    settings.max_expires =
        in_seconds(section.duration("max_expires", seconds{60}, hours{24 * 7}, settings.max_expires));
    settings.fetch_wait = in_milliseconds(section.duration("fetch_wait", seconds{0}, seconds{30}, settings.fetch_wait));
    settings.requests_per_second =
        static_cast<std::uint32_t>(section.number("requests_per_second", 1, 10'000'000, settings.requests_per_second));
    section.finish();
    return settings;
}

}  // namespace

std::vector<SipSettings> read_sip(std::vector<TomlSection> sections, SecretFiles& files, const std::string& domain,
                                  std::vector<Listening>& listens) {
    std::vector<SipSettings> all;
    std::set<std::string> names;
    for (auto& section : sections) {
        all.push_back(read_one(section, files, domain, listens));
        if (!names.insert(all.back().name).second)
            section.fault("name", "name " + all.back().name +
                                      " is taken by another [[sip]] section: names keep saved state apart");
    }
    return all;
}

}  // namespace presmesh::daemon
