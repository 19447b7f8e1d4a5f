// One node with very many presentities and watches, in virtual time: the daemon's core over real OpenDHT and real
// cryptography, among other nodes that are just as real. What it takes of memory and CPU, and what a restart costs.
//
//   size_load [--presentities N] [--watches N] [--watchers N] [--others N] [--idle-hours H] [--restart-minutes M]
//             [--famous N] [--loss L] [--shards N]
//
// 10,000 watches a second are opened, at our node and of ours: 100,000 are ten seconds of a flash crowd. The datagrams
// of one in a hundred are lost while they are, and while so many watch one famous user of ours.
// Memory: bytes in use and resident, of the measured node alone (size_heap). CPU: the thread's time inside that node's
// turns; sockets and the kernel are left out. Prints one JSON object.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "node/node.hpp"
#include "node/store.hpp"
#include "overlay/dht_node.hpp"
#include "proto/limits.hpp"
#include "proto/random.hpp"
#include "sim/os_shim.hpp"
#include "sim/passing_dht.hpp"
#include "tests/bench/size_heap.hpp"
#include "tests/support/federation_kit.hpp"
#include "tests/support/presence.hpp"

using namespace presmesh;
using namespace std::chrono_literals;
using bench::OthersMemory;

namespace {

constexpr auto latency = 20ms;
constexpr std::size_t at_once = 200;  // operations of one turn

double thread_seconds() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

struct Options {
    std::size_t presentities = 100'000;
    std::size_t watches = 200'000;
    std::size_t watchers = 100'000;  ///< of ours, at the other nodes
    std::size_t others = 16;
    double idle_hours = 5;
    double idle_from_hours = 10.5;  ///< the refreshes of what was written at once are 9 to 15 hours later
    double restart_minutes = 5;
    std::size_t famous = 10'000;  ///< watchers of one presentity, all at one other node
    double loss = 0.01;
    std::size_t shards = 0;  ///< of every node; 0: as many as the daemon would have
};

/// A presence document as clients publish it.
proto::DocumentPtr typical_document(std::size_t number) {
    proto::Presence presence;
    proto::Service service;
    service.id = "phone-" + std::to_string(number);
    service.basic = proto::Basic::open;
    service.show = proto::Show::away;
    service.contact = "sip:user" + std::to_string(number) + "@198.51.100.7:5060";
    service.contact_priority = 800;
    service.notes.push_back({"en", "In a meeting until noon"});
    presence.services.push_back(std::move(service));
    proto::Person person;
    person.id = "p1";
    person.activities = proto::Activities{{"meeting"}, {}, {}, {}};
    presence.persons.push_back(std::move(person));
    return testing::document(std::move(presence));
}

/// On disk in the daemon: no memory of the node's.
class DiskStore final : public node::Store {
  public:
    void put(std::string_view table, std::string_view key, proto::BytesView value) override {
        const OthersMemory scope;
        memory_.put(table, key, value);
    }
    void erase(std::string_view table, std::string_view key) override {
        const OthersMemory scope;
        memory_.erase(table, key);
    }
    void each(std::string_view table, std::string_view prefix,
              const std::function<void(std::string_view, proto::BytesView)>& visit) const override {
        memory_.each(table, prefix, visit);
    }
    void commit() override {
        const OthersMemory scope;
        memory_.commit();
    }
    bool must_last() const override { return memory_.must_last(); }

  private:
    node::MemoryStore memory_;
};

/// Lets through what is to be written, or only what domains announce.
class GateDht final : public sim::PassingDht {
  public:
    struct Gate {
        std::set<proto::DhtKey> always;
        bool open = false;
        std::uint64_t puts = 0;
        std::uint64_t held_back = 0;
    };
    GateDht(std::unique_ptr<overlay::Dht> inner, Gate& gate) : PassingDht(std::move(inner)), gate_(gate) {}
    void put(proto::Now now, const proto::DhtKey& key, std::uint64_t id, proto::BytesView wire) override {
        const bool passes = gate_.open || gate_.always.contains(key);
        ++(passes ? gate_.puts : gate_.held_back);
        if (passes) dht_->put(now, key, id, wire);
    }

  private:
    Gate& gate_;
};

struct Seen final : node::Observer {
    std::uint64_t told = 0;
    std::vector<bool> current;  ///< by watch id: live, and with a document
    std::size_t currents = 0;
    void view_changed(proto::Now, translators::WatchId watch, const translators::View& view) override {
        ++told;
        const OthersMemory scope;
        if (current.size() <= watch) current.resize(2 * watch + 16);
        const bool now_current = view.liveness == proto::Liveness::live && view.document != nullptr;
        currents += now_current ? 1 : 0;
        currents -= current[watch] ? 1 : 0;
        current[watch] = now_current;
    }
};

struct Member {
    std::string domain;
    proto::Endpoint endpoint;
    std::unique_ptr<testing::NodeKit> kit;
    std::unique_ptr<proto::SeededRandom> random;
    std::unique_ptr<DiskStore> store = std::make_unique<DiskStore>();
    GateDht::Gate gate;
    Seen seen;
    std::unique_ptr<node::Node> node;
    std::uint64_t datagrams_out = 0, bytes_out = 0, datagrams_in = 0;
    double cpu_s = 0;
};

/// The measured node is the first.
class World {
  public:
    explicit World(const Options& options) : options_(options) {
        const OthersMemory scope;
        now_ = testing::at(0s);
        testing::FederationKit kit(7);
        for (std::size_t i = 0; i <= options.others; ++i) kit.add_domain(domain_of(i));
        federation_ = kit.share();
        for (std::size_t i = 0; i <= options.others; ++i) {
            auto member = std::make_unique<Member>();
            member->domain = domain_of(i);
            member->endpoint = proto::Endpoint::v4(0x0a000001 + static_cast<std::uint32_t>(i), 4000);
            member->kit = std::make_unique<testing::NodeKit>(kit.node(member->domain));
            member->random = std::make_unique<proto::SeededRandom>(100 + i);
            for (std::size_t other = 0; other <= options.others; ++other)
                member->gate.always.insert(proto::domain_dht_key(federation_->key, domain_of(other)));
            members_.push_back(std::move(member));
        }
    }
    ~World() { sim::os::real(); }

    static std::string domain_of(std::size_t i) {
        return "provider-" + std::to_string(10 + i) + ".example.org";  // longer than a short string, as names are
    }
    double loss = 0;
    Member& ours() { return *members_.front(); }
    Member& other(std::size_t i) { return *members_[1 + i % options_.others]; }
    proto::Now now() const { return now_; }

    std::uint8_t shards() const {
        return options_.shards > 0 ? static_cast<std::uint8_t>(options_.shards)
                                   : overlay::shards_for(options_.presentities);
    }

    void start(Member& member) {
        work(member, [&] {
            const auto verified = std::make_shared<proto::VerificationCache>();
            overlay::DhtSettings dht;
            dht.node_key = member.kit->key.public_key();
            dht.federation = federation_;
            dht.own = {member.endpoint};
            dht.shards = shards();  // the others are providers of our size
            dht.verified = verified;
            node::NodeSettings settings{
                member.kit->key, member.kit->certificate, federation_, {member.endpoint}, 30s, {}};
            settings.verified = verified;
            settings.service.default_handling = node::Handling::allow;
            settings.service.follow_own_domains = false;
            auto gated = std::make_unique<GateDht>(std::make_unique<overlay::DhtNode>(std::move(dht)), member.gate);
            member.node = std::make_unique<node::Node>(now_, std::move(settings), std::move(gated), *member.store,
                                                       *member.random, diagnostics_);
            member.node->start(now_);
            std::vector<proto::Endpoint> bootstrap;
            for (const auto& one : members_)
                if (one.get() != &member && bootstrap.size() < 4) bootstrap.push_back(one->endpoint);
            member.node->set_bootstrap(now_, std::move(bootstrap));
        });
    }
    void start_all() {
        for (auto& member : members_) start(*member);
    }

    /// One turn of a node.
    template <class Work>
    void turn(Member& member, const Work& what) {
        work(member, [&] { what(*member.node); });
    }

    /// A clean stop.
    void stop(Member& member) {
        turn(member, [&](node::Node& node) { node.stop(now_); });
        member.node.reset();
        member.seen = {};
        const OthersMemory scope;
        note_wake(member);
    }

    void run_for(proto::Duration duration) {
        const auto end = now_.steady + duration;
        for (;;) {
            auto next = in_flight_.empty() ? proto::never : in_flight_.top().at;
            if (!wakes_.empty()) next = std::min(next, wakes_.begin()->first);
            if (next > end) break;
            advance(std::max(next, now_.steady));
            step();
        }
        advance(end);
    }

  private:
    struct Flight {
        proto::SteadyTime at;
        std::uint64_t number;
        proto::Endpoint from;
        std::shared_ptr<proto::Datagram> datagram;
        bool operator<(const Flight& other) const { return std::tie(at, number) > std::tie(other.at, other.number); }
    };

    template <class Work>
    void work(Member& member, const Work& what) {
        sim::os::set(now_, &entropy_);
        if (&member == &ours()) {
            const double before = thread_seconds();
            what();
            finish(member);
            member.cpu_s += thread_seconds() - before;
        } else {
            const OthersMemory scope;
            what();
            finish(member);
        }
        const OthersMemory scope;
        note_wake(member);
    }
    void finish(Member& member) {
        member.node->end_turn(now_);
        while (auto datagram = member.node->poll_output()) {
            ++member.datagrams_out;
            member.bytes_out += datagram->bytes.size();
            const OthersMemory scope;
            if (loss > 0 && static_cast<double>(dice_.below(1'000'000)) < loss * 1e6) continue;
            in_flight_.push({now_.steady + latency, ++flights_, member.endpoint,
                             std::make_shared<proto::Datagram>(std::move(*datagram))});
        }
    }
    void note_wake(Member& member) {
        auto& at = wake_of_[&member];
        wakes_.erase({at, &member});
        at = member.node ? member.node->next_timeout() : proto::never;
        if (at != proto::never) wakes_.insert({at, &member});
    }
    void advance(proto::SteadyTime to) {
        now_.wall += to - now_.steady;
        now_.steady = to;
    }
    void step() {
        while (!in_flight_.empty() && in_flight_.top().at <= now_.steady) {
            const auto flight = in_flight_.top();
            {
                const OthersMemory scope;
                in_flight_.pop();
            }
            const auto index = flight.datagram->to.address[15] - 1U;
            if (index >= members_.size() || !members_[index]->node) continue;
            ++members_[index]->datagrams_in;
            turn(*members_[index],
                 [&](node::Node& node) { node.handle_input(now_, flight.from, flight.datagram->bytes); });
        }
        while (!wakes_.empty() && wakes_.begin()->first <= now_.steady) {
            auto& member = *wakes_.begin()->second;
            turn(member, [&](node::Node& node) { node.handle_timeout(now_); });
        }
    }

    const Options& options_;
    proto::Now now_;
    std::uint64_t entropy_ = 1;
    proto::SeededRandom dice_{5};
    node::NoDiagnostics diagnostics_;
    overlay::FederationPtr federation_;
    std::vector<std::unique_ptr<Member>> members_;
    std::priority_queue<Flight> in_flight_;
    std::uint64_t flights_ = 0;
    std::map<Member*, proto::SteadyTime> wake_of_;
    std::set<std::pair<proto::SteadyTime, Member*>> wakes_;
};

proto::PresentityUri user(const std::string& domain, std::size_t number) {
    return testing::uri("user" + std::to_string(100'000 + number) + "@" + domain);
}

struct Memory {
    std::int64_t live = bench::live_bytes();
    std::int64_t resident = bench::resident_bytes();
};

void print(const char* name, double value) {
    std::printf("%s\"%s\": %.6g", std::strcmp(name, "presentities") == 0 ? "{" : ", ", name, value);
    std::fflush(stdout);
}

void print_growth(const char* what, const Memory& before, const Memory& after, std::size_t count) {
    const auto n = static_cast<double>(std::max<std::size_t>(count, 1));
    print((std::string("live_bytes_per_") + what).c_str(), static_cast<double>(after.live - before.live) / n);
    print((std::string("resident_bytes_per_") + what).c_str(),
          static_cast<double>(after.resident - before.resident) / n);
}

void publish(World& world, Member& member, std::size_t count) {
    for (std::size_t i = 0; i < count;) {
        world.turn(member, [&](node::Node& node) {
            for (const auto end = std::min(count, i + at_once); i < end; ++i) {
                auto done = node.service().publish(world.now(), {user(member.domain, i), {}, typical_document(i), 24h});
                PRESMESH_ASSERT(done.has_value());
            }
        });
        world.run_for(20ms);
    }
}

/// So many watches of our users, each of one of the others' presentities; two users watch each.
void watch(World& world, std::size_t count) {
    auto& ours = world.ours();
    for (std::size_t i = 0; i < count;) {
        world.turn(ours, [&](node::Node& node) {
            for (const auto end = std::min(count, i + at_once); i < end; ++i) {
                const auto presentity = user(world.other(i / 2).domain, i / 2);
                auto done = node.service().watch(world.now(), ours.seen, user(ours.domain, i % 100'000), presentity);
                PRESMESH_ASSERT(done.has_value());
            }
        });
        world.run_for(20ms);
    }
}

/// So many watches of ours by the others' users.
void be_watched(World& world, std::size_t presentities, std::size_t others, std::size_t count) {
    for (std::size_t i = 0; i < count;) {
        const auto end = std::min(count, i + at_once);
        for (std::size_t other = 0; other < others; ++other) {
            auto& member = world.other(other);
            world.turn(member, [&](node::Node& node) {
                for (std::size_t n = i; n < end; ++n)
                    if (n % others == other)
                        PRESMESH_ASSERT(node.service()
                                            .watch(world.now(), member.seen, user(member.domain, n),
                                                   user(world.ours().domain, n % presentities))
                                            .has_value());
            });
        }
        i = end;
        world.run_for(20ms);
    }
}

std::size_t current_elsewhere(World& world, std::size_t others) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < others; ++i) sum += world.other(i).seen.currents;
    return sum;
}

template <class Done>
double seconds_until(World& world, const Done& done, proto::Duration most) {
    const auto begin = world.now().steady;
    while (!done() && world.now().steady - begin < most) world.run_for(100ms);
    return std::chrono::duration<double>(world.now().steady - begin).count();
}

proto::Duration hours(double count) {
    return std::chrono::duration_cast<proto::Duration>(std::chrono::duration<double, std::ratio<3600>>(count));
}

void measure_idle(World& world, const Options& options) {
    auto& ours = world.ours();
    world.run_for(hours(options.idle_from_hours - 0.2));
    const auto cpu = ours.cpu_s;
    const auto out = ours.datagrams_out, in = ours.datagrams_in, bytes = ours.bytes_out, puts = ours.gate.puts;
    world.run_for(hours(options.idle_hours));
    const double seconds = options.idle_hours * 3600;
    print("idle_cpu_share", (ours.cpu_s - cpu) / seconds);
    print("idle_datagrams_out_per_s", static_cast<double>(ours.datagrams_out - out) / seconds);
    print("idle_datagrams_in_per_s", static_cast<double>(ours.datagrams_in - in) / seconds);
    print("idle_bytes_out_per_s", static_cast<double>(ours.bytes_out - bytes) / seconds);
    print("idle_records_per_s", static_cast<double>(ours.gate.puts - puts) / seconds);
}

void measure_restart(World& world, const Options& options) {
    auto& ours = world.ours();
    world.stop(ours);
    world.run_for(5s);
    ours.cpu_s = 0;
    const auto out = ours.datagrams_out, in = ours.datagrams_in, puts = ours.gate.puts;
    world.start(ours);
    print("restart_load_cpu_s", ours.cpu_s);
    const auto begin = world.now().steady;
    print("restart_watchers_current_s",
          seconds_until(
              world, [&] { return current_elsewhere(world, options.others) >= options.watchers; }, 5min));
    watch(world, options.watches);
    print("restart_watches_current_s", seconds_until(
                                           world, [&] { return ours.seen.currents >= options.watches; }, 5min));
    world.run_for(std::chrono::duration_cast<proto::Duration>(
                      std::chrono::duration<double, std::ratio<60>>(options.restart_minutes)) -
                  (world.now().steady - begin));
    print("restart_minutes", options.restart_minutes);
    print("restart_cpu_s", ours.cpu_s);
    print("restart_datagrams_out", static_cast<double>(ours.datagrams_out - out));
    print("restart_datagrams_in", static_cast<double>(ours.datagrams_in - in));
    print("restart_records_written", static_cast<double>(ours.gate.puts - puts));
    print("restart_records_all_minutes", static_cast<double>(options.presentities) / 60.0 /
                                             static_cast<double>(proto::limits::record_puts_per_second));
}

void measure_famous(World& world, const Options& options) {
    auto& ours = world.ours();
    auto& crowd = world.other(0);
    const auto before = crowd.seen.currents;
    const auto famous = user(ours.domain, 0);
    const auto cpu = ours.cpu_s;
    for (std::size_t i = 0; i < options.famous;) {
        world.turn(crowd, [&](node::Node& node) {
            for (const auto end = std::min(options.famous, i + options.famous / 100); i < end; ++i)
                PRESMESH_ASSERT(
                    node.service().watch(world.now(), crowd.seen, user(crowd.domain, 500'000 + i), famous).has_value());
        });
        world.run_for(100ms);
    }
    print("famous_current_s", seconds_until(
                                  world, [&] { return crowd.seen.currents >= before + options.famous; }, 5min));
    print("famous_not_current", static_cast<double>(before + options.famous - crowd.seen.currents));
    const auto told = crowd.seen.told;
    world.turn(ours, [&](node::Node& node) {
        PRESMESH_ASSERT(node.service().publish(world.now(), {famous, {}, typical_document(900'001), 24h}).has_value());
    });
    print("famous_change_s", seconds_until(
                                 world, [&] { return crowd.seen.told >= told + options.famous; }, 5min));
    print("famous_cpu_s", ours.cpu_s - cpu);
}

Options read_options(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string key = argv[i];
        const double value = std::atof(argv[i + 1]);
        const auto count = static_cast<std::size_t>(value);
        if (key == "--presentities")
            options.presentities = count;
        else if (key == "--watches")
            options.watches = count;
        else if (key == "--watchers")
            options.watchers = count;
        else if (key == "--others")
            options.others = count;
        else if (key == "--idle-hours")
            options.idle_hours = value;
        else if (key == "--idle-from-hours")
            options.idle_from_hours = value;
        else if (key == "--restart-minutes")
            options.restart_minutes = value;
        else if (key == "--famous")
            options.famous = count;
        else if (key == "--shards")
            options.shards = std::clamp<std::size_t>(count, 1, 8);
        else if (key == "--loss")
            options.loss = value;
        else {
            std::fprintf(stderr, "size_load: unknown option %s\n", key.c_str());
            std::exit(2);
        }
    }
    return options;
}

}  // namespace

int main(int argc, char** argv) {
    const auto options = read_options(argc, argv);
    World world(options);
    world.start_all();
    world.run_for(5min);
    print("presentities", static_cast<double>(options.presentities));
    print("watches", static_cast<double>(options.watches));
    print("watchers", static_cast<double>(options.watchers));
    print("shards", world.shards());
    const Memory empty;
    print("resident_bytes_empty", static_cast<double>(empty.resident));
    publish(world, world.ours(), options.presentities);
    for (std::size_t i = 0; i < options.others; ++i) {
        // Every other one's users have the numbers of all, so that user N of any domain is there.
        auto& member = world.other(i);
        for (std::size_t n = i; n < (options.watches + 1) / 2;) {
            world.turn(member, [&](node::Node& node) {
                for (std::size_t end = n + at_once * options.others; n < std::min(end, (options.watches + 1) / 2);
                     n += options.others)
                    PRESMESH_ASSERT(node.service()
                                        .publish(world.now(), {user(member.domain, n), {}, typical_document(n), 24h})
                                        .has_value());
            });
            world.run_for(1ms);
        }
    }
    // All records have had their turn, and went nowhere.
    world.run_for(std::chrono::seconds(options.presentities / proto::limits::record_puts_per_second + 60));
    const Memory published;
    print_growth("presentity", empty, published, options.presentities);
    world.loss = options.loss;
    const auto cpu = world.ours().cpu_s;
    watch(world, options.watches);
    print("watches_cpu_s", world.ours().cpu_s - cpu);
    print("watches_current_s", seconds_until(
                                   world, [&] { return world.ours().seen.currents >= options.watches; }, 5min));
    world.run_for(2min);
    const Memory watching;
    print_growth("watch", published, watching, options.watches);
    const auto cpu_before = world.ours().cpu_s;
    be_watched(world, options.presentities, options.others, options.watchers);
    print("watchers_cpu_s", world.ours().cpu_s - cpu_before);
    print("watchers_current_s",
          seconds_until(
              world, [&] { return current_elsewhere(world, options.others) >= options.watchers; }, 5min));
    world.run_for(2min);
    const Memory watched;
    print_growth("watcher", watching, watched, options.watchers);
    if (options.famous > 0) measure_famous(world, options);
    world.loss = 0;
    world.ours().gate.open = true;
    if (options.idle_hours > 0) {
        measure_idle(world, options);
        const Memory refreshed;
        print("resident_bytes_idle", static_cast<double>(refreshed.resident));
        print_growth("presentity_of_dht", watched, refreshed, options.presentities);
    }
    if (options.restart_minutes > 0) measure_restart(world, options);
    std::puts("}");
    return 0;
}
