// The streams of one attached server, and the one way stanzas leave through them: from one of the federation's users,
// to exactly one address.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/random.hpp"
#include "translators/translator.hpp"
#include "translators/xmpp/addresses.hpp"
#include "translators/xmpp/component.hpp"

namespace presmesh::translators::xmpp {

class Wire {
  public:
    /// Both must outlive the wire.
    Wire(const XmppSettings& settings, proto::Random& random);

    void set_host(Host& host) { host_ = &host; }
    const Addresses& addresses() const { return addresses_; }
    std::vector<std::unique_ptr<Component>>& components() { return components_; }
    const std::vector<std::unique_ptr<Component>>& components() const { return components_; }

    /// Can a stanza from this user leave now?
    bool up(const proto::PresentityUri& user) const;
    bool up(std::size_t component) const { return components_[component]->state() == ComponentState::up; }

    /// <presence/> from `user` (at `resource`, when not empty) to `to`. from and to of `stanza` are overwritten. False:
    /// nothing left, because the stream is not up (or just gave up); the resynchronization after the next ComponentUp
    /// makes it good.
    bool send(proto::Now now, const proto::PresentityUri& user, std::string_view resource, std::string_view to,
              Element stanza);
    /// <presence type=.../> without content.
    bool send(proto::Now now, const proto::PresentityUri& user, std::string_view to, std::string_view type);
    /// A stanza that is complete, through the component it belongs to.
    bool send_raw(proto::Now now, std::size_t component, const Element& stanza);

  private:
    const XmppSettings& settings_;
    Addresses addresses_;
    Host* host_ = nullptr;
    std::vector<std::unique_ptr<Component>> components_;
};

}  // namespace presmesh::translators::xmpp
