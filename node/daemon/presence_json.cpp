#include "node/daemon/presence_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "node/daemon/extension_text.hpp"
#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"

namespace presmesh::daemon {

namespace {

using Json = nlohmann::ordered_json;
using proto::Reason;
using proto::WallTime;

// ---- writing

void put(Json& json, const char* key, const std::string& text) {
    if (!text.empty()) json[key] = text;
}
void put(Json& json, const char* key, const std::vector<std::string>& texts) {
    if (!texts.empty()) json[key] = texts;
}
void put(Json& json, const char* key, const std::optional<WallTime>& time) {
    if (time) json[key] = to_rfc3339(*time);
}
void put(Json& json, const char* key, const std::vector<proto::Note>& notes) {
    if (notes.empty()) return;
    auto& array = json[key] = Json::array();
    for (const auto& note : notes) {
        Json one = Json::object();
        put(one, "lang", note.lang);
        one["text"] = note.text;
        array.push_back(std::move(one));
    }
}
void put(Json& json, const char* key, const std::optional<proto::Activities>& activities) {
    if (!activities) return;
    Json one = Json::object();
    put(one, "names", activities->names);
    put(one, "notes", activities->notes);
    put(one, "from", activities->from);
    put(one, "until", activities->until);
    json[key] = std::move(one);
}
void put(Json& json, const char* key, const std::optional<proto::UserInput>& input) {
    if (!input) return;
    Json one = Json::object();
    one["idle"] = input->idle;
    put(one, "last_input", input->last_input);
    if (input->idle_threshold_s) one["idle_threshold_s"] = *input->idle_threshold_s;
    json[key] = std::move(one);
}

std::string_view show_name(proto::Show show) {
    switch (show) {
        case proto::Show::away:
            return "away";
        case proto::Show::chat:
            return "chat";
        case proto::Show::dnd:
            return "dnd";
        case proto::Show::xa:
            return "xa";
    }
    return "";
}

Json to_json(const proto::Service& service) {
    Json json = {{"id", service.id}};
    if (service.basic) json["basic"] = *service.basic == proto::Basic::open ? "open" : "closed";
    if (service.show) json["show"] = show_name(*service.show);
    put(json, "contact", service.contact);
    if (service.contact_priority) json["contact_priority"] = *service.contact_priority / 1000.0;
    if (service.priority) json["priority"] = static_cast<int>(*service.priority);
    put(json, "notes", service.notes);
    put(json, "activities", service.activities);
    put(json, "user_input", service.user_input);
    put(json, "device_ids", service.device_ids);
    put(json, "timestamp", service.timestamp);
    put(json, "status_extensions", service.status_extensions);
    put(json, "extensions", service.extensions);
    return json;
}

Json to_json(const proto::Person& person) {
    Json json = {{"id", person.id}};
    put(json, "activities", person.activities);
    put(json, "user_input", person.user_input);
    put(json, "notes", person.notes);
    put(json, "timestamp", person.timestamp);
    put(json, "extensions", person.extensions);
    return json;
}

Json to_json(const proto::Device& device) {
    Json json = {{"id", device.id}};
    put(json, "device_id", device.device_id);
    put(json, "user_input", device.user_input);
    put(json, "notes", device.notes);
    put(json, "timestamp", device.timestamp);
    put(json, "extensions", device.extensions);
    return json;
}

template <typename T>
Json list_of(const std::vector<T>& values) {
    Json array = Json::array();
    for (const auto& value : values) array.push_back(to_json(value));
    return array;
}

// ---- reading

/// The first thing that is wrong with a document, and where. Thrown inside this file alone, where each value is read in
/// the depth of its parents.
struct Fault {
    Reason reason;
    std::string text;
};

[[noreturn]] void fail(const std::string& where, const std::string& what, Reason reason = Reason::malformed) {
    throw Fault{reason, (where.empty() ? "the document" : where) + " " + what};
}

/// One JSON object; each member is asked for by name, and finish() refuses those nobody asked for.
class Object {
  public:
    Object(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
        if (!json.is_object()) fail(where_, "must be an object");
    }

    const Json* member(const char* key) {
        known_.insert(key);
        const auto found = json_.find(key);
        return found == json_.end() || found->is_null() ? nullptr : &*found;
    }
    std::string path(const char* key) const { return where_.empty() ? key : where_ + "." + key; }

    std::string text(const char* key) {
        const auto* value = member(key);
        return value == nullptr ? std::string() : as_text(*value, path(key));
    }
    std::string required_text(const char* key) {
        if (member(key) == nullptr) fail(path(key), "is missing");
        auto value = text(key);
        if (value.empty()) fail(path(key), "must not be empty");
        return value;
    }
    std::optional<std::int64_t> whole(const char* key, std::int64_t least, std::int64_t most) {
        const auto* value = member(key);
        if (value == nullptr) return std::nullopt;
        const bool fits =
            value->is_number_integer() && (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
        if (!fits || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most) {
            fail(path(key), "must be a whole number between " + std::to_string(least) + " and " + std::to_string(most));
        }
        return value->get<std::int64_t>();
    }
    std::optional<WallTime> time(const char* key) {
        const auto* value = member(key);
        if (value == nullptr) return std::nullopt;
        const auto parsed = proto::from_rfc3339(as_text(*value, path(key)));
        if (!parsed) fail(path(key), "must be a time such as \"2026-01-02T03:04:05Z\"");
        return parsed;
    }
    std::vector<std::string> texts(const char* key, std::size_t most) {
        std::vector<std::string> all;
        each(key, most, [&](const Json& value, const std::string& where) { all.push_back(as_text(value, where)); });
        return all;
    }
    template <typename Visit>
    void each(const char* key, std::size_t most, Visit visit) {
        const auto* array = member(key);
        if (array == nullptr) return;
        if (!array->is_array()) fail(path(key), "must be an array");
        if (array->size() > most)
            fail(path(key), "has more than " + std::to_string(most) + " elements", Reason::too_large);
        for (std::size_t i = 0; i < array->size(); ++i) visit((*array)[i], path(key) + "[" + std::to_string(i) + "]");
    }
    void finish() const {
        for (const auto& [key, value] : json_.items()) {
            if (!known_.contains(key)) fail(path(key.substr(0, 64).c_str()), "is not a member that is known");
        }
    }

  private:
    static std::string as_text(const Json& value, const std::string& where) {
        if (!value.is_string()) fail(where, "must be a text");
        return value.get<std::string>();
    }
    const Json& json_;
    std::string where_;
    std::set<std::string, std::less<>> known_;
};

std::vector<proto::Note> read_notes(Object& parent) {
    std::vector<proto::Note> notes;
    parent.each("notes", proto::limits::notes_per_element, [&](const Json& json, const std::string& where) {
        Object object(json, where);
        proto::Note note;
        note.lang = object.text("lang");
        note.text = object.text("text");
        object.finish();
        notes.push_back(std::move(note));
    });
    return notes;
}

std::optional<proto::Activities> read_activities(Object& parent) {
    const auto* json = parent.member("activities");
    if (json == nullptr) return std::nullopt;
    Object object(*json, parent.path("activities"));
    proto::Activities activities;
    activities.names = object.texts("names", proto::limits::notes_per_element);
    activities.notes = read_notes(object);
    activities.from = object.time("from");
    activities.until = object.time("until");
    object.finish();
    return activities;
}

std::optional<proto::UserInput> read_user_input(Object& parent) {
    const auto* json = parent.member("user_input");
    if (json == nullptr) return std::nullopt;
    Object object(*json, parent.path("user_input"));
    proto::UserInput input;
    if (const auto* idle = object.member("idle")) {
        if (!idle->is_boolean()) fail(object.path("idle"), "must be true or false");
        input.idle = idle->get<bool>();
    }
    input.last_input = object.time("last_input");
    if (const auto threshold = object.whole("idle_threshold_s", 0, UINT32_MAX))
        input.idle_threshold_s = static_cast<std::uint32_t>(*threshold);
    object.finish();
    return input;
}

std::optional<proto::Basic> read_basic(Object& object) {
    if (object.member("basic") == nullptr) return std::nullopt;
    const auto word = object.text("basic");
    if (word == "open") return proto::Basic::open;
    if (word == "closed") return proto::Basic::closed;
    fail(object.path("basic"), "must be open or closed");
}

std::optional<proto::Show> read_show(Object& object) {
    if (object.member("show") == nullptr) return std::nullopt;
    const auto word = object.text("show");
    for (const auto show : {proto::Show::away, proto::Show::chat, proto::Show::dnd, proto::Show::xa}) {
        if (word == show_name(show)) return show;
    }
    fail(object.path("show"), "must be away, chat, dnd or xa");
}

std::optional<std::uint16_t> read_contact_priority(Object& object) {
    const auto* value = object.member("contact_priority");
    if (value == nullptr) return std::nullopt;
    const double number = value->is_number() ? value->get<double>() : -1;
    if (!(number >= 0 && number <= 1)) fail(object.path("contact_priority"), "must be a number between 0 and 1");
    return static_cast<std::uint16_t>(std::lround(number * 1000));
}

std::vector<proto::ExtensionXml> read_extensions(Object& object, const char* key = "extensions") {
    std::vector<proto::ExtensionXml> extensions;
    object.each(key, proto::limits::extensions_per_element, [&](const Json& json, const std::string& where) {
        if (!json.is_string()) fail(where, "must be a text");
        auto extension = read_extension(json.get<std::string>());
        if (!extension) fail(where, "must be one XML element: " + extension.error().detail, extension.error().reason);
        extensions.push_back(std::move(*extension));
    });
    return extensions;
}

proto::Service read_service(const Json& json, const std::string& where) {
    Object object(json, where);
    proto::Service service;
    service.id = object.required_text("id");
    service.basic = read_basic(object);
    service.show = read_show(object);
    service.contact = object.text("contact");
    service.contact_priority = read_contact_priority(object);
    if (const auto priority = object.whole("priority", -128, 127))
        service.priority = static_cast<std::int8_t>(*priority);
    service.notes = read_notes(object);
    service.activities = read_activities(object);
    service.user_input = read_user_input(object);
    service.device_ids = object.texts("device_ids", proto::limits::extensions_per_element);
    service.timestamp = object.time("timestamp");
    service.status_extensions = read_extensions(object, "status_extensions");
    service.extensions = read_extensions(object);
    object.finish();
    return service;
}

proto::Person read_person(const Json& json, const std::string& where) {
    Object object(json, where);
    proto::Person person;
    person.id = object.text("id");
    person.activities = read_activities(object);
    person.user_input = read_user_input(object);
    person.notes = read_notes(object);
    person.timestamp = object.time("timestamp");
    person.extensions = read_extensions(object);
    object.finish();
    return person;
}

proto::Device read_device(const Json& json, const std::string& where) {
    Object object(json, where);
    proto::Device device;
    device.id = object.text("id");
    device.device_id = object.text("device_id");
    device.user_input = read_user_input(object);
    device.notes = read_notes(object);
    device.timestamp = object.time("timestamp");
    device.extensions = read_extensions(object);
    object.finish();
    return device;
}

proto::Presence read_presence(const Json& json) {
    Object object(json, "");
    proto::Presence presence;
    const auto most = proto::limits::services_per_document;
    object.each("services", most, [&](const Json& one, const std::string& where) {
        presence.services.push_back(read_service(one, where));
    });
    object.each("persons", most, [&](const Json& one, const std::string& where) {
        presence.persons.push_back(read_person(one, where));
    });
    object.each("devices", most, [&](const Json& one, const std::string& where) {
        presence.devices.push_back(read_device(one, where));
    });
    presence.notes = read_notes(object);
    presence.extensions = read_extensions(object);
    object.finish();
    return presence;
}

/// The parser recurses with depth; a body of brackets must not overflow the stack.
bool too_deep(std::string_view text) {
    std::size_t depth = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quoted) {
            if (c == '\\') ++i;
            if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > proto::limits::xml_depth) return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return false;
}

}  // namespace

std::string presence_to_json(const proto::Presence& presence) {
    Json json = Json::object();
    if (!presence.services.empty()) json["services"] = list_of(presence.services);
    if (!presence.persons.empty()) json["persons"] = list_of(presence.persons);
    if (!presence.devices.empty()) json["devices"] = list_of(presence.devices);
    put(json, "notes", presence.notes);
    put(json, "extensions", presence.extensions);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

proto::Result<proto::Presence> presence_from_json(std::string_view text) {
    if (text.size() > proto::limits::pidf_bytes)
        return proto::refuse(Reason::too_large, "the document is larger than 256 KiB");
    if (too_deep(text)) return proto::refuse(Reason::malformed, "the document is nested too deeply");
    const auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) return proto::refuse(Reason::malformed, "the document is not JSON");
    try {
        return read_presence(json);
    } catch (const Fault& fault) {
        return proto::refuse(fault.reason, fault.text);
    }
}

}  // namespace presmesh::daemon
