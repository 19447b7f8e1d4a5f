// What a string of ours may hold. Everything in a document can be said by every translator, so text is what XML can
// carry.
#pragma once

#include <string_view>

namespace presmesh::proto {

/// Strict UTF-8 (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF) of characters XML 1.0 allows: no
/// NUL, no control but tab, LF and CR, neither U+FFFE nor U+FFFF.
bool is_text(std::string_view bytes);

/// Is this UTF-8 that compatibility normalization (NFKC) leaves as it is? What it does not, XMPP servers change.
bool is_nfkc(std::string_view text);

/// RFC 5646 in outline: subtags of one to eight letters and digits, a hyphen between; the first of letters. At most
/// limits::language_tag_bytes.
bool is_language_tag(std::string_view text);

/// Is this one XML element that stands by itself, in the spelling of FORMAT.md (extension)? A string that passes can be
/// copied into any XML as it is: every namespace is declared, nothing reaches outside, names are ASCII, depth is at
/// most limits::xml_depth.
bool is_extension_xml(std::string_view xml);

/// Local name and namespace of an extension's root; both empty when `xml` is not one.
struct ExtensionName {
    std::string_view name;
    std::string_view ns;  ///< as written, escapes not undone
};
ExtensionName extension_name(std::string_view xml);

}  // namespace presmesh::proto
