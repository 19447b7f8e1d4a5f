#include "node/daemon/shells.hpp"
#include "proto/limits.hpp"
#include "translators/sip/shell_endpoint.hpp"
#include "translators/sip/translator.hpp"

namespace presmesh::daemon {

namespace sip = translators::sip;

namespace {

class SipShell final : public Shell {
  public:
    SipShell(const sip::SipSettings& settings, boost::asio::io_context& io, AsioRuntime& runtime, proto::Random& random,
             Log& log)
        : runtime_(runtime),
          log_(log),
          translator_(settings, random),
          endpoint_(io, settings, [this](std::vector<sip::Incoming> messages) { receive(std::move(messages)); }) {}

    translators::Translator& translator() override { return translator_; }

    proto::Result<void> start() override {
        if (auto done = endpoint_.start(); !done) return done;
        for (const auto& address : endpoint_.addresses())
            log_.info("sip is listening", {{"name", std::string(translator_.name())}, {"address", address}});
        return {};
    }

    void tell() override {
        send([this] { return translator_.poll_news(); });
    }
    void flush() override {
        send([this] { return translator_.poll_output(); });
    }

    void stop() override { endpoint_.stop(); }

    std::span<const translators::LinkStatus> links() const override { return translator_.links(); }
    void tell(Counters& counters, proto::Fills& fills) const override {
        const auto counted = endpoint_.counters();
        counters[{"sip_shell", "requests"}] += counted.requests;
        counters[{"sip_shell", "retransmitted"}] += counted.retransmitted;
        counters[{"sip_refused", "malformed"}] += counted.malformed;
        counters[{"sip_refused", "rate_limited"}] += counted.rate_limited;
        const auto name = std::string(translator_.name());
        namespace limits = proto::limits;
        fills.push_back({name + ".unanswered", counted.unanswered, limits::sip_unanswered});
        fills.push_back({name + ".unanswered_bytes", counted.unanswered_bytes, limits::sip_unanswered_bytes});
        fills.push_back({name + ".transactions", counted.remembered, limits::sip_transactions});
        fills.push_back({name + ".transaction_bytes", counted.remembered_bytes, limits::sip_transaction_bytes});
        fills.push_back({name + ".winfo", translator_.winfo_subscriptions(), limits::winfo_subscriptions});
        fills.push_back({name + ".sources", counted.sources, limits::sip_sources});
        fills.push_back({name + ".nonces", translator_.nonces(), limits::sip_nonces});
    }

  private:
    template <typename Poll>
    void send(Poll poll) {
        std::vector<sip::Outgoing> messages;
        while (auto message = poll()) messages.push_back(std::move(*message));
        if (!messages.empty()) endpoint_.send(std::move(messages));
    }
    void receive(std::vector<sip::Incoming> messages) {
        runtime_.run_turn([this, messages = std::move(messages)](proto::Now now) {
            for (const auto& message : messages) translator_.handle_input(now, message);
        });
    }

    AsioRuntime& runtime_;
    Log& log_;
    sip::SipTranslator translator_;
    sip::ShellEndpoint endpoint_;
};

}  // namespace

std::unique_ptr<Shell> make_sip_shell(const sip::SipSettings& settings, boost::asio::io_context& io,
                                      AsioRuntime& runtime, proto::Random& random, Log& log) {
    return std::make_unique<SipShell>(settings, io, runtime, random, log);
}

}  // namespace presmesh::daemon
