#include "overlay/channel_rules.hpp"

namespace presmesh::overlay {

void ChannelRules::ask(const proto::RulesAskMessage& message) {
    if (ask_ == message) return;
    ask_ = message;
    ++ask_version_;
    outbox_.push(ask_slot);
}

void ChannelRules::tell(proto::RulesMessage message) {
    told_ = std::move(message);
    ++tell_version_;
    outbox_.push(tell_slot);
}

void ChannelRules::ask_again() {
    if (ask_) outbox_.push(ask_slot);
}

void ChannelRules::peer_forgot() {
    told_.reset();  // it has to ask again as well
    ask_again();
}

bool ChannelRules::write(Slot slot, PacketBuilder& packet) {
    if (slot.kind == SlotKind::rules_ask) return !ask_ || packet.add(*ask_, {ask_slot, ask_version_, 0});
    return !told_ || packet.add(*told_, {tell_slot, tell_version_, 0});
}

void ChannelRules::acknowledged(const SentItem& item) {
    if (item.slot == tell_slot && item.version == tell_version_) told_.reset();
}

void ChannelRules::lost(const SentItem& item) {
    const auto newest = item.slot == ask_slot ? ask_version_ : tell_version_;
    if (item.version == newest) outbox_.push(item.slot);
}

}  // namespace presmesh::overlay
