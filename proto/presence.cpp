#include "proto/presence.hpp"

#include "proto/assert.hpp"

#include <type_traits>

#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/text.hpp"

namespace presmesh::proto {

namespace {

constexpr std::uint64_t document_version = 1;

// The numbers of FORMAT.md. A meaning has one number wherever it stands; new ones go to the end.
enum Key : std::uint64_t {
    key_version = 0,
    key_services = 1,
    key_persons = 2,
    key_devices = 3,
    key_notes = 4,
    key_extensions = 5,
    key_id = 6,
    key_basic = 7,
    key_show = 8,
    key_contact = 9,
    key_contact_priority = 10,
    key_priority = 11,
    key_activities = 12,
    key_user_input = 13,
    key_device_ids = 14,
    key_device_id = 15,
    key_timestamp = 16,
    key_status_extensions = 17,
    key_names = 18,
    key_from = 19,
    key_until = 20,
    key_idle = 21,
    key_last_input = 22,
    key_idle_threshold = 23,
    key_published = 24,
};

// Each part of a document is described once, by ascending key; writer and reader both follow the description.
template <typename T, typename U>
concept Is = std::is_same_v<std::remove_const_t<T>, U>;

template <typename V, Is<Activities> T>
void describe(V& visit, T& a) {
    visit.list(key_notes, a.notes, limits::notes_per_element);
    visit.list(key_names, a.names, limits::notes_per_element);
    visit.field(key_from, a.from);
    visit.field(key_until, a.until);
}

template <typename V, Is<UserInput> T>
void describe(V& visit, T& u) {
    visit.field(key_idle, u.idle);
    visit.field(key_last_input, u.last_input);
    visit.field(key_idle_threshold, u.idle_threshold_s);
}

template <typename V, Is<Service> T>
void describe(V& visit, T& s) {
    visit.list(key_notes, s.notes, limits::notes_per_element);
    visit.extensions(key_extensions, s.extensions);
    visit.field(key_id, s.id);
    visit.field(key_basic, s.basic);
    visit.field(key_show, s.show);
    visit.field(key_contact, s.contact);
    visit.field(key_contact_priority, s.contact_priority);
    visit.field(key_priority, s.priority);
    visit.field(key_activities, s.activities);
    visit.field(key_user_input, s.user_input);
    visit.list(key_device_ids, s.device_ids, limits::services_per_document);
    visit.field(key_timestamp, s.timestamp);
    visit.extensions(key_status_extensions, s.status_extensions);
    visit.field(key_published, s.published);
}

template <typename V, Is<Person> T>
void describe(V& visit, T& p) {
    visit.list(key_notes, p.notes, limits::notes_per_element);
    visit.extensions(key_extensions, p.extensions);
    visit.field(key_id, p.id);
    visit.field(key_activities, p.activities);
    visit.field(key_user_input, p.user_input);
    visit.field(key_timestamp, p.timestamp);
    visit.field(key_published, p.published);
}

template <typename V, Is<Device> T>
void describe(V& visit, T& d) {
    visit.list(key_notes, d.notes, limits::notes_per_element);
    visit.extensions(key_extensions, d.extensions);
    visit.field(key_id, d.id);
    visit.field(key_user_input, d.user_input);
    visit.field(key_device_id, d.device_id);
    visit.field(key_timestamp, d.timestamp);
    visit.field(key_published, d.published);
}

template <typename V, Is<Presence> T>
void describe(V& visit, T& p) {
    visit.list(key_services, p.services, limits::services_per_document);
    visit.list(key_persons, p.persons, limits::services_per_document);
    visit.list(key_devices, p.devices, limits::services_per_document);
    visit.list(key_notes, p.notes, limits::notes_per_element);
    visit.extensions(key_extensions, p.extensions);
}

// ---- writing

struct Counter {
    std::size_t count = 0;
    template <typename T>
    void field(Key, const T& value) {
        count += value == T{} ? 0 : 1;
    }
    template <typename T>
    void list(Key key, const T& values, std::size_t) {
        field(key, values);
    }
    void extensions(Key key, const std::vector<ExtensionXml>& values) { field(key, values); }
};

class Writer {
  public:
    explicit Writer(MsgpackWriter& out) : out_(out) {}

    template <typename T>
    void whole(const T& value, std::size_t more = 0) {
        Counter counter;
        describe(counter, value);
        out_.map(counter.count + more);
        if (more != 0) out_.uint(key_version).uint(document_version);
        describe(*this, value);
    }
    template <typename T>
    void field(Key key, const T& value) {
        if (value == T{}) return;
        out_.uint(key);
        put(value);
    }
    template <typename T>
    void list(Key key, const T& values, std::size_t) {
        field(key, values);
    }
    void extensions(Key key, const std::vector<ExtensionXml>& values) { field(key, values); }

  private:
    void put(const std::string& text) { out_.str(text); }
    void put(bool value) { out_.boolean(value); }
    void put(WallTime time) { out_.sint(time.time_since_epoch().count()); }
    void put(const Note& note) { out_.array(2).str(note.lang).str(note.text); }
    template <typename T>
    void put(const std::optional<T>& value) {
        put(*value);
    }
    template <typename T>
    void put(const std::vector<T>& values) {
        out_.array(values.size());
        for (const auto& value : values) put(value);
    }
    template <typename T>
    void put(const T& value) {
        if constexpr (std::is_enum_v<T> || std::is_integral_v<T>)
            out_.sint(static_cast<std::int64_t>(value));
        else
            whole(value);
    }

    MsgpackWriter& out_;
};

// ---- reading

/// The keys of one map, in strictly rising order; those we do not know are passed over.
class Fields {
  public:
    explicit Fields(MsgpackReader& in) : in_(in), left_(in.map(64)) { advance(); }

    bool take(Key key) {
        while (!done_ && in_.ok() && current_ < key) {
            in_.skip();
            advance();
        }
        return !done_ && in_.ok() && current_ == key;
    }
    void taken() { advance(); }
    void finish() {
        while (!done_ && in_.ok()) {
            in_.skip();
            advance();
        }
    }

  private:
    void advance() {
        done_ = left_ == 0;
        if (done_) return;
        --left_;
        const auto next = in_.uint();
        if (started_ && next <= current_) in_.fail(Reason::not_canonical, "keys out of order");
        started_ = true;
        current_ = next;
    }

    MsgpackReader& in_;
    std::size_t left_;
    std::uint64_t current_ = 0;
    bool started_ = false;
    bool done_ = false;
};

class PartReader {
  public:
    explicit PartReader(MsgpackReader& in) : in_(in), fields_(in) {}

    template <typename T>
    void field(Key key, T& value) {
        if (!fields_.take(key)) return;
        get(value);
        if (value == T{}) in_.fail(Reason::not_canonical, "a default written out");
        fields_.taken();
    }
    template <typename T>
    void list(Key key, std::vector<T>& values, std::size_t max) {
        if (!fields_.take(key)) return;
        values.resize(in_.array(max));
        for (auto& value : values) get(value);
        if (values.empty()) in_.fail(Reason::not_canonical, "a default written out");
        fields_.taken();
    }
    void extensions(Key key, std::vector<ExtensionXml>& values) {
        list(key, values, limits::extensions_per_element);
        for (const auto& xml : values)
            if (!is_extension_xml(xml)) in_.fail(Reason::malformed, "an extension that does not stand by itself");
    }
    /// The version stands first, so that a later one is refused by name and not for what it changed.
    void version() {
        if (!fields_.take(key_version)) return in_.fail(Reason::malformed, "no version");
        const auto found = in_.uint();
        if (in_.ok() && found != document_version)
            in_.fail(Reason::unsupported_version, "document version " + std::to_string(found));
        fields_.taken();
    }
    void finish() { fields_.finish(); }

  private:
    void get(std::string& text) {
        text = in_.str(limits::document_bytes);
        if (!is_text(text)) in_.fail(Reason::malformed, "a character that XML cannot carry");
    }
    void get(bool& value) { value = in_.boolean(); }
    void get(WallTime& time) {
        time = WallTime{Duration{in_.sint(least_document_time.time_since_epoch().count(),
                                          greatest_document_time.time_since_epoch().count())}};
    }
    void get(Note& note) {
        if (in_.array(2) != 2) return in_.fail(Reason::malformed, "a note is a language and a text");
        get(note.lang);
        get(note.text);
    }
    void get(Basic& basic) { basic = static_cast<Basic>(in_.uint(1)); }
    void get(Show& show) {
        const auto found = in_.uint(4);
        if (found == 0) in_.fail(Reason::malformed, "no such show");
        show = static_cast<Show>(found);
    }
    void get(std::uint16_t& thousandths) { thousandths = static_cast<std::uint16_t>(in_.uint(1000)); }
    void get(std::uint32_t& value) { value = static_cast<std::uint32_t>(in_.uint(UINT32_MAX)); }
    void get(std::int8_t& value) { value = static_cast<std::int8_t>(in_.sint(-128, 127)); }
    template <typename T>
    void get(std::optional<T>& value) {
        get(value.emplace());
    }
    template <typename T>
    void get(T& part) {
        PartReader reader(in_);
        describe(reader, part);
        reader.finish();
    }

    MsgpackReader& in_;
    Fields fields_;
};

int rank(const Service& service) {
    if (service.priority) return *service.priority;
    if (service.contact_priority) return (*service.contact_priority * 127 + 500) / 1000;
    return 0;
}

}  // namespace

bool Presence::is_open() const {
    return std::any_of(services.begin(), services.end(), [](const Service& s) { return s.basic == Basic::open; });
}

const Service* Presence::best_service() const {
    const Service* best = nullptr;
    for (const auto& service : services)
        if (service.basic == Basic::open && (best == nullptr || rank(service) > rank(*best))) best = &service;
    if (best == nullptr && !services.empty()) best = &services.front();
    return best;
}

Bytes encode(const Presence& presence) {
    MsgpackWriter out;
    Writer(out).whole(presence, 1);
    return out.take();
}

Result<Presence> decode_presence(BytesView bytes) {
    if (bytes.size() > limits::document_bytes) return refuse(Reason::too_large, "a document over its bound");
    MsgpackReader in(bytes);
    Presence presence;
    PartReader reader(in);
    reader.version();
    describe(reader, presence);
    reader.finish();
    if (auto end = in.finish(); !end) return tl::make_unexpected(end.error());
    return presence;
}

Result<DocumentPtr> Document::make(Presence presence) {
    Bytes bytes = encode(presence);
    if (auto back = decode_presence(bytes); !back) return tl::make_unexpected(back.error());
    bytes.shrink_to_fit();
    const auto digest = blake2b_256(bytes);
    return std::make_shared<const Document>(Document{std::move(bytes), digest});
}

Result<DocumentPtr> Document::read(BytesView bytes) {
    if (auto presence = decode_presence(bytes); !presence) return tl::make_unexpected(presence.error());
    return std::make_shared<const Document>(Document{Bytes(bytes.begin(), bytes.end()), blake2b_256(bytes)});
}

Presence Document::presence() const {
    auto value = decode_presence(bytes);
    PRESMESH_ASSERT(value.has_value());  // looked at when the document was made
    return std::move(*value);
}

}  // namespace presmesh::proto
