#include "translators/xmpp/saved_strings.hpp"

#include "proto/escaping.hpp"
#include "proto/limits.hpp"

namespace presmesh::translators::xmpp {

std::string saved_name(const proto::PresentityUri& name) {
    return proto::jid_escape(name.user()) + "@" + name.domain();
}

proto::Bytes write_strings(const std::vector<std::string>& texts) {
    proto::Bytes bytes;
    for (const auto& text : texts) {
        if (text.size() > 0xffff || bytes.size() + text.size() + 2 > proto::limits::document_bytes) continue;
        bytes.push_back(static_cast<std::uint8_t>(text.size() >> 8));
        bytes.push_back(static_cast<std::uint8_t>(text.size()));
        bytes.insert(bytes.end(), text.begin(), text.end());
    }
    return bytes;
}

std::vector<std::string> read_strings(proto::BytesView bytes) {
    std::vector<std::string> texts;
    while (bytes.size() >= 2) {
        const std::size_t size = static_cast<std::size_t>(bytes[0]) << 8 | bytes[1];
        bytes = bytes.subspan(2);
        if (size > bytes.size()) break;
        texts.emplace_back(proto::as_text(bytes.first(size)));
        bytes = bytes.subspan(size);
    }
    return texts;
}

}  // namespace presmesh::translators::xmpp
