#include <algorithm>
#include <charconv>
#include <set>

#include "proto/rfc3339.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/sip/pidf_names.hpp"
#include "translators/xml_element.hpp"

namespace presmesh::translators::sip {

namespace {

using proto::Activities;
using proto::Note;
using proto::Service;
using proto::UserInput;
using proto::WallTime;

std::string decimal(std::uint16_t thousandths) {
    if (thousandths >= 1000) return "1";
    if (thousandths == 0) return "0";
    std::string digits = std::to_string(1000 + thousandths);
    digits.erase(digits.find_last_not_of('0') + 1);
    return "0." + digits.substr(1);
}

bool is_element_name(std::string_view name) {
    const auto is_start = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
    const auto is_part = [&](char c) { return is_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
    return !name.empty() && is_start(name.front()) && std::all_of(name.begin(), name.end(), is_part);
}

/// A document is written front to back into one string; there is no tree.
class PidfWriter {
  public:
    explicit PidfWriter(std::string_view entity) : entity_(entity) { out_.reserve(1024); }

    std::string document(const proto::Presence& p) {
        out_ += R"(<?xml version="1.0" encoding="UTF-8"?>)"
                "\n"
                R"(<presence xmlns="urn:ietf:params:xml:ns:pidf")";
        if (!p.persons.empty() || !p.devices.empty() || std::any_of(p.services.begin(), p.services.end(), has_device))
            attribute("xmlns:dm", ns_data_model);
        if (uses_rpid(p)) attribute("xmlns:rpid", ns_rpid);
        attribute("entity", entity_);
        out_ += '>';
        for (const auto& service : p.services) tuple(service);
        for (const auto& n : p.notes) note("note", n);
        for (const auto& person_part : p.persons) person(person_part);
        for (const auto& device_part : p.devices) device(device_part);
        extensions(p.extensions);
        out_ += "</presence>\n";
        return std::move(out_);
    }

  private:
    static bool has_device(const Service& s) { return !s.device_ids.empty(); }
    static bool uses_rpid(const proto::Presence& p) {
        const auto in_service = [](const Service& s) { return s.show || s.activities || s.user_input; };
        const auto in_person = [](const proto::Person& x) { return x.activities || x.user_input; };
        const auto in_device = [](const proto::Device& x) { return x.user_input.has_value(); };
        return std::any_of(p.services.begin(), p.services.end(), in_service) ||
               std::any_of(p.persons.begin(), p.persons.end(), in_person) ||
               std::any_of(p.devices.begin(), p.devices.end(), in_device);
    }

    void attribute(std::string_view name, std::string_view value) {
        ((out_ += ' ') += name) += "=\"";
        append_escaped(out_, value, true);
        out_ += '"';
    }
    void open(std::string_view tag) { ((out_ += '<') += tag) += '>'; }
    void close(std::string_view tag) { ((out_ += "</") += tag) += '>'; }
    void text(std::string_view tag, std::string_view value) {
        open(tag);
        append_escaped(out_, value, false);
        close(tag);
    }
    void note(std::string_view tag, const Note& n) {
        (out_ += '<') += tag;
        if (!n.lang.empty()) attribute("xml:lang", n.lang);
        out_ += '>';
        append_escaped(out_, n.text, false);
        close(tag);
    }
    void extensions(const std::vector<proto::ExtensionXml>& all) {
        for (const auto& xml : all) out_ += xml;
    }
    void time(std::string_view tag, const std::optional<WallTime>& at) {
        if (at) text(tag, to_rfc3339(*at));
    }

    /// An xs:ID may stand once in a document, whatever it names.
    void id(std::string_view wanted, bool xmpp_resource) {
        const auto base = tuple_id(wanted, xmpp_resource);
        auto free = base;
        for (int n = 2; !ids_.insert(free).second; ++n) free = base + "." + std::to_string(n);
        attribute("id", free);
    }

    void tuple(const Service& s) {
        out_ += "<tuple";
        id(s.id, s.priority.has_value());
        out_ += '>';
        status(s);
        if (s.activities)
            activities(*s.activities);
        else if (s.show && !implied_activity(*s.show).empty())
            activities(Activities{{std::string(implied_activity(*s.show))}, {}, {}, {}});
        if (s.user_input) user_input(*s.user_input);
        for (const auto& device_id : s.device_ids) text("dm:deviceID", device_id);
        if (s.priority)
            ((out_ += R"(<priority xmlns="jabber:client">)") += std::to_string(*s.priority)) += "</priority>";
        extensions(s.extensions);
        contact(s);
        for (const auto& n : s.notes) note("note", n);
        time("timestamp", s.timestamp);
        close("tuple");
    }

    void status(const Service& s) {
        out_ += "<status>";
        if (s.basic) text("basic", *s.basic == proto::Basic::open ? "open" : "closed");
        if (s.show) ((out_ += R"(<show xmlns="jabber:client">)") += show_names[static_cast<int>(*s.show)]) += "</show>";
        extensions(s.status_extensions);
        close("status");
    }

    void contact(const Service& s) {
        const bool derived = !s.contact_priority && s.priority && *s.priority >= 0;
        if (s.contact.empty() && !s.contact_priority && !derived) return;
        out_ += "<contact";
        if (s.contact_priority) attribute("priority", decimal(*s.contact_priority));
        if (derived) attribute("priority", decimal(contact_priority_of(*s.priority)));
        out_ += '>';
        append_escaped(out_, s.contact.empty() && derived ? entity_ : s.contact, false);
        close("contact");
    }

    void activities(const Activities& a) {
        out_ += "<rpid:activities";
        if (a.from) attribute("from", to_rfc3339(*a.from));
        if (a.until) attribute("until", to_rfc3339(*a.until));
        out_ += '>';
        for (const auto& n : a.notes) note("rpid:note", n);
        for (const auto& name : a.names) activity(name);
        close("rpid:activities");
    }

    void activity(std::string_view name) {
        const auto brace = name.find('}');
        if (name.starts_with("other:")) return text("rpid:other", name.substr(6));
        if (is_element_name(name) && name != "note") {
            ((out_ += "<rpid:") += name) += "/>";
        } else if (name.starts_with("{") && brace != std::string_view::npos &&
                   is_element_name(name.substr(brace + 1))) {
            (out_ += '<') += name.substr(brace + 1);
            attribute("xmlns", name.substr(1, brace - 1));
            out_ += "/>";
        } else {
            text("rpid:other", name);
        }
    }

    void user_input(const UserInput& u) {
        out_ += "<rpid:user-input";
        if (u.idle_threshold_s) attribute("idle-threshold", std::to_string(*u.idle_threshold_s));
        if (u.last_input) attribute("last-input", to_rfc3339(*u.last_input));
        out_ += u.idle ? ">idle" : ">active";
        close("rpid:user-input");
    }

    void person(const proto::Person& p) {
        out_ += "<dm:person";
        id(p.id, false);
        out_ += '>';
        if (p.activities) activities(*p.activities);
        if (p.user_input) user_input(*p.user_input);
        extensions(p.extensions);
        for (const auto& n : p.notes) note("dm:note", n);
        time("dm:timestamp", p.timestamp);
        close("dm:person");
    }

    void device(const proto::Device& d) {
        out_ += "<dm:device";
        id(d.id, false);
        out_ += '>';
        if (d.user_input) user_input(*d.user_input);
        extensions(d.extensions);
        text("dm:deviceID", d.device_id);
        for (const auto& n : d.notes) note("dm:note", n);
        time("dm:timestamp", d.timestamp);
        close("dm:device");
    }

    std::string out_;
    std::string_view entity_;
    std::set<std::string> ids_;
};

}  // namespace

std::string write_pidf(const proto::PresentityUri& entity, const proto::Presence& presence) {
    return write_pidf_as(entity.pres(), presence);
}

std::string write_pidf_as(std::string_view entity_uri, const proto::Presence& presence) {
    return PidfWriter(entity_uri).document(presence);
}

}  // namespace presmesh::translators::sip
