// One channel between nodes of one domain: what either knows of the other's log of rules, and the part of ours that is
// on its way. Nothing is kept of the rules themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "overlay/outbox.hpp"
#include "proto/channel_messages.hpp"

namespace presmesh::overlay {

class ChannelRules {
  public:
    explicit ChannelRules(Outbox& outbox) : outbox_(outbox) {}

    // ---- the owner's
    /// What we have of the peer's log. Said again when the peer has forgotten us.
    void ask(const proto::RulesAskMessage& message);
    /// Takes the place of what was told before and has not arrived.
    void tell(proto::RulesMessage message);
    bool asks() const { return ask_.has_value(); }

    // ---- the channel's
    void ask_again();
    /// The peer remembers nothing of us.
    void peer_forgot();
    bool write(Slot slot, PacketBuilder& packet);
    void acknowledged(const SentItem& item);
    void lost(const SentItem& item);

  private:
    static constexpr Slot ask_slot{SlotKind::rules_ask, 0};
    static constexpr Slot tell_slot{SlotKind::rules, 0};

    Outbox& outbox_;
    std::optional<proto::RulesAskMessage> ask_;
    std::optional<proto::RulesMessage> told_;
    std::uint64_t ask_version_ = 0;
    std::uint64_t tell_version_ = 0;
};

}  // namespace presmesh::overlay
