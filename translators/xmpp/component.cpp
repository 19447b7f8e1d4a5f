#include "translators/xmpp/component.hpp"

#include <array>
#include <utility>

#include <nettle/sha1.h>

#include "proto/bytes.hpp"
#include "proto/limits.hpp"
#include "proto/uri.hpp"

namespace presmesh::translators::xmpp {

namespace {

std::string stream_error(std::string_view condition) {
    return "<stream:error><" + std::string(condition) + " xmlns='" + std::string(ns_stream_errors) +
           "'/></stream:error>";
}

/// RFC 6120 section 4.9.3.
std::string_view stream_condition(proto::Reason reason) {
    switch (reason) {
        case proto::Reason::too_large:
            return "policy-violation";
        case proto::Reason::forbidden_xml:
            return "restricted-xml";
        case proto::Reason::wrong_namespace:
            return "invalid-namespace";
        default:
            return "not-well-formed";
    }
}

}  // namespace

std::string_view to_string(ComponentState state) {
    switch (state) {
        case ComponentState::waiting:
            return "waiting";
        case ComponentState::connecting:
            return "connecting";
        case ComponentState::opening:
            return "opening";
        case ComponentState::authenticating:
            return "authenticating";
        case ComponentState::up:
            return "up";
        case ComponentState::stopped:
            return "stopped";
    }
    return "unknown";
}

std::string component_handshake(std::string_view stream_id, std::string_view secret) {
    sha1_ctx context;
    sha1_init(&context);
    for (auto part : {proto::as_bytes(stream_id), proto::as_bytes(secret)})
        sha1_update(&context, part.size(), part.data());
    std::array<std::uint8_t, SHA1_DIGEST_SIZE> digest{};
    sha1_digest(&context, digest.size(), digest.data());
    return proto::to_hex(digest);
}

Component::Component(ComponentSettings component, const XmppSettings& settings, proto::Random& random)
    : component_(std::move(component)), settings_(settings), random_(random) {}

Component::~Component() = default;

void Component::start(proto::Now now) {
    if (state_ != ComponentState::stopped) return;
    state_ = ComponentState::waiting;
    deadline_ = now.steady;
    handle_timeout(now);
}

void Component::stop(proto::Now) {
    wants_connection_ = false;
    deadline_ = proto::never;
    if (state_ == ComponentState::opening || state_ == ComponentState::authenticating || state_ == ComponentState::up) {
        write("</stream:stream>");
    }
    if (state_ != ComponentState::waiting && state_ != ComponentState::stopped) {
        wants_close_ = true;
        reason_ = "stopped";
    }
    state_ = ComponentState::stopped;
}

void Component::connecting(proto::Now now) {
    wants_connection_ = false;
    state_ = ComponentState::connecting;
    deadline_ = now.steady + settings_.connect_timeout;
}

void Component::connected(proto::Now now) {
    if (state_ != ComponentState::connecting) return;
    state_ = ComponentState::opening;
    deadline_ = now.steady + settings_.handshake_timeout;
    stream_ = std::make_unique<XmlStream>();
    write("<?xml version='1.0'?><stream:stream xmlns='" + std::string(ns_component) + "' xmlns:stream='" +
          std::string(ns_streams) + "' to='" + proto::unicode_domain(component_.name) + "'>");
}

void Component::disconnected(proto::Now now, std::string_view reason) {
    const bool was_up = state_ == ComponentState::up || (wants_close_ && up_since_ != proto::SteadyTime{});
    events_.push_back(ComponentDown{reason_.empty() ? std::string(reason) : reason_, was_up});
    // A stream that was up for a while owes nothing to the failures before it.
    if (was_up && now.steady - up_since_ >= settings_.handshake_timeout) failures_ = 0;
    reason_.clear();
    output_.clear();
    written_ = 0;
    stream_.reset();
    wants_close_ = wants_connection_ = ping_out_ = false;
    up_since_ = {};
    if (state_ != ComponentState::stopped) plan_retry(now);
}

void Component::plan_retry(proto::Now now) {
    proto::Duration wait = settings_.reconnect_min;
    for (std::uint32_t i = 0; i < failures_ && wait < settings_.reconnect_max; ++i) wait *= 2;
    wait = std::min<proto::Duration>(wait, settings_.reconnect_max);
    ++failures_;
    state_ = ComponentState::waiting;
    deadline_ = now.steady + random_.jitter(wait, 0.25);
}

std::optional<std::string> Component::poll_output() {
    if (output_.empty()) return std::nullopt;
    if (output_.size() - written_ <= proto::limits::xmpp_write_bytes) {
        auto rest = written_ == 0 ? std::move(output_) : output_.substr(written_);
        output_.clear();
        written_ = 0;
        return rest;
    }
    auto piece = output_.substr(written_, proto::limits::xmpp_write_bytes);
    written_ += piece.size();
    if (written_ > output_.size() / 2) {
        output_.erase(0, written_);
        written_ = 0;
    }
    return piece;
}

void Component::handle_input(proto::Now now, proto::BytesView bytes) {
    if (!stream_ || wants_close_) return;
    heard_ = now.steady;
    if (state_ == ComponentState::up) {
        ping_out_ = false;
        deadline_ = now.steady + settings_.ping_every;
    }
    for (auto& event : stream_->feed(bytes)) {
        if (wants_close_) break;
        handle_event(now, std::move(event));
    }
}

void Component::handle_event(proto::Now now, StreamEvent event) {
    if (const auto* header = std::get_if<StreamStart>(&event)) {
        handle_header(now, *header);
    } else if (auto* element = std::get_if<Element>(&event)) {
        handle_element(now, std::move(*element));
    } else if (auto* oversize = std::get_if<OversizeStanza>(&event)) {
        handle_oversize(now, std::move(*oversize));
    } else if (const auto* error = std::get_if<proto::Error>(&event)) {
        give_up(now, std::string(proto::to_string(error->reason)), stream_condition(error->reason));
    } else {
        give_up(now, "closed-by-server");
    }
}

void Component::handle_header(proto::Now now, const StreamStart& header) {
    if (state_ != ComponentState::opening) return give_up(now, "malformed", "not-well-formed");
    const auto id = header.get("id");
    if (id.empty()) return give_up(now, "malformed", "invalid-xml");
    state_ = ComponentState::authenticating;
    write("<handshake>" + component_handshake(id, component_.secret) + "</handshake>");
}

void Component::handle_element(proto::Now now, Element element) {
    if (element.name == "error" && element.ns == ns_streams) return handle_stream_error(now, element);
    if (state_ == ComponentState::up) {
        events_.emplace_back(std::move(element));
    } else if (state_ == ComponentState::authenticating && element.name == "handshake") {
        came_up(now);
    } else {
        give_up(now, "malformed", "not-authorized");
    }
}

void Component::handle_oversize(proto::Now now, OversizeStanza stanza) {
    const bool is_stanza = state_ == ComponentState::up && stanza.head.ns != ns_streams;
    if (!is_stanza) return give_up(now, std::string(proto::to_string(proto::Reason::too_large)), "policy-violation");
    events_.emplace_back(std::move(stanza));
}

void Component::handle_stream_error(proto::Now now, const Element& error) {
    std::string condition = "undefined-condition";
    for (const auto& child : error.children) {
        if (child.ns == ns_stream_errors && child.name != "text") {
            condition = child.name;
            break;
        }
    }
    give_up(now, std::move(condition));
}

void Component::came_up(proto::Now now) {
    state_ = ComponentState::up;
    up_since_ = now.steady;
    deadline_ = now.steady + settings_.ping_every;
    events_.emplace_back(ComponentUp{});
}

void Component::give_up(proto::Now, std::string reason, std::string_view condition) {
    if (!condition.empty()) write(stream_error(condition));
    write("</stream:stream>");
    wants_close_ = true;
    reason_ = std::move(reason);
    deadline_ = proto::never;
}

void Component::handle_timeout(proto::Now now) {
    if (now.steady < deadline_) return;
    switch (state_) {
        case ComponentState::waiting:
            wants_connection_ = true;
            deadline_ = proto::never;
            break;
        case ComponentState::connecting:
            wants_close_ = true;
            reason_ = "connect-timeout";
            deadline_ = proto::never;
            break;
        case ComponentState::opening:
        case ComponentState::authenticating:
            give_up(now, "handshake-timeout", "connection-timeout");
            break;
        case ComponentState::up:
            check_silence(now);
            break;
        case ComponentState::stopped:
            break;
    }
}

void Component::check_silence(proto::Now now) {
    if (ping_out_) return give_up(now, "ping-timeout", "connection-timeout");
    ping_out_ = true;
    deadline_ = now.steady + settings_.ping_timeout;
    write("<iq type='get' from='" + proto::unicode_domain(component_.name) + "' to='" +
          proto::unicode_domain(settings_.domain) + "' id='ping-" + std::to_string(++pings_) +
          "'><ping xmlns='urn:xmpp:ping'/></iq>");
}

proto::SteadyTime Component::next_timeout() const {
    return deadline_;
}

std::optional<ComponentEvent> Component::poll_event() {
    if (events_.empty()) return std::nullopt;
    auto event = std::move(events_.front());
    events_.pop_front();
    return event;
}

bool Component::send(proto::Now now, std::string_view xml) {
    if (state_ != ComponentState::up || wants_close_) return false;
    if (queued_bytes() + xml.size() > proto::limits::xmpp_output_bytes) {
        output_.clear();
        written_ = 0;
        give_up(now, "output-overflow");
        return false;
    }
    write(xml);
    return true;
}

}  // namespace presmesh::translators::xmpp
