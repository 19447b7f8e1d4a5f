// An XML element as a value: what an XMPP stream brings, what a stanza is built from, and what an extension is read
// into. Text follows the ElementTree model: `text` stands before the first child, each child's `tail` after that child.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/presence.hpp"

namespace presmesh::translators {

inline constexpr std::string_view ns_xml = "http://www.w3.org/XML/1998/namespace";

struct Attribute {
    std::string name;
    std::string ns;  ///< empty: none
    std::string value;
    bool operator==(const Attribute&) const = default;
};

struct Element {
    std::string name;  ///< local; empty for verbatim()
    std::string ns;
    std::vector<Attribute> attributes;
    std::string text;
    std::vector<Element> children;
    std::string tail;

    Element() = default;
    Element(std::string_view local_name, std::string_view name_space) : name(local_name), ns(name_space) {}
    /// A child that is written already and stands by itself: written out as it is, found by no helper.
    static Element verbatim(proto::ExtensionXml xml);

    bool operator==(const Element&) const = default;
    bool is(std::string_view local_name, std::string_view name_space) const {
        return name == local_name && ns == name_space;
    }

    /// The value, or null.
    const std::string* attribute(std::string_view local_name, std::string_view name_space = {}) const;
    /// The value, or empty.
    std::string_view get(std::string_view local_name, std::string_view name_space = {}) const;
    std::string_view lang() const { return get("lang", ns_xml); }
    /// The first such child, or null.
    const Element* child(std::string_view local_name, std::string_view name_space) const;
    /// The text of the first such child, empty when there is none.
    std::string_view child_text(std::string_view local_name, std::string_view name_space) const;

    // Building. All answer *this, so that they chain.
    Element& set(std::string_view local_name, std::string_view value, std::string_view name_space = {});
    Element& set_lang(std::string_view lang);        ///< nothing when empty
    Element& inherit_lang(std::string_view around);  ///< for an element with text that is taken out of where it stands
    Element& set_text(std::string_view value);
    Element& add(Element child);
    /// Adds a child of this element's own namespace that holds `value`.
    Element& add_text(std::string_view local_name, std::string_view value);
};

/// XML text, namespaces declared where they change. `inherited` is the default namespace where the text will stand;
/// pass "jabber:client" for a stanza, whatever the stream's own content namespace is (see XmlStream). Characters XML
/// cannot carry are left out, since one of them would end a whole stream.
std::string to_xml(const Element& element, std::string_view inherited = {});

/// The spelling of FORMAT.md (extension); tail is not part of it. None when the element cannot be one: a name that is
/// not ASCII, too deep, too many attributes.
std::optional<proto::ExtensionXml> to_extension(const Element& element);

/// Appends `text` escaped for character data or, with `attribute`, for a double-quoted attribute value.
void append_escaped(std::string& out, std::string_view text, bool attribute);

}  // namespace presmesh::translators
