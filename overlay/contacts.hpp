// Other members' nodes that were met, and where: a few, for a start at which no address of the federation file answers.
// Who is met again stays, for a node that stayed will stay (Kademlia, section 2.1), and no domain drives out the
// others.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "proto/endpoint.hpp"
#include "proto/limits.hpp"
#include "proto/time.hpp"

namespace presmesh::overlay {

/// A node of another member, and where it was met last.
struct Contact {
    proto::NodeId node{};
    std::string domain;
    proto::Endpoint endpoint;
    bool operator==(const Contact&) const = default;
};

class Contacts {
  public:
    /// Those of an earlier run; at most limits::contacts.
    void set(proto::Now now, const std::vector<Contact>& contacts) {
        for (const auto& contact : contacts)
            if (known_.size() < proto::limits::contacts && find(contact.node) == known_.end()) add(now, contact);
    }

    /// `is_here(node)`: there is a session.
    template <typename IsHere>
    void met(proto::Now now, const Contact& contact, const IsHere& is_here) {
        if (const auto known = find(contact.node); known != known_.end()) {
            known->contact.endpoint = contact.endpoint;
            known->met = now.steady;
            return;
        }
        if (known_.size() >= proto::limits::contacts) {
            auto leaves = std::find_if(known_.begin(), known_.end(), [&](const Known& known) {
                return now.steady - known.met >= proto::limits::contact_stays && !is_here(known.contact.node);
            });
            if (leaves == known_.end() && domain_shared_ && of_domain(contact.domain) == 0)
                leaves = std::find_if(known_.begin(), known_.end(),
                                      [&](const Known& known) { return of_domain(known.contact.domain) > 1; });
            if (leaves == known_.end()) return;
            known_.erase(leaves);
        }
        add(now, contact);
    }

    std::vector<Contact> all() const {
        std::vector<Contact> out;
        for (const auto& known : known_) out.push_back(known.contact);
        return out;
    }

  private:
    struct Known {
        Contact contact;
        proto::SteadyTime met{};
    };
    void add(proto::Now now, const Contact& contact) {
        known_.push_back({contact, now.steady});
        domain_shared_ = std::any_of(known_.begin(), known_.end(),
                                     [&](const Known& known) { return of_domain(known.contact.domain) > 1; });
    }
    std::vector<Known>::iterator find(const proto::NodeId& node) {
        return std::find_if(known_.begin(), known_.end(),
                            [&](const Known& known) { return known.contact.node == node; });
    }
    std::ptrdiff_t of_domain(const std::string& domain) const {
        return std::count_if(known_.begin(), known_.end(),
                             [&](const Known& known) { return known.contact.domain == domain; });
    }

    std::vector<Known> known_;    ///< in the order of coming in
    bool domain_shared_ = false;  ///< by two of them
};

}  // namespace presmesh::overlay
