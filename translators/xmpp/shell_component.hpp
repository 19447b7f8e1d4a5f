// The sockets of one attached XMPP server, under Asio: connects, reads and writes as XmppTranslator says, decides
// nothing. One thread: everything runs on the io_context that is handed in.
#pragma once

#include <functional>
#include <memory>

#include "proto/time.hpp"
#include "translators/xmpp/translator.hpp"

namespace boost::asio {
class io_context;
}

namespace presmesh::translators::xmpp {

class XmppShell {
  public:
    /// Runs `body` as one turn of the node: with the turn's Now, and all that ends a turn after it (which calls
    /// flush()).
    using RunTurn = std::function<void(const std::function<void(proto::Now)>& body)>;

    /// `io` and `translator` must outlive the shell. Nothing happens before the first flush().
    XmppShell(boost::asio::io_context& io, XmppTranslator& translator, RunTurn run_turn);
    /// Closes every socket at once; no turn is run any more.
    ~XmppShell();
    XmppShell(const XmppShell&) = delete;
    XmppShell& operator=(const XmppShell&) = delete;

    /// After every turn: opens and closes connections that the translator wants so, and writes its output. Never runs a
    /// turn from inside; what needs one is posted.
    void flush();
    /// After XmppTranslator::stop: true when the last bytes are written and every socket is closed.
    bool idle() const;

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace presmesh::translators::xmpp
