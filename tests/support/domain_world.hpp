// One provider with two nodes, another with one, and watchers at all three. Devices behave as user agents do: they keep
// an entity tag, publish anew when it is not known any more, and go to the other node when theirs does not answer.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/node_world.hpp"
#include "tests/support/recording_translator.hpp"

namespace presmesh::testing {

class DomainWorld {
  public:
    using Provider = NodeWorld::Provider;
    static constexpr proto::Duration latency = std::chrono::milliseconds{50};

    /// One device of one user. `meant` is what it said last, none when it is off.
    struct Device {
        proto::PresentityUri user;
        std::string name;
        Provider* at = nullptr;
        std::string etag = {};
        std::optional<std::string> meant = {};
        bool untold = false;       ///< no node has heard it yet
        bool left_behind = false;  ///< a publication it can not take back any more lies at some node
    };

    /// The second node may come later (come_back), and know no other than the first.
    explicit DomainWorld(bool second_comes_later = false) {
        for (Provider* p : all()) {
            p->service.default_handling = node::Handling::allow;
            auto& translator = translators_.try_emplace(p->name, "test").first->second;
            p->translators.push_back(&translator);
            translator.on_view = [this, p](proto::Now, translators::WatchId id, const translators::View& view) {
                seen_[{p, watches_.at({p, id})}] = view;
            };
        }
        if (second_comes_later) {
            x.bootstrap = a2.bootstrap = {a1.endpoint};
            a1.bootstrap = {x.endpoint};
        }
        for (Provider* p : all())
            if (p != &a2 || !second_comes_later) world.start(*p);
        world.run_for(std::chrono::seconds{2});
    }

    std::array<Provider*, 3> all() { return {&a1, &a2, &x}; }
    Provider& other(const Provider& p) { return &p == &a1 ? a2 : a1; }

    // ---- watchers: one per presentity at every node, and again when the node comes back
    void watch(const proto::PresentityUri& presentity) {
        watched_.push_back(presentity);
        for (Provider* p : all())
            if (p->node) watch_at(*p, presentity);
    }
    /// What the watcher at this node was told last.
    const translators::View& seen(Provider& p, const proto::PresentityUri& presentity) {
        return seen_[{&p, presentity}];
    }

    // ---- nodes
    void crash(Provider& p, bool keeps_disk) {
        if (!p.node) return;
        keeps_disk ? world.crash(p) : world.crash_and_lose_disk(p);
        forget_watches(p);
    }
    /// Dies of the next device's request: what that changes is told already, and neither saved nor confirmed.
    void doom(Provider& p) { doomed_.insert(&p); }
    void stop(Provider& p) {
        world.stop(p);
        forget_watches(p);
    }
    void come_back(Provider& p) {
        doomed_.erase(&p);
        if (p.node) return;
        world.start(p);
        for (const auto& presentity : watched_) watch_at(p, presentity);
    }

    // ---- devices
    /// Publishes, or modifies what it published.
    void say(Device& device, std::string note) {
        device.meant = std::move(note);
        device.untold = true;
        push(device);
    }
    /// Keeps alive what it published; publishes it anew where that is gone.
    void refresh(Device& device) {
        if (device.meant) push(device);
    }
    void remove(Device& device) {
        device.meant.reset();
        if (device.etag.empty()) return;
        if (!device.at->node || request(device, nullptr, std::chrono::seconds{0}) == Answer::none)
            device.left_behind = true;
        device.etag.clear();
    }
    /// The battery is empty: what it published runs out by itself.
    void vanish(Device& device) {
        device.meant.reset();
        device.left_behind = device.left_behind || !device.etag.empty();
        device.etag.clear();
    }

    // ---- rules
    /// From now on, whoever is not named by a rule or a decision waits for the user's answer.
    void confirm() {
        for (Provider* p : all()) {
            p->service.default_handling = node::Handling::confirm;
            if (p->node) world.turn(*p, [&](proto::Now now) { p->node->set_policy(now, p->service); });
        }
    }
    /// The user answers, at this node, whoever of the other provider asks.
    void decide(Provider& p, const proto::PresentityUri& presentity, node::Handling handling) {
        world.turn(p, [&](proto::Now now) {
            REQUIRE(p.node->service().decide(now, presentity, uri("watcher@x.example"), handling));
        });
    }
    /// How this node would handle that watcher: by the decision it knows, or its default.
    node::Handling handling(Provider& p, const proto::PresentityUri& presentity) {
        const auto decisions = p.node->service().decisions(presentity);
        return decisions.empty() ? p.service.default_handling : decisions.front().handling();
    }

    std::chrono::seconds expires{300};
    NodeWorld world{{"a.example/1", "a.example/2", "x.example"}, latency};
    Provider& a1 = world["a.example/1"];
    Provider& a2 = world["a.example/2"];
    Provider& x = world["x.example"];

  private:
    void watch_at(Provider& p, const proto::PresentityUri& presentity) {
        const auto watcher = uri("watcher@" + p.domain);
        world.turn(p, [&](proto::Now now) {
            auto id = p.node->service().watch(now, translators_.at(p.name), watcher, presentity);
            REQUIRE(id);
            watches_.emplace(std::pair{&p, *id}, presentity);
        });
    }
    void forget_watches(Provider& p) {
        std::erase_if(watches_, [&](const auto& entry) { return entry.first.first == &p; });
        std::erase_if(seen_, [&](const auto& entry) { return entry.first.first == &p; });
    }

    void push(Device& device) {
        if (!device.at->node && other(*device.at).node) {
            device.left_behind = device.left_behind || !device.etag.empty();
            device.etag.clear();
            device.at = &other(*device.at);
        }
        if (!device.at->node) return;
        auto answer = Answer::unknown;
        if (!device.etag.empty()) answer = request(device, device.untold ? document_of(device) : nullptr, expires);
        if (answer == Answer::unknown) answer = request(device, document_of(device), expires);
        REQUIRE(answer != Answer::unknown);
        if (answer == Answer::none) {  // it asks again, then another
            world.run_for(std::chrono::seconds{2});
            return push(device);
        }
        device.untold = false;
    }
    enum class Answer { done, unknown, none };  ///< unknown: the entity tag; none: the node died
    Answer request(Device& device, proto::DocumentPtr document, std::chrono::seconds lifetime) {
        Provider& node = *device.at;
        node.dies_uncommitted = doomed_.erase(&node) > 0;
        auto answer = Answer::none;
        std::string etag;
        world.turn(node, [&](proto::Now now) {
            auto receipt = node.node->service().publish(now, {device.user, device.etag, std::move(document), lifetime});
            if (!receipt) CHECK(receipt.error().reason == proto::Reason::condition_failed);
            answer = receipt ? Answer::done : Answer::unknown;
            etag = receipt ? receipt->etag : std::string();
        });
        if (!node.node) {
            forget_watches(node);
            return Answer::none;
        }
        device.etag = etag;
        return answer;
    }
    static proto::DocumentPtr document_of(const Device& device) {
        auto said = service(device.name, *device.meant);
        said.contact = "sip:" + device.name + "." + device.user.canonical();
        return document({std::move(said)});
    }

    std::map<std::string, RecordingTranslator> translators_;
    std::map<std::pair<Provider*, translators::WatchId>, proto::PresentityUri> watches_;
    std::map<std::pair<Provider*, proto::PresentityUri>, translators::View> seen_;
    std::vector<proto::PresentityUri> watched_;
    std::set<Provider*> doomed_;
};

}  // namespace presmesh::testing
