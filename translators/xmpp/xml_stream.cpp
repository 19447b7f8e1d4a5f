#include "translators/xmpp/xml_stream.hpp"

#include <expat.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "proto/limits.hpp"

namespace presmesh::translators::xmpp {

namespace limits = proto::limits;
using proto::Reason;

namespace {

constexpr char separator = '\x1F';              // no XML character, so it can be in no name and no namespace
constexpr std::size_t slice_bytes = 4096;       // the bound on a stanza is looked at after each
constexpr std::size_t skip_bytes = 65'536;      // the same while skipping: a long tag is read from its start each time
constexpr std::int64_t parser_bytes = 1 << 20;  // expat remembers every name it met: it is renewed after so many

struct FreeParser {
    void operator()(XML_Parser parser) const { XML_ParserFree(parser); }
};
using ParserHandle = std::unique_ptr<std::remove_pointer_t<XML_Parser>, FreeParser>;

/// Newer expats (and Debian's) put off a token that came in pieces until much more has come. A stanza must not wait for
/// the next one; what re-reading can cost is bounded by limits::stanza_bytes.
template <typename P>
void read_at_once(P parser) {
    if constexpr (requires { XML_SetReparseDeferralEnabled(parser, XML_FALSE); })
        XML_SetReparseDeferralEnabled(parser, XML_FALSE);
}

struct Name {
    std::string_view ns;
    std::string_view local;
};
Name split(const char* name) {
    const std::string_view whole(name);
    const auto at = whole.rfind(separator);
    if (at == std::string_view::npos) return {{}, whole};
    return {whole.substr(0, at), whole.substr(at + 1)};
}

/// Told to read UTF-8, expat still looks for UTF-16 in the first bytes. None of these is in any XML in UTF-8.
bool is_never_utf8(std::uint8_t byte) {
    return byte == 0 || byte >= 0xFE;
}

bool is_space(std::string_view text) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

std::string_view StreamStart::get(std::string_view name) const {
    for (const auto& a : attributes)
        if (a.name == name && a.ns.empty()) return a.value;
    return {};
}

class XmlStream::Parser {
  public:
    Parser() { renew(); }

    std::vector<StreamEvent> feed(proto::BytesView bytes) {
        events_.clear();
        while (!bytes.empty() && !over_) {
            const auto slice = bytes.first(std::min(bytes.size(), skipping_ ? skip_bytes : slice_bytes));
            bytes = bytes.subspan(slice.size());
            const auto bad = std::find_if(slice.begin(), slice.end(), is_never_utf8);
            parse(slice.first(static_cast<std::size_t>(bad - slice.begin())));
            if (bad != slice.end()) fail(Reason::malformed, "not UTF-8");
        }
        return std::move(events_);
    }

  private:
    // ---- feeding expat

    void renew() {
        expat_.reset(XML_ParserCreateNS("UTF-8", separator));
        read_at_once(expat_.get());
        XML_SetUserData(expat_.get(), this);
        XML_SetElementHandler(expat_.get(), on_start, on_end);
        XML_SetCharacterDataHandler(expat_.get(), on_text);
        XML_SetStartNamespaceDeclHandler(expat_.get(), on_namespace);
        XML_SetStartDoctypeDeclHandler(expat_.get(), on_doctype);
        XML_SetProcessingInstructionHandler(expat_.get(), on_instruction);
        XML_SetCommentHandler(expat_.get(), on_comment);
        fed_ = 0;
        since_ = 0;
        moved_ = 0;
        depth_ = 0;
    }

    void parse(proto::BytesView slice) {
        if (!started_) header_.append(proto::as_text(slice));
        while (!slice.empty() && !over_) {
            const auto begin = fed_;
            fed_ += static_cast<std::int64_t>(slice.size());
            const auto status =
                XML_Parse(expat_.get(), proto::as_text(slice).data(), static_cast<int>(slice.size()), 0);
            if (over_) return;
            if (status == XML_STATUS_ERROR)
                return fail(Reason::malformed, XML_ErrorString(XML_GetErrorCode(expat_.get())));
            if (status == XML_STATUS_OK) break;
            slice = slice.subspan(static_cast<std::size_t>(since_ - begin));
            replay_header();
        }
        if (!over_) check_size();
    }

    void check_size() {
        const auto size = static_cast<std::size_t>(fed_ - since_);
        if (size <= limits::stanza_bytes) return;
        const bool hopeless = depth_ == 0 || size > limits::skipped_stanza_bytes ||
                              static_cast<std::size_t>(fed_ - moved_) > limits::skipped_tag_bytes;
        if (hopeless) return fail(Reason::too_large, "a stanza over its bound");
        skip();
    }

    /// What was kept of the stanza under way is dropped, and nothing more of it is kept.
    void skip() {
        if (skipping_) return;
        skipping_ = true;
        if (!open_.empty()) head_ = head_of(open_.front());
        open_.clear();
    }

    static Element head_of(const Element& stanza) {
        Element head(stanza.name, stanza.ns);
        for (const auto* name : {"from", "to", "id", "type"})
            if (const auto value = stanza.get(name); value.size() <= limits::skipped_attribute_bytes && !value.empty())
                head.set(name, value);
        return head;
    }

    /// A new expat, brought to where the old one was between two stanzas: inside the stream's start tag.
    void replay_header() {
        renew();
        replaying_ = true;
        XML_Parse(expat_.get(), header_.data(), static_cast<int>(header_.size()), 0);
        replaying_ = false;
        fed_ = since_ = moved_ = static_cast<std::int64_t>(header_.size());
    }

    void fail(Reason reason, std::string detail) {
        if (over_) return;
        over_ = true;
        events_.push_back(proto::Error{reason, std::move(detail)});
        XML_StopParser(expat_.get(), XML_FALSE);
    }

    std::int64_t event_end() const {
        return XML_GetCurrentByteIndex(expat_.get()) + XML_GetCurrentByteCount(expat_.get());
    }

    // ---- what expat says

    void start(const char* name, const char** attributes) {
        if (over_) return;
        ++depth_;
        const auto [ns, local] = split(name);
        if (depth_ == 1) return start_stream(ns, local, attributes);
        if (depth_ == 2) elements_ = expanded_ = 0;
        if (static_cast<std::size_t>(depth_) > limits::skipped_stanza_depth)
            return fail(Reason::too_large, "elements nested too deep");
        if (skipping_ && depth_ > 2) return;
        Element element(local, mapped(ns));
        expanded_ += ns.size() + local.size();
        const bool fits = read_attributes(attributes, element.attributes) &&
                          static_cast<std::size_t>(depth_) <= limits::xml_depth &&
                          ++elements_ <= limits::xml_elements && expanded_ <= limits::xml_expanded_bytes;
        open_.push_back(std::move(element));
        if (skipping_) {  // its start tag alone was too long
            head_ = head_of(open_.front());
            open_.clear();
        } else if (!fits) {
            skip();
        }
    }

    void start_stream(std::string_view ns, std::string_view local, const char** attributes) {
        since_ = event_end();
        if (replaying_) return;
        if (ns != ns_streams || local != "stream") return fail(Reason::wrong_namespace, "not a stream");
        StreamStart out;
        out.content_namespace = content_;
        if (!read_attributes(attributes, out.attributes)) return fail(Reason::too_large, "too many attributes");
        started_ = true;
        header_.resize(static_cast<std::size_t>(since_));
        events_.push_back(std::move(out));
    }

    /// False: there are more than limits::stanza_attributes or xml_expanded_bytes, and only so many were read.
    bool read_attributes(const char** attributes, std::vector<Attribute>& out) {
        for (; *attributes != nullptr; attributes += 2) {
            if (out.size() == limits::stanza_attributes) return false;
            const auto [ns, local] = split(attributes[0]);
            const std::string_view value(attributes[1]);
            expanded_ += ns.size() + local.size() + value.size();
            if (expanded_ > limits::xml_expanded_bytes) return false;
            out.push_back({std::string(local), std::string(ns), std::string(value)});
        }
        return true;
    }

    std::string_view mapped(std::string_view ns) const {
        const bool content = ns == content_ && (ns == ns_component || ns == ns_server);
        return content ? ns_client : ns;
    }

    void end() {
        if (over_) return;
        --depth_;
        if (depth_ == 0) {
            over_ = true;
            events_.push_back(StreamEnd{});
            XML_StopParser(expat_.get(), XML_FALSE);
            return;
        }
        if (depth_ == 1) return end_stanza();
        if (skipping_) return;
        Element done = std::move(open_.back());
        open_.pop_back();
        open_.back().children.push_back(std::move(done));
    }

    void end_stanza() {
        const auto end = event_end();
        if (end - since_ > static_cast<std::int64_t>(limits::stanza_bytes)) skip();  // however it came in pieces
        if (skipping_)
            events_.push_back(OversizeStanza{std::exchange(head_, {})});
        else
            events_.push_back(std::move(open_.front()));
        open_.clear();
        skipping_ = false;
        since_ = end;
        if (since_ > parser_bytes) XML_StopParser(expat_.get(), XML_TRUE);
    }

    void text(std::string_view found) {
        if (over_) return;
        if (!open_.empty()) {
            auto& parent = open_.back();
            (parent.children.empty() ? parent.text : parent.children.back().tail).append(found);
            return;
        }
        if (depth_ > 1) return;  // of a stanza that is skipped
        since_ = event_end();    // white space keeps a connection alive; it belongs to no stanza
        if (!is_space(found)) fail(Reason::malformed, "text between stanzas");
    }

    void declare(const char* prefix, const char* uri) {
        if (depth_ == 0 && prefix == nullptr) content_ = uri == nullptr ? "" : uri;
    }

    static Parser& self(void* data) { return *static_cast<Parser*>(data); }
    static Parser& moved(void* data) {
        self(data).moved_ = self(data).fed_;
        return self(data);
    }
    static void on_start(void* data, const char* name, const char** attributes) { moved(data).start(name, attributes); }
    static void on_end(void* data, const char*) { moved(data).end(); }
    static void on_text(void* data, const char* text, int size) {
        moved(data).text({text, static_cast<std::size_t>(size)});
    }
    static void on_namespace(void* data, const char* prefix, const char* uri) { self(data).declare(prefix, uri); }
    static void on_doctype(void* data, const char*, const char*, const char*, int) {
        self(data).fail(Reason::forbidden_xml, "DOCTYPE");
    }
    static void on_instruction(void* data, const char*, const char*) {
        self(data).fail(Reason::forbidden_xml, "processing instruction");
    }
    static void on_comment(void* data, const char*) { self(data).fail(Reason::forbidden_xml, "comment"); }

    ParserHandle expat_;
    std::string header_;   // everything up to the end of the stream's start tag
    std::string content_;  // the stream's default namespace
    std::vector<Element> open_;
    std::vector<StreamEvent> events_;
    std::int64_t fed_ = 0;    // bytes given to this expat
    std::int64_t since_ = 0;  // where the last thing that was completed ended
    std::int64_t moved_ = 0;  // fed_ when expat last said something; beyond is a token not yet whole
    int depth_ = 0;
    Element head_;  // of the stanza that is skipped
    bool skipping_ = false;
    std::size_t elements_ = 0;
    std::size_t expanded_ = 0;  // names, namespaces and values of the stanza's elements, each as long as it is copied
    bool started_ = false;
    bool replaying_ = false;
    bool over_ = false;
};

XmlStream::XmlStream() : parser_(std::make_unique<Parser>()) {}
XmlStream::~XmlStream() = default;
XmlStream::XmlStream(XmlStream&&) noexcept = default;
XmlStream& XmlStream::operator=(XmlStream&&) noexcept = default;

std::vector<StreamEvent> XmlStream::feed(proto::BytesView bytes) {
    return parser_->feed(bytes);
}
void XmlStream::reset() {
    parser_ = std::make_unique<Parser>();
}

}  // namespace presmesh::translators::xmpp
