// The SIP translator: publications, notifier and watcher behind the one door of translators/translator.hpp, with the
// five verbs towards the shell that owns the sockets.
//
// serve: PUBLISH and SUBSCRIBE of the node's own users. attach: SUBSCRIBEs that the existing server routes here for the
// federation's users, and our own SUBSCRIBEs to that server for its users.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "proto/random.hpp"
#include "translators/sip/digest.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/notifier.hpp"
#include "translators/sip/outbox.hpp"
#include "translators/sip/settings.hpp"
#include "translators/sip/watcher.hpp"
#include "translators/translator.hpp"

namespace presmesh::translators::sip {

class SipTranslator final : public Translator {
  public:
    SipTranslator(SipSettings settings, proto::Random& random);
    SipTranslator(const SipTranslator&) = delete;
    SipTranslator& operator=(const SipTranslator&) = delete;

    // ---- towards the shell
    /// A request, or the answer to one of ours. Every request is answered, in the same turn.
    void handle_input(proto::Now now, const Incoming& message);
    /// What is to be sent, in order, until none. A request's answer comes back to handle_input under its transaction.
    std::optional<Outgoing> poll_output() { return outbox_.poll(); }
    /// Of that, what confirms nothing and rests on nothing that this turn saved: it may leave before the turn is
    /// committed, if that holds for the turn (Node::settle).
    std::optional<Outgoing> poll_news() { return outbox_.poll_news(); }

    // ---- Translator
    std::string_view name() const override { return settings_.name; }
    void start(proto::Now now, Host& host) override;
    void stop(proto::Now now) override;
    void view_changed(proto::Now now, WatchId watch, const View& view) override;
    void watchers_changed(proto::Now now, const proto::PresentityUri& presentity,
                          const std::vector<WatcherChange>& changes) override;
    bool attends(const proto::PresentityUri& presentity) const override;
    void wanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override;
    void unwanted(proto::Now now, const proto::PresentityUri& presentity, const proto::PresentityUri& watcher) override;
    void handle_timeout(proto::Now now) override;
    proto::SteadyTime next_timeout() const override;

    const SipSettings& settings() const { return settings_; }
    std::size_t subscriptions() const { return notifier_.size(); }
    std::size_t winfo_subscriptions() const { return notifier_.winfo_size(); }
    std::size_t followed() const { return watcher_.size(); }
    /// With mode attach the one to its server.
    std::span<const LinkStatus> links() const { return {&watcher_.link(), settings_.mode == Mode::attach ? 1u : 0u}; }
    std::size_t nonces() const { return digest_.nonces(); }

  private:
    void handle_request(proto::Now now, const Request& request);
    void handle_response(proto::Now now, const Response& response);
    /// None when the sender is who From says, or nobody asks for proof; else the refusal.
    std::optional<Response> challenge(proto::Now now, const Request& request);
    std::optional<Response> refuse_stranger(const Request& request);
    void publish(proto::Now now, const Request& request);

    const SipSettings settings_;
    Outbox outbox_;
    DigestServer digest_;
    Notifier notifier_;
    Watcher watcher_;
    Host* host_ = nullptr;
};

}  // namespace presmesh::translators::sip
