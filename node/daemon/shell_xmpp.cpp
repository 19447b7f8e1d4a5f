#include <boost/asio/io_context.hpp>

#include "node/daemon/shells.hpp"
#include "proto/limits.hpp"
#include "translators/xmpp/shell_component.hpp"

namespace presmesh::daemon {

namespace xmpp = translators::xmpp;

namespace {

class ComponentShell final : public Shell {
  public:
    ComponentShell(const xmpp::XmppSettings& settings, boost::asio::io_context& io, AsioRuntime& runtime,
                   proto::Random& random)
        : translator_(settings, random),
          sockets_(io, translator_,
                   [&runtime](const std::function<void(proto::Now)>& body) { runtime.run_turn(body); }) {}

    translators::Translator& translator() override { return translator_; }
    proto::Result<void> start() override { return {}; }
    void flush() override { sockets_.flush(); }
    void stop() override {}
    bool idle() const override { return sockets_.idle(); }
    std::span<const translators::LinkStatus> links() const override { return translator_.links(); }
    void tell(Counters&, proto::Fills& fills) const override {
        const auto name = std::string(translator_.name());
        fills.push_back({name + ".subscriptions", translator_.subscriptions(), proto::limits::xmpp_pairs});
        for (std::size_t stream = 0; stream < translator_.streams(); ++stream)
            fills.push_back({name + ".output." + std::to_string(stream), translator_.queued_bytes(stream),
                             proto::limits::xmpp_output_bytes});
    }

  private:
    xmpp::XmppTranslator translator_;
    xmpp::XmppShell sockets_;
};

}  // namespace

std::unique_ptr<Shell> make_xmpp_shell(const xmpp::XmppSettings& settings, boost::asio::io_context& io,
                                       AsioRuntime& runtime, proto::Random& random, Log&) {
    return std::make_unique<ComponentShell>(settings, io, runtime, random);
}

}  // namespace presmesh::daemon
