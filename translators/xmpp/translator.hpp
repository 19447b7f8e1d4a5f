// The translator of one attached XMPP server: its streams, who may say what through them, and the two directions of
// presence. No socket and no clock: shell_component.hpp drives it under Asio, tests drive it with bytes and times.
//
// The shell's contract, for each stream `i` of streams(), after every call that takes `now`:
//   wants_connection(i): call connecting(), connect to settings().host:port, then connected() or disconnected()
//   poll_output(i):      write it; the next piece only when it is written
//   wants_close(i):      when all is written, close and call disconnected()
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/random.hpp"
#include "translators/link_status.hpp"
#include "translators/translator.hpp"
#include "translators/xmpp/incoming.hpp"
#include "translators/xmpp/outgoing.hpp"
#include "translators/xmpp/services.hpp"
#include "translators/xmpp/settings.hpp"
#include "translators/xmpp/subscriptions.hpp"
#include "translators/xmpp/wire.hpp"

namespace presmesh::translators::xmpp {

class XmppTranslator final : public Translator {
  public:
    /// `settings` are checked (names canonical and different); `random` must outlive the translator.
    XmppTranslator(XmppSettings settings, proto::Random& random);
    ~XmppTranslator() override;
    XmppTranslator(const XmppTranslator&) = delete;
    XmppTranslator& operator=(const XmppTranslator&) = delete;

    const XmppSettings& settings() const { return settings_; }

    // ---- the shell's
    std::size_t streams() const { return wire_.components().size(); }
    const Component& stream(std::size_t i) const { return *wire_.components()[i]; }
    bool wants_connection(std::size_t i) const { return stream(i).wants_connection(); }
    bool wants_close(std::size_t i) const { return stream(i).wants_close(); }
    void connecting(proto::Now now, std::size_t i);
    void connected(proto::Now now, std::size_t i);
    void disconnected(proto::Now now, std::size_t i, std::string_view reason);
    void handle_input(proto::Now now, std::size_t i, proto::BytesView bytes);
    std::optional<std::string> poll_output(std::size_t i);

    // ---- Translator
    std::string_view name() const override { return name_; }
    void start(proto::Now now, Host& host) override;
    void stop(proto::Now now) override;
    void view_changed(proto::Now now, WatchId watch, const View& view) override;
    bool attends(const proto::PresentityUri& presentity) const override;
    void wanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override;
    void unwanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override;
    void handle_timeout(proto::Now now) override;
    proto::SteadyTime next_timeout() const override;

    // ---- for status
    std::size_t subscriptions() const { return subscriptions_.size(); }
    /// Users of the server of whom something is kept beside that.
    std::size_t contacts() const { return incoming_.contacts(); }
    /// That the server has not read from this stream.
    std::size_t queued_bytes(std::size_t stream) const;
    /// One for each stream, in their order.
    std::span<const LinkStatus> links() const { return link_status_; }

  private:
    struct Link {
        std::set<Pair> to_resync;
        proto::SteadyTime hold_until = proto::never;  ///< away since a while before; then its state is forgotten
        bool doubted = false;  ///< the server may not know that the stream before ended, and send it a share yet
        std::vector<proto::SteadyTime> again;  ///< when everything is exchanged anew for that, the last first
    };

    void drain(proto::Now now, std::size_t i);
    void came_up(proto::Now now, std::size_t i);
    void went_down(proto::Now now, std::size_t i, const ComponentDown& down);
    void handle_stanza(proto::Now now, std::size_t i, const Element& stanza);
    void handle_oversize(proto::Now now, std::size_t i, const Element& head);
    void handle_presence(proto::Now now, std::size_t i, const Element& stanza);
    void dispatch(proto::Now now, std::size_t i, const Pair& pair, const Element& stanza);
    bool permitted(proto::Now now, std::size_t i, const Element& stanza);
    Target target_of(std::size_t i, const Element& stanza) const;
    std::set<Pair> pairs_of(std::size_t i) const;
    void resync_all(proto::Now now, std::size_t i);
    void resync_some(proto::Now now);

    XmppSettings settings_;
    std::string name_;
    Wire wire_;
    Subscriptions subscriptions_;
    Outgoing outgoing_;
    Incoming incoming_;
    Host* host_ = nullptr;
    std::vector<Link> links_;
    std::vector<LinkStatus> link_status_;
    proto::SteadyTime resync_at_ = proto::never;
    proto::SteadyTime sweep_at_ = proto::never;
};

}  // namespace presmesh::translators::xmpp
