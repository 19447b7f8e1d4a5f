// Finding the sources of a watched presentity, one rung after the other until a live source answers:
//   sessions  nodes of its domain that we talk to already are watched at and asked
//   nearest   the first of the DHT's records of the domain's own nodes that is young: that node is watched at, and the
//             look-up ends there; one look-up serves all the domain's users
//   domain    all of those records, where that one knows nothing, or does not answer
//   records   the DHT's records of the presentity, where no node of the domain answers, or others may publish too
//   resting   nobody: listen for a node of the domain, and look again at a growing, jittered pace
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "overlay/dht.hpp"
#include "overlay/following.hpp"
#include "overlay/overlay.hpp"
#include "overlay/sealed_transport.hpp"
#include "proto/timer_queue.hpp"
#include "proto/verification_cache.hpp"

namespace presmesh::overlay {

class Finder {
  public:
    /// `ours`: the domain whose users publish at this very node, "" where none do.
    Finder(Following& following, SealedTransport& transport, Dht& dht, FederationPtr federation, proto::Random& random,
           proto::VerificationCachePtr verified, std::string ours);

    void set_federation(proto::Now now, FederationPtr federation);
    void begin(proto::Now now, const proto::PresentityUri& presentity);
    void end(proto::Now now, const proto::PresentityUri& presentity);
    bool settled(const proto::PresentityUri& presentity) const;

    /// Something about its sources changed: go on, rest, or start again.
    void look_at(proto::Now now, const proto::PresentityUri& presentity);
    /// A session with a node was made.
    void node_up(proto::Now now, const proto::NodeId& node, std::string_view domain);
    void handle_event(proto::Now now, const DhtEvent& event);
    /// A signed record that a peer told of.
    void take_record(proto::Now now, const proto::PresentityUri& presentity, proto::BytesView wire);
    /// A node of this domain told of one, itself perhaps: the users of the domain that we watch are watched there too,
    /// unless this is no news. What was told, if it is true.
    std::optional<proto::Record> take_announcement(proto::Now now, const std::string& domain, proto::BytesView wire);
    /// Records in hand about this presentity's other sources, to tell a node that asks.
    std::vector<proto::Bytes> known_records(const proto::PresentityUri& presentity, proto::WallTime now) const;

    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const { return timers_.next(); }
    const std::map<proto::Reason, std::uint64_t>& refused_records() const { return refused_; }
    std::uint64_t lookups() const { return lookups_; }
    proto::Fills fills() const;

    /// Settled means something new for the watches of these.
    std::optional<proto::PresentityUri> poll_settled();

  private:
    enum class Rung : std::uint8_t { sessions, nearest, domain, records, resting, content };
    struct Search {
        Rung rung = Rung::sessions;
        bool looking = false;  // a look-up is under way, or waits for its turn
        bool settled = false;
        proto::SteadyTime deadline{};
        proto::Duration pause{};
        proto::SteadyTime next_get{};  // its own records are looked up no sooner
        proto::Duration get_pause{};
        LookupId lookup = 0;
    };
    struct DomainNode {
        proto::Sequence sequence;
        proto::WallTime issued{};
        proto::WallTime expires{};
        std::vector<proto::Endpoint> endpoints;
        proto::Sequence told;  // of the record by which those who watch elsewhere were told of it
    };
    struct DomainSearch {
        std::map<proto::NodeId, DomainNode> nodes;
        bool looking = false;
        LookupId lookup = 0;
        proto::SteadyTime asked{};  // when the last look-up began
        bool whole = false;         // and whether it went on to its end,
        bool answered = false;      // whether it found anybody,
        proto::Duration pause{};    // and when it did not: before the next
        std::set<proto::PresentityUri> waiting;
        std::set<proto::PresentityUri> resting;
        LookupId listen = 0;
    };
    struct Lookup {
        proto::PresentityUri presentity;  // empty for a domain's
        std::string domain;
        proto::DhtKey key{};
        bool listen = false;
    };
    struct KnownRecord {
        proto::WallTime expires{};
        proto::Sequence sequence;
        proto::Bytes wire;
    };
    void start_over(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    void climb(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    void start(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    bool start_sessions(const proto::PresentityUri& presentity);
    void start_domain(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    void try_nearest(proto::Now now, DomainSearch& domain, const proto::NodeId& node, const DomainNode& announced);
    void rest(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    void conclude(const proto::PresentityUri& presentity, Search& search);
    void look_soon(proto::Now now, const proto::PresentityUri& presentity, Search& search);
    void leave_rest(proto::Now now, const proto::PresentityUri& presentity);
    void listen(proto::Now now, const std::string& name, DomainSearch& domain);
    DomainNode* node_found(proto::Now now, DomainSearch& domain, const proto::Record& record);
    bool node_announced(proto::Now now, DomainSearch& domain, const proto::Record& record);
    void start_waiting_lookups(proto::Now now);
    void stop_lookup(proto::Now now, LookupId lookup);
    void lookup_done(proto::Now now, const LookupDone& done);
    void domain_done(proto::Now now, const std::string& domain, bool ok);
    void record_found(proto::Now now, const Lookup& lookup, proto::BytesView wire);
    void use(proto::Now now, const proto::PresentityUri& presentity, const proto::Record& record);
    void remember(const proto::PresentityUri& presentity, const proto::Record& record);
    void attach_domain(proto::Now now, const proto::PresentityUri& presentity, Search& search, DomainSearch& domain);
    bool is_fresh(const proto::PresentityUri& presentity, const DomainSearch& domain, proto::SteadyTime now) const;
    bool has_live_authority(const proto::PresentityUri& presentity) const;
    bool others_may_know(const proto::PresentityUri& presentity) const;
    bool is_ours(const proto::PresentityUri& presentity) const { return presentity.domain() == ours_; }
    proto::DhtKey key_of(const proto::PresentityUri& presentity) const;

    Following& following_;
    SealedTransport& transport_;
    Dht& dht_;
    FederationPtr federation_;
    proto::Random& random_;
    proto::VerificationCachePtr verified_;
    std::string ours_;
    std::map<proto::PresentityUri, Search> searches_;
    std::map<std::string, DomainSearch, std::less<>> domains_;
    std::map<LookupId, Lookup> running_;
    proto::Fifo<Lookup> waiting_domains_;  // first: each serves many
    proto::Fifo<Lookup> waiting_;
    std::set<proto::PresentityUri> unanswered_;  // their look-up found no node of the DHT
    std::size_t gets_running_ = 0;
    std::size_t listens_ = 0;  // of domains
    proto::TimerQueue<proto::PresentityUri> timers_;
    std::map<proto::PresentityUri, std::map<proto::NodeId, KnownRecord>> known_;
    std::size_t known_count_ = 0;
    proto::Fifo<proto::PresentityUri> settled_;
    std::map<proto::Reason, std::uint64_t> refused_;
    std::uint64_t lookups_ = 0;
};

}  // namespace presmesh::overlay
