#include "tests/support/presence_gen.hpp"

namespace presmesh::testing {

rc::Gen<std::string> text_gen() {
    const auto piece =
        rc::gen::element<std::string>("a", "Z", "0", " ", "<", ">", "&", "\"", "'", "\n", "\t", "\r", "]]>", "ü",
                                      "日本", "🦊", "\xC2\x85", "%", "\\", "/", "-", "_", ".", ":", "ID-");
    return rc::gen::map(rc::gen::container<std::vector<std::string>>(piece),
                        [](const std::vector<std::string>& pieces) {
                            std::string out;
                            for (const auto& p : pieces) out += p;
                            return out;
                        });
}

rc::Gen<proto::WallTime> wall_time_gen() {
    const auto least = proto::least_document_time.time_since_epoch().count();
    const auto most = proto::greatest_document_time.time_since_epoch().count();
    return rc::gen::map(
        rc::gen::oneOf(rc::gen::inRange<std::int64_t>(least, most), rc::gen::element<std::int64_t>(0, least, most, -1),
                       rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000'000)),
        [](std::int64_t us) { return proto::WallTime{proto::Duration{us}}; });
}

namespace {

rc::Gen<std::string> some_text_gen() {
    return rc::gen::nonEmpty(text_gen());
}

rc::Gen<std::string> language_gen() {
    return rc::gen::element<std::string>("", "en", "de", "fr-CA", "zh-Hant");
}

rc::Gen<proto::Note> note_gen() {
    return rc::gen::construct<proto::Note>(language_gen(), text_gen());
}

rc::Gen<proto::ExtensionXml> extension_gen() {
    return rc::gen::element<proto::ExtensionXml>(
        R"(<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="http://example.com/#1" ver="q=="/>)",
        R"(<mood xmlns="urn:ietf:params:xml:ns:pidf:rpid"><happy/></mood>)",
        R"(<x xmlns="vcard-temp:x:update"><photo>ab&amp;&lt;c</photo></x>)",
        R"(<e xmlns="urn:example:e" xmlns:a0="urn:example:at" a0:k="&quot;&#xA;"><inner xmlns="">t ü</inner> tail</e>)");
}

rc::Gen<proto::Activities> activities_gen() {
    const auto name = rc::gen::element<std::string>("away", "busy", "on-the-phone", "meeting", "vacation",
                                                    "other:sailing & <more>", "other:", "permanent-absence", "");
    return rc::gen::construct<proto::Activities>(few(name), few(note_gen()), perhaps(wall_time_gen()),
                                                 perhaps(wall_time_gen()));
}

rc::Gen<proto::UserInput> user_input_gen() {
    return rc::gen::construct<proto::UserInput>(rc::gen::arbitrary<bool>(), perhaps(wall_time_gen()),
                                                perhaps(rc::gen::arbitrary<std::uint32_t>()));
}

rc::Gen<proto::Service> service_gen() {
    using proto::Service;
    return rc::gen::build<Service>(
        rc::gen::set(&Service::id, some_text_gen()),
        rc::gen::set(&Service::basic, perhaps(rc::gen::element(proto::Basic::closed, proto::Basic::open))),
        rc::gen::set(&Service::show, perhaps(rc::gen::element(proto::Show::away, proto::Show::chat, proto::Show::dnd,
                                                              proto::Show::xa))),
        rc::gen::set(&Service::contact, rc::gen::element<std::string>("", "sip:a@example.com", "im:ü@b.example;x=<&>")),
        rc::gen::set(&Service::contact_priority, perhaps(rc::gen::inRange<std::uint16_t>(0, 1001))),
        rc::gen::set(&Service::priority, perhaps(rc::gen::arbitrary<std::int8_t>())),
        rc::gen::set(&Service::notes, few(note_gen())), rc::gen::set(&Service::activities, perhaps(activities_gen())),
        rc::gen::set(&Service::user_input, perhaps(user_input_gen())),
        rc::gen::set(&Service::device_ids, few(some_text_gen())),
        rc::gen::set(&Service::timestamp, perhaps(wall_time_gen())),
        rc::gen::set(&Service::status_extensions, few(extension_gen())),
        rc::gen::set(&Service::extensions, few(extension_gen())));
}

rc::Gen<proto::Person> person_gen() {
    return rc::gen::construct<proto::Person>(some_text_gen(), perhaps(activities_gen()), perhaps(user_input_gen()),
                                             few(note_gen()), perhaps(wall_time_gen()), few(extension_gen()));
}

rc::Gen<proto::Device> device_gen() {
    return rc::gen::construct<proto::Device>(some_text_gen(), some_text_gen(), perhaps(user_input_gen()),
                                             few(note_gen()), perhaps(wall_time_gen()), few(extension_gen()));
}

}  // namespace

rc::Gen<proto::Presence> presence_gen() {
    auto whole = rc::gen::construct<proto::Presence>(few(service_gen()), few(person_gen()), few(device_gen()),
                                                     few(note_gen()), few(extension_gen()));
    return rc::gen::map(std::move(whole), [](proto::Presence p) {
        for (std::size_t i = 0; i < p.services.size(); ++i) p.services[i].id += "s" + std::to_string(i);
        for (std::size_t i = 0; i < p.persons.size(); ++i) p.persons[i].id += "p" + std::to_string(i);
        for (std::size_t i = 0; i < p.devices.size(); ++i) p.devices[i].id += "d" + std::to_string(i);
        return p;
    });
}

}  // namespace presmesh::testing
