// A world with hosts that do what the test says, and write down what happens to them.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/names.hpp"
#include "sim/world.hpp"

namespace presmesh::testing {

using namespace sim;

/// Does what the test tells it, and writes down what it is told.
struct Script {
    struct Heard {
        NodeIndex node;
        char what;  // s(tart) p(arting) i(nput) t(imeout)
        proto::Duration at;
        int value;
    };
    World* world = nullptr;
    std::vector<Heard> heard;
    std::map<NodeIndex, std::vector<proto::Datagram>> to_send;  ///< at the end of the node's next turn
    std::map<NodeIndex, proto::SteadyTime> wake;
    std::vector<std::vector<proto::Endpoint>> bootstraps;
    std::map<NodeIndex, std::uint64_t> refused;
    std::vector<std::string> gone;
    void note(NodeIndex node, char what, int value = 0) { heard.push_back({node, what, world->elapsed(), value}); }
    std::string order() const {
        std::string text;
        for (const auto& h : heard)
            text += h.what + std::to_string(h.node) + (h.what == 'i' ? ":" + std::to_string(h.value) : "") + " ";
        return text;
    }
};

class ScriptHost final : public Host {
  public:
    ScriptHost(Script& script, NodeIndex node) : script_(script), node_(node) {}
    void start(proto::Now, const std::vector<proto::Endpoint>& bootstrap) override {
        script_.note(node_, 's');
        script_.bootstraps.push_back(bootstrap);
    }
    void stop(proto::Now) override { script_.note(node_, 'p'); }
    void handle_input(proto::Now, const proto::Endpoint&, proto::BytesView bytes) override {
        script_.note(node_, 'i', bytes.empty() ? 0 : bytes[0]);
    }
    void handle_timeout(proto::Now now) override {
        script_.note(node_, 't');
        if (script_.wake.contains(node_) && script_.wake[node_] <= now.steady) script_.wake.erase(node_);
    }
    proto::SteadyTime next_timeout() const override {
        const auto at = script_.wake.find(node_);
        return at == script_.wake.end() ? proto::never : at->second;
    }
    void end_turn(proto::Now) override {}
    std::optional<proto::Datagram> poll_output() override {
        auto& waiting = script_.to_send[node_];
        if (waiting.empty()) return std::nullopt;
        auto out = std::move(waiting.front());
        waiting.erase(waiting.begin());
        return out;
    }
    void publish(proto::Now, const proto::PresentityUri&, const proto::DocumentPtr&) override {}
    void watch(proto::Now, WatchNumber, const proto::PresentityUri&, const proto::PresentityUri&) override {}
    void unwatch(proto::Now, WatchNumber) override {}
    void look_up(proto::Now, LookupNumber, const proto::PresentityUri&) override {}
    std::uint64_t refused() const override { return script_.refused.contains(node_) ? script_.refused.at(node_) : 0; }

  private:
    Script& script_;
    NodeIndex node_;
};

struct Maker final : HostMaker {
    explicit Maker(Script& s) : script(s) {}
    std::unique_ptr<Host> make(proto::Now, const HostSetup& setup) override {
        return std::make_unique<ScriptHost>(script, setup.index);
    }
    void gone(NodeIndex node, bool crash, bool keeps_disk) override {
        script.gone.push_back(std::to_string(node) + (crash ? " crash" : " leave") + (keeps_disk ? " disk" : ""));
    }
    Script& script;
};

struct NoLives final : Lives {
    void joined(NodeIndex) override {}
    void gone(NodeIndex, bool) override {}
};

struct Log final : TraceSink {
    std::vector<TraceEntry> entries;
    void see(const TraceEntry& entry) override { entries.push_back(entry); }
};

struct Stage {
    Script script;
    Maker maker{script};
    NoLives lives;
    Log log;
    Scenario scenario;
    std::unique_ptr<World> world;
    explicit Stage(std::uint32_t nodes = 4, const std::function<void(Scenario&)>& change = {}) {
        scenario.nodes = nodes;
        if (change) change(scenario);
        world = std::make_unique<World>(scenario, 1, std::move(*Network::make(scenario, 1)),
                                        WorldParts{&maker, nullptr, &lives, nullptr, &log});
        script.world = world.get();
    }
    void join_all() {
        for (NodeIndex node = 0; node < scenario.nodes; ++node) world->join(node);
        script.heard.clear();
    }
    void send(NodeIndex from, NodeIndex to, std::uint8_t value) {
        proto::Datagram datagram;
        datagram.to = endpoint_of(to);
        datagram.bytes = proto::Bytes(20, value);
        datagram.traffic = proto::Traffic::content;
        script.to_send[from].push_back(std::move(datagram));
        world->turn(from, [](proto::Now, Host&) {});
    }
};

}  // namespace presmesh::testing
