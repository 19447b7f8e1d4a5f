// A whole node without sockets, clocks or files: overlay, presence service, translators. The daemon and the simulator
// drive the same.
//
// A turn: any number of calls with one Now (handle_input, handle_timeout, a translator's or the service's own), then
// end_turn(now), then poll_output() until none, and the translators' output. What a turn saved is committed by
// end_turn(), so nothing is confirmed that a crash could forget. What only tells of presence need not wait for that:
// settle(now) before end_turn(now) says whether it may leave between the two.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "node/diagnostics.hpp"
#include "node/presence_service.hpp"
#include "node/settings.hpp"
#include "node/store.hpp"
#include "overlay/dht.hpp"
#include "overlay/overlay.hpp"
#include "proto/endpoint.hpp"
#include "proto/random.hpp"
#include "proto/time.hpp"
#include "translators/translator.hpp"

namespace presmesh::node {

class Node {
  public:
    /// Takes a new epoch from `store` (and commits it). `store`, `random` and `diagnostics` must outlive the node.
    Node(proto::Now now, NodeSettings settings, std::unique_ptr<overlay::Dht> dht, Store& store, proto::Random& random,
         Diagnostics& diagnostics);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// Before start(). Earlier ones are asked first who attends a presentity.
    void add_translator(std::unique_ptr<translators::Translator> translator);
    /// The same for one that the caller keeps; it must outlive the node.
    void add_translator(translators::Translator& translator);
    /// Restores what was saved and starts the translators. Once. Ends with end_turn().
    void start(proto::Now now);
    /// A clean stop: the translators say goodbye, the overlay leaves. Send the output, then destroy. Ends with
    /// end_turn().
    void stop(proto::Now now);

    // ---- the verbs
    void handle_input(proto::Now now, const proto::Endpoint& from, proto::BytesView bytes);
    void handle_timeout(proto::Now now);
    proto::SteadyTime next_timeout() const;
    /// Overlay events to the service, the service's news to translators and observers, until quiet (at most
    /// limits::turn_rounds; the rest comes with the next turn, for which next_timeout() asks at once). True: datagrams,
    /// and what translators tell of presence, may leave now. A crash before end_turn() is one before the turn to
    /// whoever waits for a confirmation, and does it again; watchers are told by the next epoch what is so. False: the
    /// turn holds what no user does again, and everything waits for end_turn().
    bool settle(proto::Now now);
    /// settle(), where that was not done; then Store::commit.
    void end_turn(proto::Now now);
    /// Datagrams for the overlay's socket. Only after end_turn(), or settle() that said so.
    std::optional<proto::Datagram> poll_output();

    // ---- joining, and what may change meanwhile; calls within a turn
    void set_bootstrap(proto::Now now, std::vector<proto::Endpoint> nodes);
    void set_federation(proto::Now now, overlay::FederationPtr federation);
    /// PresenceService::set_policy; the certificate's domain is added by itself.
    void set_policy(proto::Now now, ServiceSettings settings);

    PresenceService& service();
    const PresenceService& service() const;
    overlay::Status overlay_status() const;
    proto::NodeId id() const;
    std::uint64_t epoch() const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace presmesh::node
