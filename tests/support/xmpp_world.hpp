// An XmppTranslator on a FakeHost, with the attached server played by the test: every stanza the translator sends is
// read back by the same stream parser and waits in `sent`.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/presence.hpp"
#include "proto/random.hpp"
#include "tests/support/fake_host.hpp"
#include "translators/xmpp/presence.hpp"
#include "translators/xmpp/translator.hpp"
#include "translators/xmpp/xml_stream.hpp"

namespace presmesh::testing {

namespace xm = presmesh::translators::xmpp;

inline xm::XmppSettings xmpp_settings() {
    xm::XmppSettings settings;
    settings.domain = "x.example";
    settings.components = {{"a.example", "s3cret", false}, {"k.example", "s4cret", false}};
    return settings;
}

class XmppWorld {
  public:
    explicit XmppWorld(xm::XmppSettings settings = xmpp_settings()) : settings_(std::move(settings)) {
        host.domains = {settings_.domain};
        boot();
    }

    proto::Now now{proto::SteadyTime{std::chrono::seconds{1000}}, proto::wall_from_seconds(1'700'000'000)};
    FakeHost host;
    proto::SeededRandom random{7};
    std::unique_ptr<xm::XmppTranslator> translator;
    bool answers_pings = true;         ///< the server's, unless a test wants it silent
    std::deque<xm::Element> sent;      ///< stanzas from the component, oldest first
    std::vector<std::string> headers;  ///< what came beside stanzas: stream headers' `to`, handshakes, stream errors

    /// The translator is made anew, on what was saved.
    void boot() {
        host.forget_watches();
        translator = std::make_unique<xm::XmppTranslator>(settings_, random);
        readers_ = std::vector<xm::XmlStream>(settings_.components.size());
        sent.clear();
        translator->start(now, host);
        end_turn();
    }
    /// The server takes every connection and every handshake.
    void connect() {
        for (std::size_t i = 0; i < translator->streams(); ++i) connect(i);
    }
    void connect(std::size_t i) {
        while (!translator->wants_connection(i)) wait_for_timeout();
        readers_[i].reset();
        translator->connecting(now, i);
        translator->connected(now, i);
        end_turn();
        feed(i,
             "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' from='" +
                 settings_.components[i].name + "' id='id1'>");
        feed(i, "<handshake/>");
        wait(std::chrono::milliseconds{200});
    }
    void drop(std::string reason = "closed-by-server") {
        for (std::size_t i = 0; i < translator->streams(); ++i) translator->disconnected(now, i, reason);
        end_turn();
    }
    void drop(std::size_t i) {
        translator->disconnected(now, i, "closed-by-server");
        end_turn();
    }
    std::size_t stream_of(std::string_view component) const {
        std::size_t i = 0;
        while (settings_.components.at(i).name != component) ++i;
        return i;
    }
    /// Bytes from the server on stream `i`.
    void feed(std::size_t i, std::string_view bytes) {
        translator->handle_input(now, i, proto::as_bytes(bytes));
        end_turn();
    }
    /// A stanza from the server, on the stream that `to` belongs to.
    void feed(std::string_view stanza) {
        const auto to = stanza.find("k.example") != std::string_view::npos ? 1 : 0;
        feed(to, stanza);
    }
    void end_turn() {
        host.tell(now);
        for (std::size_t i = 0; i < translator->streams(); ++i) collect(i);
    }
    /// Time passes, every wake-up served on the way.
    void wait(proto::Duration duration) {
        const auto until = now.steady + duration;
        while (translator->next_timeout() <= until) wait_for_timeout();
        advance(until - now.steady);
    }

    static proto::PresentityUri uri(const std::string& jid) { return proto::PresentityUri::from_jid(jid).value(); }
    void wanted(const std::string& presentity, const std::string& watcher) {
        translator->wanted(now, uri(presentity), uri(watcher));
        end_turn();
    }
    void unwanted(const std::string& presentity, const std::string& watcher) {
        translator->unwanted(now, uri(presentity), uri(watcher));
        end_turn();
    }
    void show(const std::string& presentity, const tr::View& view) {
        host.show(now, uri(presentity), view);
        end_turn();
    }

  private:
    void advance(proto::Duration by) {
        now.steady += by;
        now.wall += by;
    }
    void wait_for_timeout() {
        const auto next = translator->next_timeout();
        if (next > now.steady) advance(next - now.steady);
        translator->handle_timeout(now);
        end_turn();
    }
    void collect(std::size_t i) {
        while (auto bytes = translator->poll_output(i)) {
            for (auto& event : readers_[i].feed(*bytes)) {
                if (auto* element = std::get_if<xm::Element>(&event)) take(i, std::move(*element));
                if (const auto* start = std::get_if<xm::StreamStart>(&event)) headers.emplace_back(start->get("to"));
            }
        }
        if (translator->wants_close(i)) translator->disconnected(now, i, "closed");
    }
    void take(std::size_t i, xm::Element element) {
        if (answers_pings && element.child("ping", xm::ns_ping)) {
            const std::string name(element.get("from"));
            const std::string id(element.get("id"));
            return feed(i, "<iq type='result' from='" + settings_.domain + "' to='" + name + "' id='" + id + "'/>");
        }
        const bool stanza = element.name == "presence" || element.name == "iq" || element.name == "message";
        if (stanza) return sent.push_back(std::move(element));
        headers.push_back(element.name + " " + element.text);
        for (const auto& child : element.children) headers.push_back(child.name);
    }

    xm::XmppSettings settings_;
    std::vector<xm::XmlStream> readers_;
};

}  // namespace presmesh::testing
