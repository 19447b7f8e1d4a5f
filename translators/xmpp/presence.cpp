#include "translators/xmpp/presence.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "proto/limits.hpp"
#include "proto/rfc3339.hpp"
#include "proto/text.hpp"

namespace presmesh::translators::xmpp {

namespace {

namespace limits = proto::limits;
using proto::Basic;
using proto::Note;
using proto::Presence;
using proto::Reason;
using proto::Result;
using proto::Service;
using proto::Show;
using proto::WallTime;

constexpr std::array<std::string_view, 5> show_names = {"", "away", "chat", "dnd", "xa"};  // by Show
constexpr std::string_view ns_ag_status = "urn:ag-projects:xml:ns:pidf";

std::optional<Show> show_named(std::string_view name) {
    const auto* found = std::find(show_names.begin() + 1, show_names.end(), name);
    if (found == show_names.end()) return std::nullopt;
    return static_cast<Show>(found - show_names.begin());
}

// ---- what a show can be read from

/// The most restraining word wins: dnd, then xa, then away.
std::optional<Show> show_of_activities(const std::optional<proto::Activities>& activities, WallTime now) {
    static constexpr std::array<std::string_view, 6> dnd = {"busy",         "on-the-phone", "meeting",
                                                            "presentation", "performance",  "steering"};
    static constexpr std::array<std::string_view, 4> xa = {"vacation", "holiday", "permanent-absence", "sleeping"};
    static constexpr std::array<std::string_view, 9> away = {
        "away", "appointment", "meal", "breakfast", "lunch", "dinner", "travel", "in-transit", "shopping"};
    if (!activities || !activities->hold_at(now)) return std::nullopt;
    const auto any_of = [&](const auto& words) {
        const auto said = [&](const std::string& name) {
            return std::find(words.begin(), words.end(), name) != words.end();
        };
        return std::any_of(activities->names.begin(), activities->names.end(), said);
    };
    if (any_of(dnd)) return Show::dnd;
    if (any_of(xa)) return Show::xa;
    if (any_of(away)) return Show::away;
    return std::nullopt;
}

std::optional<Show> show_of_extended_status(const Service& service) {
    for (const auto& xml : service.status_extensions) {
        const auto name = proto::extension_name(xml);
        if (name.name != "extended" || name.ns != ns_ag_status) continue;
        const std::string_view text(xml);
        if (text.find(">away<") != std::string_view::npos) return Show::away;
        if (text.find(">extended-away<") != std::string_view::npos) return Show::xa;
        if (text.find(">busy<") != std::string_view::npos) return Show::dnd;
    }
    return std::nullopt;
}

/// XMPP allows one status per language: the first stands.
void add_note(std::vector<Note>& out, Note note) {
    const auto same = [&](const Note& n) { return n.lang == note.lang; };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(std::move(note));
}

/// What is no language tag ("en_US") is left out: there are servers that drop the whole stanza over it.
void add_notes(std::vector<Note>& out, const std::vector<Note>& more) {
    for (const auto& note : more) add_note(out, {proto::is_language_tag(note.lang) ? note.lang : "", note.text});
}

std::vector<Note> notes_of_activities(const std::optional<proto::Activities>& activities, WallTime now) {
    std::vector<Note> out;
    if (!activities || !activities->hold_at(now)) return out;
    add_notes(out, activities->notes);
    for (const auto& name : activities->names)
        if (out.empty() && name.starts_with("other:") && name.size() > 6) out.push_back({"", name.substr(6)});
    return out;
}

std::vector<Note> notes_around(const Presence& presence, WallTime now) {
    std::vector<Note> out;
    for (const auto& person : presence.persons)
        if (out.empty()) add_notes(out, person.notes);
    if (out.empty()) add_notes(out, presence.notes);
    for (const auto& person : presence.persons)
        if (out.empty()) out = notes_of_activities(person.activities, now);
    return out;
}

/// What stands around the services is repeated in the stanza of each: as much of it as stays small over all of them.
std::vector<Note> told_by_each(std::vector<Note> notes, std::size_t services) {
    std::size_t bytes = 0;
    std::erase_if(notes, [&](const Note& note) {
        const auto more = services * (note.lang.size() + note.text.size());
        if (bytes + more > limits::repeated_note_bytes) return true;
        bytes += more;
        return false;
    });
    return notes;
}

// ---- writing

void add_statuses(Element& stanza, const std::vector<Note>& notes) {
    for (const auto& note : notes) stanza.add(Element("status", ns_client).set_lang(note.lang).set_text(note.text));
}

std::optional<std::int8_t> priority_of(const Service& service) {
    if (service.priority) return service.priority;
    if (service.contact_priority) return static_cast<std::int8_t>((*service.contact_priority * 127 + 500) / 1000);
    return std::nullopt;
}

void add_idle(Element& stanza, const Service& service, const Presence& presence) {
    auto input = service.user_input;
    for (const auto& person : presence.persons)
        if (!input) input = person.user_input;
    if (!input || !input->idle || !input->last_input) return;
    stanza.add(Element("idle", ns_idle).set("since", to_rfc3339(*input->last_input)));
}

void add_extensions(Element& stanza, const std::vector<proto::ExtensionXml>& extensions) {
    for (const auto& xml : extensions) {
        const auto ns = proto::extension_name(xml).ns;
        const bool reserved =
            ns.empty() || ns == ns_client || ns == ns_component || ns == ns_server || ns == ns_streams;
        if (!reserved) stanza.add(Element::verbatim(xml));  // else it would speak as us
    }
}

std::string address(std::string_view bare, std::string_view service_id) {
    std::string out(bare);
    if (!service_id.empty()) (out += '/') += resource_of(service_id);
    return out;
}

Element stanza_of(const Service& service, const Presence& presence, std::string_view from_bare, std::string_view to,
                  WallTime now) {
    const bool available = is_available(service);
    Element out = presence_stanza(address(from_bare, service.id), to, available ? "" : "unavailable");
    if (available)
        if (const auto show = show_of(service, presence, now))
            out.add_text("show", show_names[static_cast<std::size_t>(*show)]);
    add_statuses(out, notes_of(service, presence, now));
    if (available) {
        const auto priority = priority_of(service);
        if (priority.value_or(0) != 0) out.add_text("priority", std::to_string(*priority));
        add_idle(out, service, presence);
    }
    add_extensions(out, service.extensions);
    return out;
}

const Service* find(const Presence& presence, std::string_view id) {
    const auto found =
        std::find_if(presence.services.begin(), presence.services.end(), [&](const Service& s) { return s.id == id; });
    return found == presence.services.end() ? nullptr : &*found;
}

void add_vanished(std::vector<Element>& out, const Presence& presence, const Presence& previous,
                  std::string_view from_bare, std::string_view to) {
    for (const auto& before : previous.services)
        if (is_available(before) && find(presence, before.id) == nullptr)
            out.push_back(presence_stanza(address(from_bare, before.id), to, "unavailable"));
}

// ---- reading

/// What is no number is 0, and what does not fit is cut to what does, as servers do: a presence is not lost over it.
std::int8_t read_priority(const Element& stanza) {
    const auto* element = stanza.child("priority", ns_client);
    if (element == nullptr) return 0;
    std::string_view text = element->text;
    const auto first = text.find_first_not_of(" \t\r\n+");
    text = first == std::string_view::npos ? std::string_view{} : text.substr(first);
    text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
    std::int8_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) return 0;
    if (error == std::errc::result_out_of_range) return text.front() == '-' ? -128 : 127;
    return value;
}

bool is_about_delivery(const Element& child) {
    return child.ns == "urn:xmpp:delay" || child.ns == "jabber:x:delay";
}

void read_child(const Element& child, std::string_view lang, Service& service) {
    if (child.is("status", ns_client)) {
        if (service.notes.size() < limits::notes_per_element)
            add_note(service.notes, {std::string(child.lang().empty() ? lang : child.lang()), child.text});
    } else if (child.is("idle", ns_idle)) {
        if (const auto since = proto::from_rfc3339(child.get("since")))
            service.user_input = proto::UserInput{true, since, {}};
    } else if (child.ns != ns_client && !is_about_delivery(child) &&
               service.extensions.size() < limits::extensions_per_element) {
        if (auto xml = to_extension(Element(child).inherit_lang(lang))) service.extensions.push_back(std::move(*xml));
    }
}

}  // namespace

JidParts split_jid(std::string_view jid) {
    const auto slash = jid.find('/');
    if (slash == std::string_view::npos) return {jid, {}};
    return {jid.substr(0, slash), jid.substr(slash + 1)};
}

bool is_available(const Service& service) {
    return service.basic == Basic::open || (!service.basic && service.show.has_value());
}

std::optional<Show> show_of(const Service& service, const Presence& presence, WallTime now) {
    if (service.show) return service.show;
    if (const auto show = show_of_activities(service.activities, now)) return show;
    for (const auto& person : presence.persons)
        if (const auto show = show_of_activities(person.activities, now)) return show;
    return show_of_extended_status(service);
}

std::vector<Note> notes_of(const Service& service, const Presence& presence, WallTime now) {
    std::vector<Note> out;
    add_notes(out, service.notes);
    if (out.empty()) out = notes_of_activities(service.activities, now);
    return out.empty() ? told_by_each(notes_around(presence, now), presence.services.size()) : out;
}

std::vector<Element> presence_stanzas(const Presence& presence, const Presence* previous, std::string_view from_bare,
                                      std::string_view to, WallTime now) {
    std::vector<Element> out;
    if (previous != nullptr) add_vanished(out, presence, *previous, from_bare, to);
    for (const auto& service : presence.services) {
        auto stanza = stanza_of(service, presence, from_bare, to, now);
        const auto* before = previous == nullptr ? nullptr : find(*previous, service.id);
        if (before == nullptr || stanza_of(*before, *previous, from_bare, to, now) != stanza)
            out.push_back(std::move(stanza));
    }
    if (presence.services.empty() && (previous == nullptr || (out.empty() && presence != *previous))) {
        out.push_back(presence_stanza(from_bare, to, "unavailable"));
        add_statuses(out.back(), notes_around(presence, now));
    }
    return out;
}

std::optional<WallTime> next_change(const Presence& presence, WallTime now) {
    std::optional<WallTime> next;
    const auto look_at = [&](const std::optional<WallTime>& at) {
        if (at && *at > now && (!next || *at < *next)) next = at;
    };
    const auto look = [&](const std::optional<proto::Activities>& activities) {
        if (!activities) return;
        look_at(activities->from);
        look_at(activities->until);
    };
    for (const auto& service : presence.services) look(service.activities);
    for (const auto& person : presence.persons) look(person.activities);
    return next;
}

Result<Service> service_of(const Element& stanza) {
    const auto type = stanza.get("type");
    if (!stanza.is("presence", ns_client) || (!type.empty() && type != "unavailable"))
        return refuse(Reason::malformed, "not a stanza that tells presence");
    if (stanza.get("from").empty()) return refuse(Reason::malformed, "no from");
    Service out;
    out.id = split_jid(stanza.get("from")).resource;
    out.basic = type.empty() ? Basic::open : Basic::closed;
    out.priority = type.empty() ? read_priority(stanza) : std::int8_t{0};
    if (type.empty()) out.show = show_named(stanza.child_text("show", ns_client));
    for (const auto& child : stanza.children) read_child(child, stanza.lang(), out);
    return out;
}

bool apply(Presence& presence, Service service) {
    auto next = presence.services;
    const bool closes = service.basic == Basic::closed;
    const bool closes_all = closes && service.id.empty();
    std::erase_if(next, [&](const Service& s) {
        return closes_all || s.id == service.id || (closes && s.basic == Basic::closed);
    });
    if (next.size() >= limits::services_per_document) return false;
    const auto place = std::find_if(next.begin(), next.end(), [&](const Service& s) { return s.id > service.id; });
    next.insert(place, std::move(service));
    if (next == presence.services) return false;
    presence.services = std::move(next);
    return true;
}

}  // namespace presmesh::translators::xmpp
