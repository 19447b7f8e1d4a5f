#include "translators/xmpp/shell_component.hpp"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <boost/asio.hpp>

namespace presmesh::translators::xmpp {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// One word for people and for the label of a counter.
std::string word(const error_code& error) {
    if (error == asio::error::eof) return "closed-by-server";
    if (error == asio::error::connection_refused) return "connection-refused";
    if (error == asio::error::connection_reset || error == asio::error::broken_pipe) return "connection-reset";
    if (error == asio::error::host_not_found || error == asio::error::host_not_found_try_again) return "host-not-found";
    return "connection-failed";
}

}  // namespace

class XmppShell::Impl : public std::enable_shared_from_this<XmppShell::Impl> {
  public:
    Impl(asio::io_context& io, XmppTranslator& translator, RunTurn run_turn)
        : io_(io), translator_(translator), run_turn_(std::move(run_turn)) {
        for (std::size_t i = 0; i < translator.streams(); ++i) links_.push_back(std::make_unique<Link>(io));
    }

    void flush() {
        for (std::size_t i = 0; i < links_.size(); ++i) flush(i);
    }

    bool idle() const {
        for (const auto& link : links_) {
            if (link->phase != Phase::closed) return false;
        }
        return true;
    }

    void shut() {
        shut_ = true;
        for (auto& link : links_) close(*link);
    }

  private:
    enum class Phase { closed, connecting, connected };
    struct Link {
        explicit Link(asio::io_context& io) : socket(io), resolver(io) {}
        tcp::socket socket;
        tcp::resolver resolver;
        Phase phase = Phase::closed;
        bool ending = false;  ///< disconnected() is on its way to the translator
        bool writing = false;
        std::uint64_t attempt = 0;  ///< answers to an earlier attempt are nobody's
        std::string output;
        std::array<std::uint8_t, 16384> input{};
    };

    void flush(std::size_t i) {
        auto& link = *links_[i];
        if (shut_ || link.ending) return;
        if (link.phase == Phase::closed && translator_.wants_connection(i)) return connect(i);
        if (link.phase == Phase::connected && !link.writing) write(i);
        if (link.phase != Phase::closed && translator_.wants_close(i) && !link.writing) end(i, "closed");
    }

    /// A handler for attempt `attempt` of stream `i`, that does nothing when the attempt is over or the shell is gone.
    template <typename Handler>
    auto guarded(std::size_t i, Handler handler) {
        return [weak = weak_from_this(), i, attempt = links_[i]->attempt, handler](const error_code& error,
                                                                                   auto&&... rest) {
            auto self = weak.lock();
            if (!self || self->shut_ || self->links_[i]->attempt != attempt) return;
            handler(*self, error, std::forward<decltype(rest)>(rest)...);
        };
    }

    void connect(std::size_t i) {
        auto& link = *links_[i];
        link.phase = Phase::connecting;
        ++link.attempt;
        post_turn([this, i](proto::Now now) { translator_.connecting(now, i); });
        const auto& settings = translator_.settings();
        link.resolver.async_resolve(
            settings.host, std::to_string(settings.port),
            guarded(i, [i](Impl& self, const error_code& error, const tcp::resolver::results_type& found) {
                if (error) return self.end(i, word(error));
                self.connect_to(i, found);
            }));
    }

    void connect_to(std::size_t i, const tcp::resolver::results_type& found) {
        asio::async_connect(links_[i]->socket, found, guarded(i, [i](Impl& self, const error_code& error, const auto&) {
                                if (error) return self.end(i, word(error));
                                auto& link = *self.links_[i];
                                error_code ignored;
                                link.socket.set_option(tcp::no_delay(true), ignored);
                                link.phase = Phase::connected;
                                self.read(i);
                                self.run_turn_([&self, i](proto::Now now) { self.translator_.connected(now, i); });
                            }));
    }

    void read(std::size_t i) {
        auto& link = *links_[i];
        link.socket.async_read_some(asio::buffer(link.input),
                                    guarded(i, [i](Impl& self, const error_code& error, std::size_t size) {
                                        if (error) return self.end(i, word(error));
                                        self.received(i, size);
                                    }));
    }

    void received(std::size_t i, std::size_t size) {
        auto& link = *links_[i];
        const auto attempt = link.attempt;
        run_turn_([&](proto::Now now) { translator_.handle_input(now, i, proto::BytesView(link.input).first(size)); });
        if (shut_ || link.attempt != attempt || link.phase != Phase::connected) return;
        acknowledge_now(link.socket);
        read(i);
    }

    /// A server that lets the kernel gather what it writes (Prosody: Nagle) sends a second stanza only when the first
    /// is acknowledged, which the kernel here delays by 40 ms. The option holds for one read only, tcp(7).
    static void acknowledge_now(tcp::socket& socket) {
        const int on = 1;
        ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    }

    void write(std::size_t i) {
        auto& link = *links_[i];
        auto piece = translator_.poll_output(i);
        if (!piece) return;
        link.output = std::move(*piece);
        link.writing = true;
        asio::async_write(link.socket, asio::buffer(link.output),
                          guarded(i, [i](Impl& self, const error_code& error, std::size_t) {
                              self.links_[i]->writing = false;
                              if (error) return self.end(i, word(error));
                              self.flush(i);
                          }));
    }

    /// The connection is over, for a reason of the network's or because the translator wants it so.
    void end(std::size_t i, std::string reason) {
        auto& link = *links_[i];
        close(link);
        link.ending = true;
        post_turn([this, i, reason = std::move(reason)](proto::Now now) {
            links_[i]->ending = false;
            translator_.disconnected(now, i, reason);
        });
    }

    void close(Link& link) {
        ++link.attempt;
        link.phase = Phase::closed;
        link.writing = false;
        link.resolver.cancel();
        error_code ignored;
        link.socket.close(ignored);
    }

    void post_turn(std::function<void(proto::Now)> body) {
        asio::post(io_, [weak = weak_from_this(), body = std::move(body)] {
            auto self = weak.lock();
            if (self && !self->shut_) self->run_turn_(body);
        });
    }

    asio::io_context& io_;
    XmppTranslator& translator_;
    RunTurn run_turn_;
    std::vector<std::unique_ptr<Link>> links_;
    bool shut_ = false;
};

XmppShell::XmppShell(asio::io_context& io, XmppTranslator& translator, RunTurn run_turn)
    : impl_(std::make_shared<Impl>(io, translator, std::move(run_turn))) {}

XmppShell::~XmppShell() {
    impl_->shut();
}

void XmppShell::flush() {
    impl_->flush();
}

bool XmppShell::idle() const {
    return impl_->idle();
}

}  // namespace presmesh::translators::xmpp
