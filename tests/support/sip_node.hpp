// A SipTranslator on a FakeHost behind real sockets, with an owner's thread of its own: the smallest node that speaks
// SIP.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "proto/random.hpp"
#include "tests/support/fake_host.hpp"
#include "translators/sip/shell_endpoint.hpp"
#include "translators/sip/translator.hpp"

namespace presmesh::test {

class SipNode {
  public:
    explicit SipNode(translators::sip::SipSettings settings)
        : translator_(settings, random_),
          endpoint_(
              settings, [this](std::function<void()> work) { post(std::move(work)); },
              [this](std::vector<translators::sip::Incoming> batch) { receive(std::move(batch)); }) {}
    ~SipNode() { stop(); }

    proto::Result<void> start() {
        auto started = endpoint_.start();
        if (!started) return started;
        thread_ = std::thread([this] { loop(); });
        run([this] { translator_.start(now(), host); });
        return {};
    }
    void stop() {
        if (!thread_.joinable()) return;
        run([this] { translator_.stop(now()); });
        run([this] { endpoint_.stop(); });
        {
            const std::lock_guard hold(lock_);
            is_stopping_ = true;
        }
        changed_.notify_one();
        thread_.join();
    }
    /// Runs `work` as a turn in the owner's thread, and waits for it.
    void run(const std::function<void()>& work) {
        std::promise<void> done;
        post([&] {
            work();
            done.set_value();
        });
        done.get_future().get();
    }
    std::uint16_t port() const { return endpoint_.port(); }
    translators::sip::ShellEndpoint& endpoint() { return endpoint_; }
    translators::sip::SipTranslator& translator() { return translator_; }

    static proto::Now now() {
        using namespace std::chrono;
        return {proto::SteadyTime{duration_cast<proto::Duration>(steady_clock::now().time_since_epoch())},
                proto::WallTime{duration_cast<proto::Duration>(system_clock::now().time_since_epoch())}};
    }

    FakeHost host;  ///< touched in run() alone

  private:
    void post(std::function<void()> work) {
        {
            const std::lock_guard hold(lock_);
            work_.push_back(std::move(work));
        }
        changed_.notify_one();
    }
    void receive(std::vector<translators::sip::Incoming> batch) {
        for (const auto& message : batch) translator_.handle_input(now(), message);
    }
    void end_turn() {
        host.tell(now());
        std::vector<translators::sip::Outgoing> batch;
        while (auto message = translator_.poll_output()) batch.push_back(std::move(*message));
        endpoint_.send(std::move(batch));
    }
    void loop() {
        for (std::unique_lock hold(lock_); !is_stopping_;) {
            if (work_.empty()) {
                const auto wait =
                    std::min<proto::Duration>(translator_.next_timeout() - now().steady, std::chrono::seconds{1});
                changed_.wait_for(hold, std::max<proto::Duration>(wait, proto::Duration{0}));
            }
            std::deque<std::function<void()>> batch;
            batch.swap(work_);
            hold.unlock();
            for (auto& work : batch) work();
            if (translator_.next_timeout() <= now().steady) translator_.handle_timeout(now());
            end_turn();
            hold.lock();
        }
    }

    proto::SeededRandom random_{static_cast<std::uint64_t>(now().wall.time_since_epoch().count())};
    translators::sip::SipTranslator translator_;
    translators::sip::ShellEndpoint endpoint_;
    std::mutex lock_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> work_;
    bool is_stopping_ = false;
    std::thread thread_;
};

}  // namespace presmesh::test
