// XmppTranslator and its shell against a real server, with a host that does what stdin says: the interop test of the
// component alone, without a node around it.
//
// usage: xmpp_harness SERVER_DOMAIN PORT SECRET COMPONENT...
// stdin:  show NAME STANZA | unknown NAME | reject NAME | want NAME WATCHER | leave NAME WATCHER | quit
// stdout: "up N", "down REASON", "published NAME: ...", "decided NAME WATCHER STATE REASON", "watched NAME WATCHER"
#include <chrono>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

#include <boost/asio.hpp>

#include "tests/support/fake_host.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/shell_component.hpp"
#include "translators/xmpp/xml_stream.hpp"

namespace asio = boost::asio;
using namespace presmesh;
namespace xm = translators::xmpp;

namespace {

proto::Now clocks() {
    const auto steady = std::chrono::steady_clock::now().time_since_epoch();
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {proto::SteadyTime{std::chrono::duration_cast<proto::Duration>(steady)},
            proto::WallTime{std::chrono::duration_cast<proto::Duration>(wall)}};
}

proto::PresentityUri uri(const std::string& jid) {
    return proto::PresentityUri::from_jid(jid).value();
}

xm::Element parse(const std::string& xml) {
    xm::XmlStream stream;
    stream.feed("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>");
    for (auto& event : stream.feed(xml))
        if (auto* element = std::get_if<xm::Element>(&event)) return std::move(*element);
    return {};
}

std::string describe(const proto::DocumentPtr& document) {
    if (!document) return "nothing";
    std::string out;
    for (const auto& service : document->presence.services) {
        out += (out.empty() ? "" : "; ") + service.id + (xm::is_available(service) ? " open" : " closed");
        if (service.show) out += " show=" + std::to_string(static_cast<int>(*service.show));
        if (service.priority) out += " priority=" + std::to_string(*service.priority);
        for (const auto& note : service.notes) out += " \"" + note.text + "\"";
    }
    return out;
}

class Harness {
  public:
    Harness(asio::io_context& io, xm::XmppSettings settings)
        : io_(io),
          timer_(io),
          input_(io, ::dup(0)),
          translator_(std::move(settings), random_),
          shell_(io, translator_, [this](const auto& body) { turn(body); }) {
        host_.domains = {translator_.settings().domain};
        turn([this](proto::Now now) { translator_.start(now, host_); });
        read();
    }

  private:
    void turn(const std::function<void(proto::Now)>& body) {
        const auto now = clocks();
        body(now);
        host_.tell(now);
        report();
        shell_.flush();
        timer_.expires_after(std::max(translator_.next_timeout() - clocks().steady, proto::Duration{0}));
        timer_.async_wait([this](const auto& error) {
            if (!error) turn([this](proto::Now at) { translator_.handle_timeout(at); });
        });
    }

    void report() {
        for (std::size_t i = 0; i < translator_.streams(); ++i)
            tell("stream " + translator_.stream(i).name(), std::string(xm::to_string(translator_.stream(i).state())));
        for (const auto& [name, document] : host_.documents)
            if (name.domain() == translator_.settings().domain)
                tell("published " + name.canonical(), describe(document));
        for (const auto& [who, what] : host_.decisions)
            tell("decided " + who.first + " " + who.second,
                 std::string(translators::to_string(what.first)) + " " + what.second);
        for (const auto& [id, watch] : host_.watches)
            tell("watched " + watch.presentity.canonical() + " " + watch.watcher.canonical(), "yes");
    }
    void tell(const std::string& key, const std::string& value) {
        if (std::exchange(told_[key], value) != value) std::cout << key << ": " << value << std::endl;
    }

    void read() {
        asio::async_read_until(input_, asio::dynamic_buffer(text_), '\n', [this](const auto& error, std::size_t size) {
            if (error) return io_.stop();
            const auto line = text_.substr(0, size - 1);
            text_.erase(0, size);
            turn([&](proto::Now now) { obey(now, line); });
            read();
        });
    }

    void obey(proto::Now now, const std::string& line) {
        std::istringstream words(line);
        std::string verb, name, rest;
        words >> verb >> name;
        std::getline(words >> std::ws, rest);
        if (verb == "show") {
            proto::Presence presence;
            xm::apply(presence, xm::service_of(parse(rest)).value());
            host_.show(now, uri(name), proto::Document::make(std::move(presence)).value());
        }
        if (verb == "unknown") host_.show(now, uri(name), proto::DocumentPtr());
        if (verb == "reject")
            host_.show(now, uri(name), {translators::WatchState::terminated, "rejected", {}, nullptr});
        if (verb == "want") translator_.wanted(now, uri(name), uri(rest));
        if (verb == "leave") translator_.unwanted(now, uri(name), uri(rest));
        if (verb == "quit") {
            translator_.stop(now);
            asio::post(io_, [this] { wait_idle(); });
        }
    }
    void wait_idle() {
        if (shell_.idle()) return io_.stop();
        asio::post(io_, [this] { wait_idle(); });
    }

    asio::io_context& io_;
    asio::steady_timer timer_;
    asio::posix::stream_descriptor input_;
    proto::SeededRandom random_{static_cast<std::uint64_t>(::getpid())};
    test::FakeHost host_;
    xm::XmppTranslator translator_;
    xm::XmppShell shell_;
    std::string text_;
    std::map<std::string, std::string> told_;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) return 2;
    xm::XmppSettings settings;
    settings.domain = argv[1];
    settings.port = static_cast<std::uint16_t>(std::stoi(argv[2]));
    for (int i = 4; i < argc; ++i)
        settings.components.push_back({argv[i], argv[3], std::string(argv[i]).starts_with("gateway.")});
    asio::io_context io;
    Harness harness(io, settings);
    io.run();
}
