#include "proto/federation.hpp"

namespace presmesh::proto {

DomainName domain_name(std::string_view domain) {
    Digest whole = blake2b_256(as_bytes(domain));
    DomainName out;
    std::copy_n(whole.begin(), out.size(), out.begin());
    return out;
}

Digest delegation_id(const Delegation& delegation) {
    return blake2b_256(delegation.encode());
}

void Federation::add(Member member) {
    if (!member.undelegated.empty())
        std::erase_if(member.delegations,
                      [&](const Delegation& one) { return member.undelegated.contains(delegation_id(one)); });
    names_[domain_name(member.domain)] = member.domain;
    std::string domain = member.domain;
    if (member.delegations.empty())
        delegators_.erase(domain);
    else
        delegators_.insert(domain);
    members[domain] = std::move(member);
}

const Member* Federation::find(std::string_view domain) const {
    auto found = members.find(domain);
    return found == members.end() ? nullptr : &found->second;
}

const Member* Federation::find(const DomainName& name) const {
    const auto known = names_.find(name);
    return known == names_.end() ? nullptr : find(known->second);
}

Result<void> Federation::admit(const Certificate& certificate, WallTime now, VerificationCache* cache) const {
    const Member* member = find(certificate.domain);
    if (member == nullptr) return refuse(Reason::not_admitted, certificate.domain);
    if (!member->revoked.empty() && member->revoked.contains(node_id(certificate.node_key)))
        return refuse(Reason::revoked);
    return cache != nullptr ? cache->check(certificate, member->key, now) : certificate.check(member->key, now);
}

Result<void> Federation::may_publish(std::string_view publisher, std::string_view domain, WallTime now,
                                     VerificationCache* cache) const {
    const Member* owner = find(domain);
    if (owner == nullptr) return refuse(Reason::not_admitted);
    if (publisher == domain) return {};
    if (find(publisher) == nullptr) return refuse(Reason::not_admitted);
    for (const Delegation& delegation : owner->delegations) {
        if (delegation.domain != domain || delegation.delegate != publisher) continue;
        auto valid = cache != nullptr ? cache->check(delegation, owner->key, now) : delegation.check(owner->key, now);
        if (valid) return {};
    }
    return refuse(Reason::foreign_domain, "no delegation that holds now");
}

WallTime Federation::next_delegation_end(WallTime now) const {
    WallTime next = WallTime::max();
    for (const auto& domain : delegators_) {
        const Member* member = find(domain);
        if (member == nullptr) continue;
        for (const Delegation& delegation : member->delegations)
            if (const WallTime end = delegation.not_after + limits::record_clock_skew; end > now)
                next = std::min(next, end);
    }
    return next;
}

}  // namespace presmesh::proto
