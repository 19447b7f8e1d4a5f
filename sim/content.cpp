#include "sim/content.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "proto/assert.hpp"
#include "sim/dice.hpp"

namespace presmesh::sim {

namespace {

std::string note_for(std::uint64_t seed, std::uint32_t presentity, std::uint32_t version) {
    const std::uint64_t token = mix(mix(seed_of(seed, Purpose::workload, presentity)) + version);
    std::array<char, 64> text;
    const int size =
        std::snprintf(text.data(), text.size(), "v%u %016llx", version, static_cast<unsigned long long>(token));
    return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<std::uint32_t> version_of(const std::string& note) {
    std::uint32_t version = 0;
    if (note.size() < 3 || note[0] != 'v') return std::nullopt;
    const auto [end, failed] = std::from_chars(note.data() + 1, note.data() + note.size(), version);
    if (failed != std::errc() || end == note.data() + note.size() || *end != ' ') return std::nullopt;
    return version;
}

const std::string* first_note(const proto::Presence& presence) {
    for (const auto& service : presence.services)
        if (!service.notes.empty()) return &service.notes[0].text;
    for (const auto& person : presence.persons)
        if (!person.notes.empty()) return &person.notes[0].text;
    return presence.notes.empty() ? nullptr : &presence.notes[0].text;
}

}  // namespace

proto::DocumentPtr make_document(std::uint64_t seed, std::uint32_t presentity, std::uint32_t version,
                                 std::uint32_t filler) {
    proto::Service service;
    service.id = "phone";
    service.basic = proto::Basic::open;
    constexpr std::array<std::optional<proto::Show>, 4> shows{std::nullopt, proto::Show::away, proto::Show::dnd,
                                                              proto::Show::chat};
    service.show = shows[version % shows.size()];
    service.notes.push_back({"", note_for(seed, presentity, version)});
    proto::Presence presence;
    presence.services.push_back(std::move(service));
    if (filler > 0) presence.notes.push_back({"", std::string(filler, 'x')});
    auto made = proto::Document::make(std::move(presence));
    PRESMESH_ASSERT(made.has_value());
    return *made;
}

std::optional<std::uint32_t> version_in(std::uint64_t seed, std::uint32_t presentity, const proto::Presence& presence) {
    const std::string* note = first_note(presence);
    if (note == nullptr) return std::nullopt;
    const auto version = version_of(*note);
    if (!version || *note != note_for(seed, presentity, *version)) return std::nullopt;
    return version;
}

}  // namespace presmesh::sim
