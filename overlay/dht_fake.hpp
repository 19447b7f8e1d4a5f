// The port's stand-in: several DhtFake objects share one world, a table that every one of them can read. It checks
// records as storing nodes do, answers after a delay, forgets what ran out, and tells listeners of new sources only, as
// OpenDHT does.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "overlay/dht.hpp"
#include "proto/federation.hpp"
#include "proto/record.hpp"

namespace presmesh::overlay {

/// The whole network's storage. Belongs to the test; outlives its DhtFakes.
class DhtFakeWorld {
  public:
    DhtFakeWorld(std::shared_ptr<const proto::Federation> federation, proto::Duration answer_delay)
        : delay(answer_delay), federation_(std::move(federation)) {}

    struct Stored {
        proto::Bytes wire;
        proto::WallTime expires;
    };
    /// False when the record was refused, as a storing node would.
    bool store(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id, proto::BytesView wire) {
        auto next = proto::read_record(wire, *federation_, now.wall, &key);
        auto& slot = table_[key];
        auto current = slot.find(value_id);
        bool fine = next && next->value_id() == value_id;
        if (fine && current != slot.end()) {
            if (auto held = proto::read_record(current->second.wire, *federation_, now.wall, &key))
                fine = proto::may_replace(*held, *next).has_value();
        }
        ++(fine ? stored : refused);
        if (!fine) return false;
        slot[value_id] = {next->wire, next->expires};
        return true;
    }
    std::map<std::uint64_t, proto::Bytes> values(proto::Now now, const proto::DhtKey& key) const {
        std::map<std::uint64_t, proto::Bytes> found;
        if (auto at = table_.find(key); at != table_.end())
            for (const auto& [id, value] : at->second)
                if (value.expires > now.wall) found.emplace(id, value.wire);
        return found;
    }

    proto::Duration delay;  ///< from a put to its being there, and from a get to its answer
    /// What lying nodes make of the answer to a get; none: they are honest.
    std::function<std::vector<proto::Bytes>(const proto::DhtKey&, std::vector<proto::Bytes>)> lie;
    bool reachable = true;  ///< false: gets find nobody, puts are lost
    std::size_t stored = 0;
    std::size_t refused = 0;
    std::size_t gets = 0;
    std::size_t puts = 0;  ///< of presentities' records

  private:
    friend class DhtFake;
    void count_put(proto::Now now, const proto::DhtKey& key, proto::BytesView wire) {
        const auto record = proto::read_record(wire, *federation_, now.wall, &key);
        puts += record && record->kind == proto::RecordKind::domain ? 0 : 1;
    }

    std::shared_ptr<const proto::Federation> federation_;
    std::map<proto::DhtKey, std::map<std::uint64_t, Stored>> table_;
};

class DhtFake final : public Dht {
  public:
    explicit DhtFake(DhtFakeWorld& world) : world_(world) {}

    void handle_input(proto::Now, const DhtPacket&, const proto::PublicKey&) override {}

    void handle_timeout(proto::Now now) override {
        while (!due_.empty() && due_.begin()->first <= now.steady) {
            auto work = std::move(due_.begin()->second);
            due_.erase(due_.begin());
            run(now, work);
        }
    }
    proto::SteadyTime next_timeout() const override { return due_.empty() ? proto::never : due_.begin()->first; }
    std::optional<DhtPacket> poll_output() override { return std::nullopt; }
    std::optional<DhtEvent> poll_event() override {
        if (events_.empty()) return std::nullopt;
        auto event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

    void bootstrap(proto::Now, const proto::Endpoint&, bool) override {}
    void put(proto::Now now, const proto::DhtKey& key, std::uint64_t value_id, proto::BytesView wire) override {
        world_.count_put(now, key, wire);
        due_.emplace(now.steady + world_.delay, Work{Kind::put, key, value_id, {wire.begin(), wire.end()}});
    }
    void cancel_put(proto::Now, const proto::DhtKey&, std::uint64_t) override {}
    LookupId get(proto::Now now, const proto::DhtKey& key) override {
        ++world_.gets;
        due_.emplace(now.steady + world_.delay, Work{Kind::get, key, ++last_lookup_, {}});
        return last_lookup_;
    }
    void cancel_get(proto::Now, LookupId get) override {
        std::erase_if(due_, [&](const auto& work) { return work.second.id == get && work.second.kind == Kind::get; });
        std::erase_if(events_, [&](const DhtEvent& event) { return is_of(event, get); });
    }
    LookupId listen(proto::Now now, const proto::DhtKey& key) override {
        listens_.emplace(++last_lookup_, std::set<std::uint64_t>{});
        due_.emplace(now.steady + world_.delay, Work{Kind::listen, key, last_lookup_, {}});
        return last_lookup_;
    }
    void cancel_listen(proto::Now, LookupId listen) override { listens_.erase(listen); }
    DhtStatus status() const override {
        DhtStatus status;
        status.stored_records = world_.stored;
        status.refused_records = world_.refused;
        return status;
    }
    std::size_t listens() const { return listens_.size(); }
    void set_federation(proto::Now now, std::shared_ptr<const proto::Federation> federation) override {
        told_federation = std::move(federation);
        told_federation_at = now.wall;
    }
    std::shared_ptr<const proto::Federation> told_federation;  ///< the last one, and when
    proto::WallTime told_federation_at{};

  private:
    enum class Kind : std::uint8_t { put, get, listen };
    struct Work {
        Kind kind{};
        proto::DhtKey key{};
        std::uint64_t id = 0;
        proto::Bytes wire;
    };
    static constexpr proto::Duration look_every = std::chrono::seconds{1};  // a listen's announcements, this coarse

    static bool is_of(const DhtEvent& event, LookupId lookup) {
        return std::visit([&](const auto& told) { return told.lookup == lookup; }, event);
    }
    void run(proto::Now now, Work& work) {
        switch (work.kind) {
            case Kind::put:
                if (world_.reachable) world_.store(now, work.key, work.id, work.wire);
                break;
            case Kind::get:
                if (world_.reachable)
                    for (auto& wire : answer(now, work.key)) events_.push_back(RecordFound{work.id, wire});
                events_.push_back(LookupDone{work.id, world_.reachable});
                break;
            case Kind::listen:
                look(now, work);
                break;
        }
    }
    std::vector<proto::Bytes> answer(proto::Now now, const proto::DhtKey& key) const {
        std::vector<proto::Bytes> wires;
        for (auto& [id, wire] : world_.values(now, key)) wires.push_back(wire);
        return world_.lie ? world_.lie(key, std::move(wires)) : wires;
    }
    void look(proto::Now now, Work& work) {
        auto listen = listens_.find(work.id);
        if (listen == listens_.end()) return;
        if (world_.reachable)
            for (auto& [id, wire] : world_.values(now, work.key))
                if (listen->second.insert(id).second) events_.push_back(RecordFound{work.id, wire});
        due_.emplace(now.steady + look_every, std::move(work));
    }

    DhtFakeWorld& world_;
    std::multimap<proto::SteadyTime, Work> due_;
    std::deque<DhtEvent> events_;
    std::map<LookupId, std::set<std::uint64_t>> listens_;
    LookupId last_lookup_ = 0;
};

}  // namespace presmesh::overlay
