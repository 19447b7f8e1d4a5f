#include "node/saved_contacts.hpp"

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::node {

namespace {

namespace limits = proto::limits;
using overlay::Contact;

constexpr std::string_view row = "nodes";
constexpr std::size_t contact_fields = 3;
constexpr std::size_t endpoint_chars = 64;

proto::Bytes pack(const std::vector<Contact>& contacts) {
    proto::MsgpackWriter out;
    out.array(contacts.size());
    for (const auto& contact : contacts)
        out.array(contact_fields).bin(contact.node).str(contact.domain).str(contact.endpoint.to_string());
    return out.take();
}

std::vector<Contact> unpack(proto::BytesView bytes) {
    proto::MsgpackReader in(bytes);
    std::vector<Contact> out;
    for (auto left = in.array(limits::contacts); left > 0 && in.ok(); --left) {
        if (in.array(contact_fields) != contact_fields) return {};
        Contact contact;
        contact.node = in.fixed<sizeof(proto::NodeId)>();
        contact.domain = in.str(limits::domain_bytes);
        const auto endpoint = proto::Endpoint::parse(in.str(endpoint_chars));
        if (!endpoint) return {};
        contact.endpoint = *endpoint;
        out.push_back(std::move(contact));
    }
    return in.finish() ? out : std::vector<Contact>{};
}

}  // namespace

std::vector<Contact> SavedContacts::saved() const {
    std::vector<Contact> out;
    store_.each(store_tables::contacts, row, [&out](std::string_view, proto::BytesView value) { out = unpack(value); });
    return out;
}

void SavedContacts::start(proto::Now now) {
    overlay_.set_contacts(now, saved());
    save_at_ = now.steady + limits::contacts_saved_first;
}

void SavedContacts::handle_timeout(proto::Now now) {
    if (now.steady < save_at_) return;
    save();
    save_at_ = now.steady + limits::contacts_saved_every;
}

void SavedContacts::save() {
    const auto contacts = overlay_.contacts();
    if (contacts != saved()) store_.put(store_tables::contacts, row, pack(contacts));
}

}  // namespace presmesh::node
