// One XEP-0114 stream to the attached server, as a state machine: bytes and times in, bytes and stanzas out. It decides
// when to connect, when to give up and how long to wait; the shell only owns the socket.
//
//   waiting -> (wants_connection) connecting -> opening -> authenticating -> up
//      ^------------------ disconnected(), after a wait that doubles ----------|
//
// The shell's part: when wants_connection(), call connecting() and connect; then connected() or disconnected(); write
// what poll_output() gives, one piece at a time; after that, when wants_close(), close the socket and call
// disconnected().
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "translators/xmpp/settings.hpp"
#include "translators/xmpp/stanza.hpp"
#include "translators/xmpp/xml_stream.hpp"

namespace presmesh::translators::xmpp {

enum class ComponentState : std::uint8_t { waiting, connecting, opening, authenticating, up, stopped };
std::string_view to_string(ComponentState state);

/// The server took the handshake: stanzas flow.
struct ComponentUp {};
/// The stream ended, or could not be had. `reason` is one word: a stream error condition of RFC 6120 section 4.9.3 as
/// the server sent it ("not-authorized", "host-unknown", "conflict"...), or "connect-timeout", "handshake-timeout",
/// "ping-timeout", "output-overflow", "malformed", "closed-by-server", "stopped", or the shell's word.
struct ComponentDown {
    std::string reason;
    bool was_up = false;
};
using ComponentEvent = std::variant<ComponentUp, ComponentDown, Element, OversizeStanza>;

/// XEP-0114 section 3: lower-case hexadecimal SHA-1 of stream id and secret.
std::string component_handshake(std::string_view stream_id, std::string_view secret);

class Component {
  public:
    /// `random` must outlive the component.
    Component(ComponentSettings component, const XmppSettings& settings, proto::Random& random);
    ~Component();

    /// From now on a connection is wanted.
    void start(proto::Now now);
    /// Ends the stream politely; nothing is wanted any more.
    void stop(proto::Now now);

    // ---- the shell's
    bool wants_connection() const { return wants_connection_; }
    void connecting(proto::Now now);
    void connected(proto::Now now);
    /// The connection failed, or ended; `reason` is one word for people.
    void disconnected(proto::Now now, std::string_view reason);
    bool wants_close() const { return wants_close_; }
    /// The next piece to write, at most limits::xmpp_write_bytes. Not again before it is written.
    std::optional<std::string> poll_output();

    // ---- the verbs
    void handle_input(proto::Now now, proto::BytesView bytes);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    std::optional<ComponentEvent> poll_event();

    /// Queues a stanza. False when the stream is not up, or when the server has not read limits::xmpp_output_bytes:
    /// then the stream is given up, because a stanza left out would be a change lost.
    bool send(proto::Now now, std::string_view xml);

    ComponentState state() const { return state_; }
    const std::string& name() const { return component_.name; }
    std::size_t queued_bytes() const { return output_.size() - written_; }

  private:
    void handle_event(proto::Now now, StreamEvent event);
    void handle_header(proto::Now now, const StreamStart& header);
    void handle_element(proto::Now now, Element element);
    void handle_oversize(proto::Now now, OversizeStanza stanza);
    void handle_stream_error(proto::Now now, const Element& error);
    void came_up(proto::Now now);
    void give_up(proto::Now now, std::string reason, std::string_view stream_error = {});
    void check_silence(proto::Now now);
    void plan_retry(proto::Now now);
    void write(std::string_view text) { output_ += text; }

    ComponentSettings component_;
    XmppSettings settings_;
    proto::Random& random_;
    ComponentState state_ = ComponentState::stopped;
    bool wants_connection_ = false;
    bool wants_close_ = false;
    std::string reason_;  ///< why we close, when it is we who do
    std::uint32_t failures_ = 0;
    std::uint64_t pings_ = 0;
    bool ping_out_ = false;
    proto::SteadyTime deadline_ = proto::never;  ///< of the state: retry, connect, handshake, silence, answer to a ping
    proto::SteadyTime heard_{};
    proto::SteadyTime up_since_{};
    std::unique_ptr<XmlStream> stream_;
    std::string output_;
    std::size_t written_ = 0;  ///< of output_, already handed out
    std::deque<ComponentEvent> events_;
};

}  // namespace presmesh::translators::xmpp
