// A member that forges: an ordinary node behind a door that puts records of its own making where others' records
// belong. It knows all that a member may know, the federation's key and the records that it stores for others.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/record.hpp"
#include "sim/passing_dht.hpp"

namespace presmesh::sim {

/// Who a member is that attacks. What is referred to outlives its node.
struct Insider {
    const proto::SigningKey& key;
    const proto::Certificate& certificate;
    std::shared_ptr<const proto::Federation> federation;
    proto::Endpoint endpoint;
};

/// In every forged record, so that whoever looks on knows it wherever it turns up: a number that no record has by
/// chance.
class ForgersMark {
  public:
    explicit ForgersMark(std::uint64_t seed);
    std::uint64_t number() const { return number_; }
    const std::array<std::uint8_t, 8>& bytes() const { return bytes_; }
    bool is_in(proto::BytesView bytes) const;

  private:
    std::uint64_t number_;
    std::array<std::uint8_t, 8> bytes_;  ///< as msgpack has it
};

struct Forgery {
    std::uint64_t value_id = 0;  ///< under which it is put
    proto::Bytes wire;
};

/// What a forger makes of somebody else's record, all to lie under the same key: its own under the value id that is
/// the other's; its own as one more source of the other domain; the same user as one of its own domain; the other's
/// with a signature that is none. All are newer than what they are to replace.
std::vector<Forgery> forgeries_of(const proto::Record& record, const Insider& forger, const ForgersMark& mark);

/// Takes turns with the records it was given to keep: puts them, and what leaves has a forged record in its place, so
/// that neither its own store nor OpenDHT has a say. Some nodes near the key have the true one then, others, new there,
/// have not. Asked for such a record, it answers with a forged one.
class ForgingDoor final : public PassingDht {
  public:
    ForgingDoor(std::unique_ptr<overlay::Dht> dht, proto::WallTime begins, Insider self, const ForgersMark& mark,
                std::uint64_t& sent);
    void handle_input(proto::Now now, const overlay::DhtPacket& packet, const proto::PublicKey& peer) override;
    void handle_timeout(proto::Now now) override;
    proto::SteadyTime next_timeout() const override;
    std::optional<overlay::DhtPacket> poll_output() override;

  private:
    using Place = std::pair<proto::DhtKey, std::uint64_t>;
    struct Victim {
        proto::Bytes wire;
        std::vector<Forgery> forgeries;
        std::size_t turn = 0;
    };
    bool active() const { return begun_ && !victims_.empty(); }
    void learn(proto::Now now, const overlay::DhtPacket& packet);
    void forge(proto::Bytes& packet);

    proto::WallTime begins_;
    Insider self_;
    const ForgersMark& mark_;
    std::uint64_t& sent_;
    bool begun_ = false;
    proto::SteadyTime next_ = proto::SteadyTime::min();
    std::map<Place, Victim> victims_;
    Place last_{};  ///< put
};

/// The key that a put is for: "h" in its msgpack.
std::optional<proto::DhtKey> key_of_put(proto::BytesView packet);

}  // namespace presmesh::sim
