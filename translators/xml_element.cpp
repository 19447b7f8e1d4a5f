#include "translators/xml_element.hpp"

#include <algorithm>
#include <tuple>

#include "proto/text.hpp"

namespace presmesh::translators {

namespace {

bool is_space(std::string_view text) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

bool tails_are_space(const Element& element) {
    return std::all_of(element.children.begin(), element.children.end(),
                       [](const Element& c) { return is_space(c.tail); });
}

bool has_words(const Element& element) {
    return !is_space(element.text) || std::any_of(element.children.begin(), element.children.end(),
                                                  [](const Element& c) { return has_words(c) || !is_space(c.tail); });
}

/// Writes elements; in the spelling of extensions when `extension` is set, as they are otherwise.
class XmlWriter {
  public:
    XmlWriter(std::string& out, bool extension) : out_(out), extension_(extension) {}

    void element(const Element& e, std::string_view inherited, bool declare = false) {
        if (e.name.empty()) {
            out_ += e.text;
            return;
        }
        // XML's own namespace is nobody's default: it has its prefix everywhere, and those inside keep what was so
        // before.
        const bool reserved = e.ns == ns_xml;
        const std::string name = reserved ? "xml:" + e.name : e.name;
        const std::string_view scope = !reserved ? std::string_view(e.ns) : declare ? std::string_view{} : inherited;
        (out_ += '<') += name;
        if (declare || scope != inherited) attribute({}, "xmlns", scope);
        attributes(e);
        content(e, name, scope);
    }

  private:
    void attribute(std::string_view prefix, std::string_view name, std::string_view value) {
        out_ += ' ';
        if (!prefix.empty()) out_.append(prefix) += ':';
        out_.append(name) += "=\"";
        append_escaped(out_, value, true);
        out_ += '"';
    }

    void attributes(const Element& e) {
        std::vector<const Attribute*> ordered;
        for (const auto& a : e.attributes) ordered.push_back(&a);
        if (extension_)
            std::sort(ordered.begin(), ordered.end(), [](const Attribute* a, const Attribute* b) {
                return std::tie(a->ns, a->name) < std::tie(b->ns, b->name);
            });
        const auto namespaces = declare_prefixes(ordered);
        for (const auto* a : ordered) attribute(prefix_of(a->ns, namespaces), a->name, a->value);
    }

    std::vector<std::string_view> declare_prefixes(const std::vector<const Attribute*>& ordered) {
        std::vector<std::string_view> namespaces;
        for (const auto* a : ordered) {
            if (a->ns.empty() || a->ns == ns_xml) continue;
            if (std::find(namespaces.begin(), namespaces.end(), a->ns) != namespaces.end()) continue;
            attribute("xmlns", "a" + std::to_string(namespaces.size()), a->ns);
            namespaces.push_back(a->ns);
        }
        return namespaces;
    }

    static std::string prefix_of(std::string_view ns, const std::vector<std::string_view>& namespaces) {
        if (ns.empty()) return {};
        if (ns == ns_xml) return "xml";
        return "a" + std::to_string(std::find(namespaces.begin(), namespaces.end(), ns) - namespaces.begin());
    }

    void content(const Element& e, const std::string& name, std::string_view scope) {
        const bool drop_space = extension_ && !e.children.empty() && is_space(e.text) && tails_are_space(e);
        const std::string_view text = drop_space ? std::string_view{} : e.text;
        if (text.empty() && e.children.empty()) {
            out_ += "/>";
            return;
        }
        out_ += '>';
        append_escaped(out_, text, false);
        for (const auto& child : e.children) {
            element(child, scope);
            if (!drop_space) append_escaped(out_, child.tail, false);
        }
        out_.append("</").append(name) += '>';
    }

    std::string& out_;
    bool extension_;
};

void append_escape(std::string& out, char c, bool attribute) {
    switch (c) {
        case '&':
            out += "&amp;";
            return;
        case '<':
            out += "&lt;";
            return;
        case '\r':
            out += "&#xD;";
            return;
        case '>':
            out += attribute ? ">" : "&gt;";
            return;
        case '"':
            out += attribute ? "&quot;" : "\"";
            return;
        case '\t':
            out += attribute ? "&#x9;" : "\t";
            return;
        case '\n':
            out += attribute ? "&#xA;" : "\n";
            return;
        default:
            return;
    }
}

std::string only_text(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t length = 1;
        while (length <= 4 && at + length <= text.size() && !proto::is_text(text.substr(at, length))) ++length;
        const bool found = length <= 4 && at + length <= text.size();
        if (found) out.append(text.substr(at, length));
        at += found ? length : 1;
    }
    return out;
}

}  // namespace

Element Element::verbatim(proto::ExtensionXml xml) {
    Element out;
    out.text = std::move(xml);
    return out;
}

const std::string* Element::attribute(std::string_view local_name, std::string_view name_space) const {
    for (const auto& a : attributes)
        if (a.name == local_name && a.ns == name_space) return &a.value;
    return nullptr;
}

std::string_view Element::get(std::string_view local_name, std::string_view name_space) const {
    const auto* value = attribute(local_name, name_space);
    return value == nullptr ? std::string_view{} : *value;
}

const Element* Element::child(std::string_view local_name, std::string_view name_space) const {
    for (const auto& c : children)
        if (c.is(local_name, name_space)) return &c;
    return nullptr;
}

std::string_view Element::child_text(std::string_view local_name, std::string_view name_space) const {
    const auto* found = child(local_name, name_space);
    return found == nullptr ? std::string_view{} : found->text;
}

Element& Element::set(std::string_view local_name, std::string_view value, std::string_view name_space) {
    for (auto& a : attributes)
        if (a.name == local_name && a.ns == name_space) {
            a.value = value;
            return *this;
        }
    attributes.push_back({std::string(local_name), std::string(name_space), std::string(value)});
    return *this;
}

Element& Element::set_lang(std::string_view lang) {
    return lang.empty() ? *this : set("lang", lang, ns_xml);
}

Element& Element::inherit_lang(std::string_view around) {
    const bool needed = attribute("lang", ns_xml) == nullptr && has_words(*this);
    return needed && proto::is_language_tag(around) ? set_lang(around) : *this;
}

Element& Element::set_text(std::string_view value) {
    text = value;
    return *this;
}

Element& Element::add(Element child) {
    children.push_back(std::move(child));
    return *this;
}

Element& Element::add_text(std::string_view local_name, std::string_view value) {
    children.emplace_back(local_name, ns).set_text(value);
    return *this;
}

void append_escaped(std::string& out, std::string_view text, bool attribute) {
    if (!proto::is_text(text)) return append_escaped(out, only_text(text), attribute);
    const std::string_view special = attribute ? "&<\"\t\n\r" : "&<>\r";
    std::size_t at = 0;
    for (auto next = text.find_first_of(special); next != std::string_view::npos;
         next = text.find_first_of(special, at)) {
        out.append(text.substr(at, next - at));
        append_escape(out, text[next], attribute);
        at = next + 1;
    }
    out.append(text.substr(at));
}

std::string to_xml(const Element& element, std::string_view inherited) {
    std::string out;
    XmlWriter(out, false).element(element, inherited);
    return out;
}

std::optional<proto::ExtensionXml> to_extension(const Element& element) {
    std::string out;
    XmlWriter(out, true).element(element, {}, true);
    if (!proto::is_extension_xml(out)) return std::nullopt;
    return out;
}

}  // namespace presmesh::translators
