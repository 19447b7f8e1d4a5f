// The translators of the config, each with the shell that owns its sockets.
#pragma once

#include <utility>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "node/daemon/asio_runtime.hpp"
#include "node/daemon/config.hpp"
#include "node/daemon/log.hpp"
#include "node/daemon/node_report.hpp"
#include "node/node.hpp"
#include "translators/link_status.hpp"

namespace presmesh::daemon {

/// One translator and its shell.
class Shell {
  public:
    virtual ~Shell() = default;
    virtual translators::Translator& translator() = 0;
    /// Binds its sockets. Before the node starts.
    virtual proto::Result<void> start() = 0;
    /// In a turn, before what it saved is committed: what the translator tells of presence, and confirms nothing.
    virtual void tell() {}
    /// After every turn: all else that the translator wants sent goes out.
    virtual void flush() = 0;
    /// After the node's stop. May go on sending until idle().
    virtual void stop() = 0;
    virtual bool idle() const { return true; }
    /// To attached servers; as many as ever, each in its place.
    virtual std::span<const translators::LinkStatus> links() const = 0;
    /// Adds what it counts and how full its queues are.
    virtual void tell(Counters& counters, proto::Fills& fills) const = 0;
};

std::unique_ptr<Shell> make_sip_shell(const translators::sip::SipSettings& settings, boost::asio::io_context& io,
                                      AsioRuntime& runtime, proto::Random& random, Log& log);
std::unique_ptr<Shell> make_xmpp_shell(const translators::xmpp::XmppSettings& settings, boost::asio::io_context& io,
                                       AsioRuntime& runtime, proto::Random& random, Log& log);

}  // namespace presmesh::daemon
