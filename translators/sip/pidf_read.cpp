#include <algorithm>
#include <charconv>
#include <pugixml.hpp>
#include <set>

#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "proto/text.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/sip/pidf_names.hpp"
#include "translators/sip/pidf_scan.hpp"
#include "translators/xml_element.hpp"

namespace presmesh::translators::sip {

namespace {

namespace limits = proto::limits;
using proto::Note;
using proto::Reason;
using proto::Result;
using proto::Service;

constexpr std::string_view ns_xmlns = "http://www.w3.org/2000/xmlns/";

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string text_of(pugi::xml_node node) {
    std::string out;
    for (const auto child : node.children())
        if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) out += child.value();
    return out;
}

/// Thousandths; decimals beyond the third are cut, values above 1 are 1.
std::optional<std::uint16_t> thousandths(std::string_view text) {
    text = trimmed(text);
    std::uint32_t whole = 0, value = 0, scale = 100;
    std::size_t at = 0, digits = 0;
    const auto digit = [&] { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    for (; digit(); ++at, ++digits) whole = whole > 0 || text[at] != '0' ? 1 : 0;
    if (at < text.size() && text[at] == '.')
        for (++at; digit(); ++at, ++digits, scale /= 10) value += static_cast<std::uint32_t>(text[at] - '0') * scale;
    if (digits == 0 || at != text.size()) return std::nullopt;
    return static_cast<std::uint16_t>(whole > 0 ? 1000 : value);
}

template <typename T>
std::optional<T> number(std::string_view text) {
    text = trimmed(text);
    if (text.starts_with("+")) text.remove_prefix(1);
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// An element with its name resolved. Valid while the pugi tree and the scope it was opened in are.
struct Node {
    pugi::xml_node xml;
    std::string_view ns;
    std::string_view name;
    std::string_view lang;  ///< its own xml:lang, or the nearest one around it
    bool is(std::string_view name_space, std::string_view local) const { return ns == name_space && name == local; }
};

/// Walks a pugi tree with the namespaces in force at each place. The first fault sticks and ends every loop.
class Walker {
  public:
    bool ok() const { return !fault_; }
    void fail(Reason reason, std::string detail) {
        if (!fault_) fault_ = proto::Error{reason, std::move(detail)};
    }
    const std::optional<proto::Error>& fault() const { return fault_; }

    /// Calls `visit(Node)` for `xml` with its declarations in force.
    template <typename Visit>
    void enter(pugi::xml_node xml, std::string_view lang, Visit&& visit) {
        const auto mark = bindings_.size();
        check_attributes(xml);
        const auto [prefix, local] = split(xml.name());
        const auto ns = resolve(prefix);
        if (!ns || local.empty()) fail(Reason::malformed, "a prefix that nothing declares");
        const auto own = xml.attribute("xml:lang");
        if (ok()) charge(ns->size() + local.size() + lang.size());
        if (ok()) visit(Node{xml, *ns, local, own ? std::string_view(own.value()) : lang});
        bindings_.resize(mark);
    }

    template <typename Visit>
    void children(const Node& parent, Visit&& visit) {
        for (const auto child : parent.xml.children()) {
            if (!ok()) return;
            if (child.type() == pugi::node_element) enter(child, parent.lang, visit);
        }
    }

    Element element(const Node& node) {
        Element out(node.name, node.ns);
        for (const auto a : node.xml.attributes()) {
            const auto [prefix, local] = split(a.name());
            if (prefix == "xmlns" || local == "xmlns") continue;
            const auto ns = prefix.empty() ? std::string_view{} : resolve(prefix).value_or(std::string_view{});
            if (out.attribute(local, ns) != nullptr) fail(Reason::malformed, "an attribute twice");
            out.attributes.push_back({std::string(local), std::string(ns), a.value()});
        }
        for (const auto child : node.xml.children()) {
            if (!ok()) break;
            if (child.type() == pugi::node_element)
                enter(child, {}, [&](const Node& inner) { out.children.push_back(element(inner)); });
            else if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata)
                (out.children.empty() ? out.text : out.children.back().tail) += child.value();
        }
        return out;
    }

  private:
    struct Binding {
        std::string_view prefix;
        std::string_view uri;
    };

    static std::pair<std::string_view, std::string_view> split(std::string_view name) {
        const auto colon = name.find(':');
        if (colon == std::string_view::npos) return {{}, name};
        return {name.substr(0, colon), name.substr(colon + 1)};
    }

    std::optional<std::string_view> resolve(std::string_view prefix) const {
        for (auto at = bindings_.rbegin(); at != bindings_.rend(); ++at)
            if (at->prefix == prefix) return at->uri;
        if (prefix.empty()) return std::string_view{};
        if (prefix == "xml") return ns_xml;
        return std::nullopt;
    }

    void declare(std::string_view prefix, std::string_view uri) {
        const bool reserved = prefix == "xml" || prefix == "xmlns" || uri == ns_xml || uri == ns_xmlns;
        if (reserved && !(prefix == "xml" && uri == ns_xml)) return fail(Reason::malformed, "a reserved namespace");
        if (!prefix.empty() && uri.empty()) return fail(Reason::malformed, "a prefix for no namespace");
        bindings_.push_back({prefix, uri});
    }

    /// Declares what `xml` declares, then looks at the rest: every prefix declared, no name twice, not too many.
    void check_attributes(pugi::xml_node xml) {
        std::size_t count = 0;
        for (auto a = xml.first_attribute(); a && ok(); a = a.next_attribute()) {
            if (++count > limits::stanza_attributes) return fail(Reason::too_large, "too many attributes");
            for (auto b = xml.first_attribute(); b != a; b = b.next_attribute())
                if (std::string_view(a.name()) == b.name()) return fail(Reason::malformed, "an attribute twice");
            const auto [prefix, local] = split(a.name());
            if (prefix == "xmlns") declare(local, a.value());
            if (prefix.empty() && local == "xmlns") declare({}, a.value());
        }
        for (const auto a : xml.attributes()) {
            const auto [prefix, local] = split(a.name());
            const bool plain = prefix.empty() || prefix == "xmlns";
            const auto ns = plain ? std::string_view{} : resolve(prefix);
            if (!ns) return fail(Reason::malformed, "a prefix that nothing declares");
            charge(ns->size() + local.size() + std::string_view(a.value()).size());
        }
    }

    /// What an element inherits is copied with it: the sum over all of them has a bound of its own.
    void charge(std::size_t bytes) {
        expanded_ += bytes;
        if (expanded_ > limits::xml_expanded_bytes) fail(Reason::too_large, "namespaces that are large everywhere");
    }

    std::vector<Binding> bindings_;
    std::size_t expanded_ = 0;
    std::optional<proto::Error> fault_;
};

class PidfReader {
  public:
    Result<ParsedPidf> document(std::string_view body, std::string_view language) {
        pugi::xml_document tree;
        constexpr unsigned how = pugi::parse_cdata | pugi::parse_escapes | pugi::parse_wconv_attribute |
                                 pugi::parse_eol | pugi::parse_ws_pcdata;
        const auto parsed = tree.load_buffer(body.data(), body.size(), how, pugi::encoding_utf8);
        if (!parsed) return refuse(Reason::malformed, parsed.description());
        const auto root = tree.first_child();
        if (root.type() != pugi::node_element || root.next_sibling())
            return refuse(Reason::malformed, "not one element");
        ParsedPidf out;
        walk_.enter(root, language, [&](const Node& node) { presence(node, out); });
        if (walk_.fault()) return tl::make_unexpected(*walk_.fault());
        return out;
    }

  private:
    void presence(const Node& root, ParsedPidf& out) {
        if (!root.is(ns_pidf, "presence")) return walk_.fail(Reason::wrong_namespace, "not a PIDF presence element");
        entity_ = trimmed(root.xml.attribute("entity").value());
        if (entity_.empty()) return walk_.fail(Reason::malformed, "no entity");
        if (auto entity = proto::PresentityUri::parse(entity_)) out.entity = std::move(*entity);
        auto& p = out.presence;
        walk_.children(root, [&](const Node& n) {
            if (n.is(ns_pidf, "tuple"))
                tuple(n, p);
            else if (n.is(ns_pidf, "note"))
                note(n, p.notes);
            else if (n.is(ns_data_model, "person"))
                person(n, p);
            else if (n.is(ns_data_model, "device"))
                device(n, p);
            else
                extension(n, p.extensions);
        });
    }

    // ---- parts

    void tuple(const Node& node, proto::Presence& p) {
        if (trimmed(node.xml.attribute("id").value()).empty())
            return walk_.fail(Reason::malformed, "a tuple without id");
        if (!room(p.services)) return;
        Service s;
        s.id = unique_id(node, service_ids_);
        walk_.children(node, [&](const Node& n) {
            if (n.is(ns_pidf, "status"))
                status(n, s);
            else if (n.is(ns_pidf, "contact"))
                contact(n, s);
            else if (n.is(ns_pidf, "note"))
                note(n, s.notes);
            else if (n.is(ns_pidf, "timestamp") || n.is(ns_data_model, "timestamp"))
                s.timestamp = proto::from_rfc3339(text_of(n.xml));
            else if (n.is(ns_data_model, "deviceID"))
                s.device_ids.emplace_back(trimmed(text_of(n.xml)));
            else if (n.is(ns_jabber, "priority"))
                s.priority = number<std::int8_t>(text_of(n.xml));
            else if (!rpid(n, &s.activities, s.user_input, s.extensions))
                extension(n, s.extensions);
        });
        forget_what_was_implied(s);
        p.services.push_back(std::move(s));
    }

    void status(const Node& node, Service& s) {
        walk_.children(node, [&](const Node& n) {
            if (n.is(ns_pidf, "basic"))
                basic(n, s);
            else if (n.is(ns_jabber, "show") && show(n, s))
                return;
            else if (!rpid(n, &s.activities, s.user_input, s.extensions))
                extension(n, s.status_extensions);
        });
    }

    void basic(const Node& n, Service& s) {
        const auto text = text_of(n.xml);
        const auto value = trimmed(text);
        if (value == "open")
            s.basic = proto::Basic::open;
        else if (value == "closed")
            s.basic = proto::Basic::closed;
        else
            walk_.fail(Reason::malformed, "a basic status that is neither open nor closed");
    }

    static bool show(const Node& n, Service& s) {
        const auto text = text_of(n.xml);
        const auto* found = std::find(std::begin(show_names) + 1, std::end(show_names), trimmed(text));
        if (found == std::end(show_names)) return false;
        s.show = static_cast<proto::Show>(found - std::begin(show_names));
        return true;
    }

    static void contact(const Node& n, Service& s) {
        s.contact = trimmed(text_of(n.xml));
        s.contact_priority = thousandths(n.xml.attribute("priority").value());
    }

    /// What the writer adds for readers that know less is not the publisher's word: it is taken out again.
    void forget_what_was_implied(Service& s) const {
        if (s.show && s.activities && s.activities->notes.empty() && !s.activities->from && !s.activities->until) {
            const auto implied = implied_activity(*s.show);
            if (s.activities->names.size() == 1 && !implied.empty() && s.activities->names.front() == implied)
                s.activities.reset();
        }
        if (s.priority && *s.priority >= 0 && s.contact_priority == contact_priority_of(*s.priority)) {
            s.contact_priority.reset();
            if (s.contact == entity_) s.contact.clear();
        }
    }

    void person(const Node& node, proto::Presence& p) {
        if (!room(p.persons)) return;
        proto::Person out;
        out.id = unique_id(node, person_ids_);
        walk_.children(node, [&](const Node& n) {
            if (n.is(ns_data_model, "note") || n.is(ns_pidf, "note"))
                note(n, out.notes);
            else if (n.is(ns_data_model, "timestamp") || n.is(ns_pidf, "timestamp"))
                out.timestamp = proto::from_rfc3339(text_of(n.xml));
            else if (!rpid(n, &out.activities, out.user_input, out.extensions))
                extension(n, out.extensions);
        });
        p.persons.push_back(std::move(out));
    }

    void device(const Node& node, proto::Presence& p) {
        if (!room(p.devices)) return;
        proto::Device out;
        out.id = unique_id(node, device_ids_);
        walk_.children(node, [&](const Node& n) {
            if (n.is(ns_data_model, "deviceID"))
                out.device_id = trimmed(text_of(n.xml));
            else if (n.is(ns_data_model, "note") || n.is(ns_pidf, "note"))
                note(n, out.notes);
            else if (n.is(ns_data_model, "timestamp") || n.is(ns_pidf, "timestamp"))
                out.timestamp = proto::from_rfc3339(text_of(n.xml));
            else if (!rpid(n, nullptr, out.user_input, out.extensions))
                extension(n, out.extensions);
        });
        p.devices.push_back(std::move(out));
    }

    // ---- pieces

    /// True when `n` is one of the RPID elements we interpret, and it has its place here. The first of each counts,
    /// what follows is kept as it came.
    bool rpid(const Node& n, std::optional<proto::Activities>* activities, std::optional<proto::UserInput>& input,
              std::vector<proto::ExtensionXml>& more) {
        const bool is_activities = activities != nullptr && n.is(ns_rpid, "activities");
        if (!is_activities && !n.is(ns_rpid, "user-input")) return false;
        if (is_activities ? activities->has_value() : input.has_value()) return extension(n, more), true;
        if (is_activities) return *activities = read_activities(n), true;
        const auto text = text_of(n.xml);
        input.emplace();
        input->idle = trimmed(text) == "idle";
        input->last_input = proto::from_rfc3339(n.xml.attribute("last-input").value());
        input->idle_threshold_s = number<std::uint32_t>(n.xml.attribute("idle-threshold").value());
        return true;
    }

    proto::Activities read_activities(const Node& node) {
        proto::Activities out;
        out.from = proto::from_rfc3339(node.xml.attribute("from").value());
        out.until = proto::from_rfc3339(node.xml.attribute("until").value());
        walk_.children(node, [&](const Node& n) {
            if (n.is(ns_rpid, "note"))
                note(n, out.notes);
            else if (n.is(ns_rpid, "other"))
                out.names.push_back("other:" + text_of(n.xml));
            else if (n.ns == ns_rpid)
                out.names.emplace_back(n.name);
            else
                out.names.push_back("{" + std::string(n.ns) + "}" + std::string(n.name));
        });
        return out;
    }

    static void note(const Node& n, std::vector<Note>& out) { out.push_back({std::string(n.lang), text_of(n.xml)}); }

    void extension(const Node& n, std::vector<proto::ExtensionXml>& out) {
        auto element = walk_.element(n);
        element.inherit_lang(n.lang);
        if (auto xml = to_extension(element)) out.push_back(std::move(*xml));
    }

    template <typename T>
    bool room(const std::vector<T>& parts) {
        if (parts.size() < limits::services_per_document) return true;
        walk_.fail(Reason::too_large, "too many tuples, persons or devices");
        return false;
    }

    /// Ids must be unique; where a sender's are not, later ones get ".2", ".3", ... in document order.
    static std::string unique_id(const Node& node, std::set<std::string>& taken) {
        const auto base = service_id(trimmed(node.xml.attribute("id").value()));
        auto free = base;
        for (int n = 2; !taken.insert(free).second; ++n) free = base + "." + std::to_string(n);
        return free;
    }

    Walker walk_;
    std::string_view entity_;
    std::set<std::string> service_ids_, person_ids_, device_ids_;
};

}  // namespace

Result<ParsedPidf> read_pidf(proto::BytesView bytes, std::string_view language) {
    const auto body = scan_xml(bytes);
    if (!body) return tl::make_unexpected(body.error());
    return PidfReader().document(*body, proto::is_language_tag(language) ? language : std::string_view());
}

}  // namespace presmesh::translators::sip
