// The whole path in virtual time: a.example serves SIP itself, x.example has an XMPP server attached. The test plays
// the SIP user agent of Alice and the XMPP server of Xena; both nodes, both translators and everything between is real.
#pragma once

#include <deque>
#include <string>
#include <variant>

#include "tests/support/node_world.hpp"
#include "translators/sip/pidf.hpp"
#include "translators/sip/translator.hpp"
#include "translators/xmpp/translator.hpp"
#include "translators/xmpp/xml_stream.hpp"

namespace presmesh::testing {

class PathWorld {
  public:
    static constexpr proto::Duration latency = std::chrono::milliseconds{50};

    PathWorld() {
        a.service.default_handling = node::Handling::allow;
        a.translators = {&sip};
        x.translators = {&xmpp};
        a.after_turn = [this](proto::Now now) { take_sip(now); };
        x.after_turn = [this](proto::Now now) { take_xmpp(now); };
        world.start_all();
        connect_server();
        world.run_for(std::chrono::seconds{2});
        stanzas.clear();
    }

    // ---- Alice's user agent
    translators::sip::Response ask(translators::sip::Request request) {
        request.transaction = ++transaction_;
        responses.clear();
        world.turn(a, [&](proto::Now now) { sip.handle_input(now, request); });
        PRESMESH_ASSERT(!responses.empty());
        return responses.front();
    }
    translators::sip::Request request(translators::sip::Method method, const std::string& to) {
        translators::sip::Request out;
        out.method = method;
        out.uri = to;
        out.to.uri = to;
        out.from = {"sip:alice@a.example", "tag" + std::to_string(transaction_)};
        out.call_id = "call" + std::to_string(transaction_);
        out.cseq = ++cseq_;
        out.event = "presence";
        out.expires = 3600;
        out.contact = "sip:alice@192.0.2.1:5062";
        return out;
    }
    translators::sip::Response publish(const std::string& pidf, const std::string& etag = {}) {
        auto out = request(translators::sip::Method::publish, "sip:alice@a.example");
        out.if_match = etag;
        out.content_type = translators::sip::pidf_type;
        out.body = std::make_shared<const std::string>(pidf);
        return ask(out);
    }

    // ---- Xena's server
    void server_sends(const std::string& xml) {
        world.turn(x, [&](proto::Now now) { xmpp.handle_input(now, 0, proto::as_bytes(xml)); });
    }
    /// Nothing happens, but that the server keeps its stream alive.
    void rest(proto::Duration duration) {
        const auto until = world.now().steady + duration;
        while (world.now().steady < until) {
            world.run_for(std::min<proto::Duration>(std::chrono::seconds{30}, until - world.now().steady));
            server_sends(" ");
        }
    }

    NodeWorld world{{"a.example", "x.example"}, latency};
    NodeWorld::Provider& a = world["a.example"];
    NodeWorld::Provider& x = world["x.example"];
    proto::SeededRandom random{5};
    translators::sip::SipTranslator sip{sip_settings(), random};
    translators::xmpp::XmppTranslator xmpp{xmpp_settings(), random};
    std::deque<translators::sip::Response> responses;
    std::deque<translators::sip::Request> notifies;  ///< each is answered 200 at once
    std::deque<translators::xmpp::Element> stanzas;  ///< what Xena's server was sent

  private:
    static translators::sip::SipSettings sip_settings() {
        translators::sip::SipSettings settings;
        settings.name = "sip.serve";
        settings.domains = {"a.example"};
        return settings;
    }
    static translators::xmpp::XmppSettings xmpp_settings() {
        translators::xmpp::XmppSettings settings;
        settings.domain = "x.example";
        settings.components = {{"a.example", "s3cret", false}};
        return settings;
    }

    void connect_server() {
        PRESMESH_ASSERT(world.run_until([&] { return xmpp.wants_connection(0); }, std::chrono::seconds{5}));
        world.turn(x, [&](proto::Now now) {
            xmpp.connecting(now, 0);
            xmpp.connected(now, 0);
        });
        server_sends(
            "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
            "xmlns:stream='http://etherx.jabber.org/streams' from='a.example' id='id1'>");
        server_sends("<handshake/>");
    }
    void take_sip(proto::Now now) {
        bool answered = false;
        while (auto out = sip.poll_output()) {
            if (auto* response = std::get_if<translators::sip::Response>(&*out)) {
                responses.push_back(std::move(*response));
                continue;
            }
            auto& notify = std::get<translators::sip::Request>(*out);
            translators::sip::Response ok;
            ok.transaction = notify.transaction;
            ok.status = 200;
            sip.handle_input(now, ok);
            answered = true;
            notifies.push_back(std::move(notify));
        }
        if (answered) a.node->end_turn(now);
    }
    void take_xmpp(proto::Now) {
        while (auto bytes = xmpp.poll_output(0))
            for (auto& event : reader_.feed(*bytes))
                if (auto* element = std::get_if<translators::xmpp::Element>(&event);
                    element && element->name == "presence")
                    stanzas.push_back(std::move(*element));
    }

    translators::xmpp::XmlStream reader_;
    translators::sip::TransactionId transaction_ = 0;
    std::uint32_t cseq_ = 0;
};

}  // namespace presmesh::testing
