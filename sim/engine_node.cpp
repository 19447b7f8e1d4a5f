#include "sim/engine_node.hpp"

#include <opendht/dht.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string_view>

#include "proto/assert.hpp"
#include "sim/hop_meter.hpp"

namespace presmesh::sim {

using proto::BytesView;
using proto::Endpoint;
using proto::Now;

namespace {

constexpr std::size_t order_bytes = 8;  ///< a value begins with the time it was put at: readers show the latest

dht::SockAddr address_of(const Endpoint& endpoint) {
    dht::SockAddr address;
    address.setFamily(AF_INET);
    std::copy(endpoint.address.begin() + 12, endpoint.address.end(),
              reinterpret_cast<std::uint8_t*>(&address.getIPv4().sin_addr));
    address.setPort(endpoint.port);
    return address;
}

Endpoint endpoint_of(const dht::SockAddr& address) {
    return Endpoint::v4(ntohl(address.getIPv4().sin_addr.s_addr), address.getPort());
}

class QueueSocket final : public dht::net::DatagramSocket {
  public:
    using Send = std::function<void(const dht::SockAddr& to, BytesView bytes)>;
    explicit QueueSocket(Send send) : send_(std::move(send)) { bound_.setFamily(AF_INET); }
    int sendTo(const dht::SockAddr& to, const std::uint8_t* data, std::size_t size, bool /*replied*/) override {
        send_(to, {data, size});
        return 0;
    }
    bool hasIPv4() const override { return true; }
    bool hasIPv6() const override { return false; }
    const dht::SockAddr& getBoundRef(sa_family_t /*family*/) const override { return bound_; }
    void stop() override {}

  private:
    Send send_;
    dht::SockAddr bound_;
};

/// A request that carries a change: to a storing node, or from it to who listens. The packet's "q" in msgpack.
bool carries_change(BytesView bytes) {
    const auto text = proto::as_text(bytes);
    using namespace std::string_view_literals;
    return text.find("\xa1q\xa3put"sv) != text.npos || text.find("\xa1q\xa6update"sv) != text.npos;
}

proto::Bytes pack(std::uint64_t order, BytesView document) {
    proto::Bytes bytes(order_bytes);
    for (std::size_t i = 0; i < order_bytes; ++i) bytes[i] = static_cast<std::uint8_t>(order >> (56 - 8 * i));
    bytes.insert(bytes.end(), document.begin(), document.end());
    return bytes;
}

class EngineNode final : public Host {
  public:
    EngineNode(const HostSetup& setup, bool permanent)
        : audience_(*setup.audience), random_(*setup.random), permanent_(permanent) {
        dht::Config config;  // a user's: the library's own defaults
        proto::DhtKey id;
        random_.fill(id);
        config.node_id = dht::InfoHash(id.data(), id.size());
        auto socket =
            std::make_unique<QueueSocket>([this](const dht::SockAddr& to, BytesView bytes) { send(to, bytes); });
        dht_ = std::make_unique<dht::Dht>(std::move(socket), config, std::shared_ptr<dht::Logger>{});
    }
    /// The library ends its searches by calling back; nobody is there any more whom it could tell.
    ~EngineNode() override { gone_ = true; }

    void start(Now now, const std::vector<Endpoint>& bootstrap) override {
        now_ = now;
        for (const auto& endpoint : bootstrap) dht_->pingNode(address_of(endpoint));
        settle();
    }
    /// A value once put lasts until it runs out: OpenDHT has no way to take it back at once.
    void stop(Now now) override {
        now_ = now;
        for (const auto& [presentity, id] : published_) dht_->cancelPut(key_of(presentity), id);
        settle();
    }
    void handle_input(Now now, const Endpoint& from, BytesView bytes) override {
        now_ = now;
        answering_change_ = carries_change(bytes);
        hops_.received(from, bytes);
        wake_ = dht_->periodic(bytes.data(), bytes.size(), address_of(from), time());
        answering_change_ = false;
    }
    void handle_timeout(Now now) override {
        now_ = now;
        if (wake_ <= time()) settle();
    }
    proto::SteadyTime next_timeout() const override {
        if (wake_ == dht::time_point::max()) return proto::never;
        return proto::SteadyTime(std::chrono::ceil<proto::Duration>(wake_.time_since_epoch()));
    }
    void end_turn(Now) override {}
    std::optional<proto::Datagram> poll_output() override {
        if (output_.empty()) return std::nullopt;
        auto datagram = std::move(output_.front());
        output_.pop_front();
        return datagram;
    }

    /// A new value id for each change, since edits never reach listeners (ENGINE_FACTS 1.1); kept alive until the next.
    void publish(Now now, const proto::PresentityUri& presentity, const proto::DocumentPtr& document) override {
        now_ = now;
        const auto key = key_of(presentity);
        if (const auto old = published_.find(presentity); old != published_.end()) dht_->cancelPut(key, old->second);
        const auto order = static_cast<std::uint64_t>(now.wall.time_since_epoch().count());
        auto value = std::make_shared<dht::Value>(pack(order, document->bytes));
        value->id = std::max<std::uint64_t>(1, random_.next());
        published_[presentity] = value->id;
        dht_->put(key, std::move(value), dht::DoneCallback{}, dht::time_point::max(), permanent_);
        settle();
    }

    void watch(Now now, WatchNumber number, const proto::PresentityUri& /*watcher*/,
               const proto::PresentityUri& presentity) override {
        now_ = now;
        watches_[number].key = key_of(presentity);
        // May be called before listen() returns, and after cancelListen().
        const auto token = dht_->listen(
            watches_[number].key, [this, number](const std::vector<std::shared_ptr<dht::Value>>& values, bool expired) {
                if (gone_ || !watches_.contains(number)) return false;
                for (const auto& value : values) tell(number, *value, expired);
                return true;
            });
        watches_[number].token = token;
        settle();
    }
    void unwatch(Now now, WatchNumber number) override {
        now_ = now;
        const auto found = watches_.find(number);
        PRESMESH_ASSERT(found != watches_.end());
        const Watch ended = std::move(found->second);
        watches_.erase(found);
        dht_->cancelListen(ended.key, ended.token);
        settle();
    }

    void look_up(Now now, LookupNumber lookup, const proto::PresentityUri& presentity) override {
        now_ = now;
        auto found = std::make_shared<bool>(false);
        const auto key = key_of(presentity);
        proto::DhtKey wanted{};
        std::copy_n(key.data(), wanted.size(), wanted.begin());
        hops_.begin(lookup, wanted);
        dht_->get(
            key,
            [this, lookup, found](const std::vector<std::shared_ptr<dht::Value>>& values) {
                if (gone_) return false;
                if (!values.empty() && !std::exchange(*found, true)) audience_.lookup_found(lookup);
                return true;
            },
            [this, lookup](bool, const std::vector<std::shared_ptr<dht::Node>>&) {
                if (!gone_) audience_.lookup_done(lookup, hops_.end(lookup));
            });
        settle();
    }

  private:
    struct Watch {
        dht::InfoHash key;
        std::size_t token = 0;
        std::map<std::uint64_t, std::pair<std::uint64_t, proto::DocumentPtr>> values;  ///< by id; order first
        proto::DocumentPtr shown;
    };

    static dht::InfoHash key_of(const proto::PresentityUri& presentity) {
        return dht::InfoHash::get(presentity.pres());
    }
    dht::time_point time() const {
        return dht::time_point(std::chrono::duration_cast<dht::duration>(now_.steady.time_since_epoch()));
    }
    void settle() { wake_ = dht_->periodic(nullptr, 0, dht::SockAddr{}, time()); }

    void send(const dht::SockAddr& to, BytesView bytes) {
        proto::Datagram datagram;
        datagram.to = endpoint_of(to);
        datagram.bytes.assign(bytes.begin(), bytes.end());
        hops_.sent(datagram.to, bytes);
        const bool change = answering_change_ || carries_change(bytes);
        datagram.traffic = change ? proto::Traffic::content : proto::Traffic::dht;
        output_.push_back(std::move(datagram));
    }

    void tell(WatchNumber number, const dht::Value& value, bool expired) {
        Watch& watch = watches_.at(number);
        if (expired) {
            watch.values.erase(value.id);
        } else {
            if (value.data.size() < order_bytes) return;
            std::uint64_t order = 0;
            for (std::size_t i = 0; i < order_bytes; ++i) order = order << 8 | value.data[i];
            auto document = proto::Document::read(BytesView(value.data).subspan(order_bytes));
            if (!document) return;
            watch.values[value.id] = {order, std::move(*document)};
        }
        const auto latest =
            std::max_element(watch.values.begin(), watch.values.end(),
                             [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
        auto document = latest == watch.values.end() ? nullptr : latest->second.second;
        if (document == watch.shown) return;
        watch.shown = document;
        audience_.seen(number, document ? Shown::live : Shown::unknown, document);
    }

    Audience& audience_;
    proto::Random& random_;
    bool permanent_;
    bool gone_ = false;
    Now now_{};
    dht::time_point wake_ = dht::time_point::min();
    bool answering_change_ = false;
    std::deque<proto::Datagram> output_;
    std::map<proto::PresentityUri, std::uint64_t> published_;  ///< the value id that stands
    std::map<WatchNumber, Watch> watches_;
    HopMeter hops_;
    std::unique_ptr<dht::Dht> dht_;  ///< last, so that it goes first: it calls into the rest
};

}  // namespace

std::unique_ptr<Host> make_engine_node(const HostSetup& setup, bool permanent) {
    return std::make_unique<EngineNode>(setup, permanent);
}

}  // namespace presmesh::sim
