// Who is who on an attached server: the JIDs under which the federation's users appear there, and back. Native
// components keep names as they are; the gateway host packs "user@domain" into the local part (XEP-0106: "@" becomes
// "\40").
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "proto/uri.hpp"
#include "translators/xmpp/settings.hpp"

namespace presmesh::translators::xmpp {

/// The parts of a JID as written; nothing is checked or prepared (RFC 7622 section 3.1 for the cuts).
struct JidCuts {
    std::string_view local;
    std::string_view domain;
    std::string_view resource;
};
JidCuts cut_jid(std::string_view jid);

class Addresses {
  public:
    explicit Addresses(const XmppSettings& settings) : settings_(settings) {}

    struct Address {
        std::string jid;        ///< bare
        std::size_t component;  ///< index into XmppSettings::components
    };
    /// None: no component stands for the user's domain.
    std::optional<Address> of_user(const proto::PresentityUri& user) const;
    /// The federation's user behind a JID at component number `component`; none when it is not one (the bare host,
    /// another host, a name that cannot be read, or one of the attached server's own users come back through the
    /// gateway).
    std::optional<proto::PresentityUri> user_at(std::size_t component, std::string_view jid) const;
    /// A user of the attached server; none when the JID is not one.
    std::optional<proto::PresentityUri> contact(std::string_view jid) const;

  private:
    const XmppSettings& settings_;
};

}  // namespace presmesh::translators::xmpp
