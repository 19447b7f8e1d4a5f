// A SipTranslator on a FakeHost behind real sockets, with an owner's thread of its own: the smallest node that speaks
// SIP.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "proto/random.hpp"
#include "tests/support/fake_host.hpp"
#include "translators/sip/shell_endpoint.hpp"
#include "translators/sip/translator.hpp"

namespace presmesh::testing {

class SipNode {
  public:
    explicit SipNode(translators::sip::SipSettings settings)
        : translator_(settings, random_),
          endpoint_(io_, settings, [this](std::vector<translators::sip::Incoming> batch) {
              turn([&] {
                  for (const auto& message : batch) translator_.handle_input(now(), message);
              });
          }) {}
    ~SipNode() { stop(); }

    proto::Result<void> start() {
        thread_ = std::thread([this] { io_.run(); });
        proto::Result<void> started;
        run([&] {
            started = endpoint_.start();
            if (started) translator_.start(now(), host);
        });
        return started;
    }
    void stop() {
        if (!thread_.joinable()) return;
        run([this] { translator_.stop(now()); });
        run([this] { endpoint_.stop(); });
        io_.stop();
        thread_.join();
    }
    /// Runs `work` as a turn in the owner's thread, and waits for it.
    void run(const std::function<void()>& work) {
        std::promise<void> done;
        boost::asio::post(io_, [&] {
            turn(work);
            done.set_value();
        });
        done.get_future().get();
    }
    std::uint16_t port() const { return endpoint_.port(); }
    translators::sip::ShellEndpoint::Counters counters() {
        translators::sip::ShellEndpoint::Counters all;
        run([&] { all = endpoint_.counters(); });
        return all;
    }
    translators::sip::SipTranslator& translator() { return translator_; }

    static proto::Now now() {
        using namespace std::chrono;
        return {proto::SteadyTime{duration_cast<proto::Duration>(steady_clock::now().time_since_epoch())},
                proto::WallTime{duration_cast<proto::Duration>(system_clock::now().time_since_epoch())}};
    }

    FakeHost host;  ///< touched in run() alone

  private:
    void turn(const std::function<void()>& work) {
        work();
        host.tell(now());
        std::vector<translators::sip::Outgoing> batch;
        while (auto message = translator_.poll_output()) batch.push_back(std::move(*message));
        endpoint_.send(std::move(batch));
        const auto wait = std::min<proto::Duration>(translator_.next_timeout() - now().steady, std::chrono::seconds{1});
        timer_.expires_after(std::max<proto::Duration>(wait, proto::Duration{0}));
        timer_.async_wait([this](boost::system::error_code error) {
            if (error) return;
            turn([this] {
                if (translator_.next_timeout() <= now().steady) translator_.handle_timeout(now());
            });
        });
    }

    proto::SeededRandom random_{static_cast<std::uint64_t>(now().wall.time_since_epoch().count())};
    translators::sip::SipTranslator translator_;
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
    boost::asio::steady_timer timer_{io_};
    translators::sip::ShellEndpoint endpoint_;
    std::thread thread_;
};

}  // namespace presmesh::testing
