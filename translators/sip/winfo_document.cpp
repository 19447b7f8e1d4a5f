#include "translators/sip/winfo_document.hpp"

#include <algorithm>

#include "proto/identity.hpp"
#include "translators/sip/message.hpp"
#include "translators/xml_element.hpp"

namespace presmesh::translators::sip {
namespace {

constexpr std::string_view end_of_list = "</watcher-list></watcherinfo>\n";
constexpr std::size_t id_bytes = 16;

std::string_view name_of(WatcherEvent event) {
    switch (event) {
        case WatcherEvent::subscribe:
            return "subscribe";
        case WatcherEvent::approved:
            return "approved";
        case WatcherEvent::deactivated:
            return "deactivated";
        case WatcherEvent::probation:
            return "probation";
        case WatcherEvent::rejected:
            return "rejected";
        case WatcherEvent::timeout:
            return "timeout";
        case WatcherEvent::giveup:
            return "giveup";
        case WatcherEvent::noresource:
            return "noresource";
    }
    return "subscribe";
}

/// Clocks are set back.
std::string seconds_between(proto::WallTime since, proto::WallTime now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now - since).count();
    return std::to_string(std::max<std::int64_t>(seconds, 0));
}

}  // namespace

std::string winfo_id(std::string_view presentity, std::string_view watcher) {
    const auto both = std::string(presentity).append("\n").append(watcher);
    const auto digest = proto::blake2b_256(proto::as_bytes(both));
    return proto::to_hex(proto::BytesView(digest).first(id_bytes));
}

WinfoDocument::WinfoDocument(const proto::PresentityUri& presentity, std::uint32_t version, Extent extent,
                             std::size_t most_bytes)
    : presentity_(presentity.canonical()), most_bytes_(most_bytes) {
    out_ = R"(<?xml version="1.0" encoding="UTF-8"?>)"
           "\n"
           R"(<watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo")";
    attribute("version", std::to_string(version));
    attribute("state", extent == Extent::full ? "full" : "partial");
    out_ += "><watcher-list";
    attribute("resource", presentity.sip());
    attribute("package", presence_event);
    out_ += '>';
}

bool WinfoDocument::add(proto::WallTime now, const WatcherStatus& watcher) {
    const auto before = out_.size();
    out_ += "<watcher";
    attribute("id", winfo_id(presentity_, watcher.watcher.canonical()));
    attribute("status", to_string(watcher.state));
    attribute("event", name_of(watcher.event));
    attribute("duration-subscribed", seconds_between(watcher.since, now));
    out_ += '>';
    append_escaped(out_, watcher.watcher.sip(), false);
    out_ += "</watcher>";
    const bool fits = empty_ || out_.size() + end_of_list.size() <= most_bytes_;
    if (!fits) out_.resize(before);
    empty_ = false;
    return fits;
}

std::string WinfoDocument::take() && {
    out_ += end_of_list;
    return std::move(out_);
}

void WinfoDocument::attribute(std::string_view name, std::string_view value) {
    ((out_ += ' ') += name) += "=\"";
    append_escaped(out_, value, true);
    out_ += '"';
}

}  // namespace presmesh::translators::sip
