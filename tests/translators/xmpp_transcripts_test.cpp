// Conversations as text: tests/transcripts/xmpp_*.txt, one per rule. A line is one of
//   # ...                                comment
//   server sends STANZA                  what the attached server brings (on the stream that `to` belongs to)
//   component sends STANZA               the next stanza we send; all must be named, in order
//   NAME is STANZA [STANZA...]           the host's view of NAME is now the services these stanzas tell of
//   NAME is pending|unknown|stale|rejected|deactivated|noresource|nothing
//   WATCHER wants NAME | WATCHER leaves NAME
//   decided NAME WATCHER STATE [REASON]  the last decision told to the host
//   published NAME: SERVICE; SERVICE     resource show "note", or "closed"; "nothing" for none
//   counted NAME.LABEL N                 a counter stands at N
//   host asks                            watches begin pending (else: active at once)
//   wait 5s | restart | server goes [COMPONENT] | server comes [COMPONENT]
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;

namespace {

xm::Element parse(const std::string& xml) {
    xm::XmlStream stream;
    stream.feed("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>");
    for (auto& event : stream.feed(xml)) {
        if (auto* element = std::get_if<xm::Element>(&event)) return std::move(*element);
    }
    FAIL("not a stanza: " << xml);
    return {};
}

std::vector<std::string> split_stanzas(const std::string& text) {
    std::vector<std::string> out;
    std::size_t begin = 0;
    for (std::size_t at = text.find("<presence", 1);; at = text.find("<presence", at + 1)) {
        out.push_back(text.substr(begin, at - begin));
        if (at == std::string::npos) return out;
        begin = at;
    }
}

/// Written with attributes in order, so that equal stanzas are equal text.
std::string canonical(xm::Element stanza) {
    std::sort(stanza.attributes.begin(), stanza.attributes.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    return xm::to_wire(stanza);
}

std::string_view show_name(const proto::Service& service) {
    if (service.basic == proto::Basic::closed) return "closed";
    if (!service.show) return "available";
    switch (*service.show) {
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

std::string describe(const proto::DocumentPtr& document) {
    if (!document) return "nothing";
    std::string out;
    for (const auto presence = document->presence(); const auto& service : presence.services) {
        if (!out.empty()) out += "; ";
        if (!service.id.empty()) out += service.id + " ";
        out += show_name(service);
        for (const auto& note : service.notes) out += " \"" + note.text + "\"";
    }
    return out;
}

proto::DocumentPtr document_of(const std::string& stanzas) {
    proto::Presence presence;
    for (const auto& xml : split_stanzas(stanzas)) xm::apply(presence, xm::service_of(parse(xml)).value());
    return proto::Document::make(std::move(presence)).value();
}

class XmppPlayer {
  public:
    explicit XmppPlayer(const std::filesystem::path& file) : file_(file) { world_.connect(); }

    void play() {
        std::ifstream in(file_);
        std::string line;
        for (int number = 1; std::getline(in, line); ++number) {
            if (line.empty() || line[0] == '#') continue;
            INFO(file_.filename().string(), ":", number, ": ", line);
            if (!line.starts_with("component sends ") && !line.starts_with("wait")) check_all_named();
            act(line);
        }
        check_all_named();
    }

  private:
    void check_all_named() {
        for (const auto& stanza : world_.sent) FAIL_CHECK("not expected: " << xm::to_wire(stanza));
        world_.sent.clear();
    }

    static bool take(std::string& line, const std::string& prefix) {
        if (!line.starts_with(prefix)) return false;
        line.erase(0, prefix.size());
        return true;
    }

    void act(std::string line) {
        if (take(line, "server sends ")) return world_.feed(line);
        if (take(line, "component sends ")) return expect(line);
        if (take(line, "published ")) return check_published(line);
        if (take(line, "decided ")) return check_decided(line);
        if (take(line, "counted ")) return check_counted(line);
        if (take(line, "wait "))
            return world_.wait(std::chrono::milliseconds(static_cast<long>(std::stod(line) * 1000)));
        if (line == "host asks") return void(world_.host.allow_by_default = false);
        if (line == "restart") return restart();
        if (line == "server goes") return world_.drop();
        if (line == "server comes") return world_.connect();
        if (take(line, "server goes ")) return world_.drop(world_.stream_of(line));
        if (take(line, "server comes ")) return world_.connect(world_.stream_of(line));
        std::istringstream words(line);
        std::string subject, verb;
        words >> subject >> verb;
        std::string rest;
        std::getline(words >> std::ws, rest);
        if (verb == "wants") return world_.wanted(rest, subject);
        if (verb == "leaves") return world_.unwanted(rest, subject);
        if (verb == "is") return show(subject, rest);
        FAIL("a line nobody understands");
    }

    void expect(const std::string& xml) {
        REQUIRE_FALSE(world_.sent.empty());
        CHECK(canonical(world_.sent.front()) == canonical(parse(xml)));
        world_.sent.pop_front();
    }

    void restart() {
        world_.boot();
        world_.connect();
    }

    void show(const std::string& name, const std::string& what) {
        tr::View view{tr::WatchState::active, "", tr::Liveness::live, known_[name]};
        if (what == "pending")
            view = {};
        else if (what == "unknown")
            view.liveness = tr::Liveness::unknown;
        else if (what == "stale")
            view.liveness = tr::Liveness::stale;
        else if (what == "nothing")
            view.document = nullptr;
        else if (what == "rejected" || what == "deactivated" || what == "noresource")
            view = {tr::WatchState::terminated, what, {}, nullptr};
        else
            view.document = known_[name] = document_of(what);
        world_.show(name, view);
    }

    void check_published(const std::string& line) {
        const auto colon = line.find(": ");
        const auto found = world_.host.documents.find(XmppWorld::uri(line.substr(0, colon)));
        CHECK(describe(found == world_.host.documents.end() ? nullptr : found->second) == line.substr(colon + 2));
    }

    void check_decided(const std::string& line) {
        std::istringstream words(line);
        std::string presentity, watcher, state, reason;
        words >> presentity >> watcher >> state >> reason;
        const auto found = world_.host.decisions.find({presentity, watcher});
        if (state == "nothing") {
            CHECK(found == world_.host.decisions.end());
            return;
        }
        REQUIRE(found != world_.host.decisions.end());
        CHECK(proto::to_string(found->second.first) == state);
        CHECK(found->second.second == reason);
    }

    void check_counted(const std::string& line) {
        const auto space = line.rfind(' ');
        CHECK(world_.host.counters[line.substr(0, space)] == std::stoul(line.substr(space + 1)));
    }

    std::filesystem::path file_;
    XmppWorld world_;
    std::map<std::string, proto::DocumentPtr> known_;
};

}  // namespace

TEST_CASE("XMPP transcripts") {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(TESTS_DIR "/transcripts")) {
        if (entry.path().filename().string().starts_with("xmpp_")) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    REQUIRE(files.size() >= 8);
    for (const auto& file : files) {
        CAPTURE(file.filename().string());
        XmppPlayer(file).play();
    }
}
