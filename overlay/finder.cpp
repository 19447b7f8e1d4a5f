#include "overlay/finder.hpp"

#include "proto/limits.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;

namespace {

/// A withdrawn source's record names no document.
bool is_tombstone(const proto::Record& record) {
    return record.digest == proto::Digest{};
}

}  // namespace

Finder::Finder(Following& following, SealedTransport& transport, Dht& dht, FederationPtr federation,
               proto::Random& random, proto::VerificationCachePtr verified, std::string ours)
    : following_(following),
      transport_(transport),
      dht_(dht),
      federation_(std::move(federation)),
      random_(random),
      verified_(proto::or_own(std::move(verified))),
      ours_(std::move(ours)) {}

void Finder::set_federation(proto::Now now, FederationPtr federation) {
    federation_ = std::move(federation);
    known_.clear();
    known_count_ = 0;
    for (auto& [name, domain] : domains_) {
        domain.nodes.clear();
        domain.answered = false;
    }
    for (auto& [presentity, search] : searches_)
        if (search.rung == Rung::resting) timers_.set(presentity, now.steady);
}

void Finder::begin(proto::Now now, const proto::PresentityUri& presentity) {
    auto& search = searches_[presentity];
    start_over(now, presentity, search);
    climb(now, presentity, search);
}

void Finder::end(proto::Now now, const proto::PresentityUri& presentity) {
    auto found = searches_.find(presentity);
    if (found == searches_.end()) return;
    leave_rest(now, presentity);
    timers_.erase(presentity);
    unanswered_.erase(presentity);
    stop_lookup(now, found->second.lookup);
    searches_.erase(found);  // its domain's look-up goes on
    start_waiting_lookups(now);
}

bool Finder::settled(const proto::PresentityUri& presentity) const {
    auto found = searches_.find(presentity);
    return found != searches_.end() && found->second.settled;
}

std::optional<proto::PresentityUri> Finder::poll_settled() {
    if (settled_.empty()) return std::nullopt;
    auto presentity = std::move(settled_.front());
    settled_.pop_front();
    return presentity;
}

// ---- the ladder

void Finder::look_at(proto::Now now, const proto::PresentityUri& presentity) {
    auto found = searches_.find(presentity);
    if (found == searches_.end()) return;
    auto& search = found->second;
    if (search.rung == Rung::content) {
        if (following_.has_live_source(presentity)) return;
        start_over(now, presentity, search);
    }
    climb(now, presentity, search);
}

/// In haste, as if it had never been looked for. Users of our own domain publish here, or at another node of ours that
/// finds us, or we it: their records are looked for once, for the last known state at one that is gone, and then
/// rarely.
void Finder::start_over(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    search.rung = Rung::sessions;
    search.pause = limits::look_again_first;
    search.get_pause = is_ours(presentity) ? proto::Duration{limits::get_again_most} : limits::get_again_first;
    search.next_get = now.steady;
    start(now, presentity, search);
}

bool Finder::has_live_authority(const proto::PresentityUri& presentity) const {
    return following_.has_live_node(presentity, transport_.nodes_of(presentity.domain()));
}

/// Where nodes of the domain itself told us that they know of no source, could anybody else be one? Those to whom the
/// domain delegated its users, and nodes of the domain that were not asked, there being so many.
bool Finder::others_may_know(const proto::PresentityUri& presentity) const {
    const auto* member = federation_->find(presentity.domain());
    if (member != nullptr && !member->delegations.empty()) return true;
    const auto domain = domains_.find(presentity.domain());
    const auto known = domain == domains_.end() ? 0 : domain->second.nodes.size();
    return std::max(known, transport_.nodes_of(presentity.domain()).size()) > limits::nodes_asked_per_domain;
}

void Finder::climb(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    while (search.rung != Rung::content) {
        if (following_.has_live_source(presentity)) {
            leave_rest(now, presentity);
            timers_.erase(presentity);
            search.rung = Rung::content;
            search.looking = false;
            stop_lookup(now, search.lookup);
            return conclude(presentity, search);
        }
        if (search.rung == Rung::resting) return;
        const bool waits = search.looking || following_.waits_for_answer(presentity);
        if (waits && now.steady < search.deadline) return timers_.set(presentity, search.deadline);
        search.looking = false;
        search.rung = static_cast<Rung>(static_cast<int>(search.rung) + 1);
        start(now, presentity, search);
    }
}

void Finder::start(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    if (federation_->find(presentity.domain()) == nullptr) search.rung = Rung::resting;  // nobody could publish for it
    search.deadline = now.steady;
    switch (search.rung) {
        case Rung::sessions:
            if (start_sessions(presentity)) search.deadline = now.steady + limits::query_patience;
            break;
        case Rung::nearest:
        case Rung::domain:
            start_domain(now, presentity, search);
            break;
        case Rung::records:
            if (now.steady < search.next_get || (has_live_authority(presentity) && !others_may_know(presentity))) break;
            search.next_get = now.steady + random_.jitter(search.get_pause, 0.3);
            search.get_pause = std::min<proto::Duration>(search.get_pause * 2, limits::get_again_most);
            search.looking = true;
            search.deadline = proto::never;  // set when its turn comes
            waiting_.push_back({presentity, {}, {}, false});
            start_waiting_lookups(now);
            break;
        case Rung::resting:
            rest(now, presentity, search);
            break;
        case Rung::content:
            break;
    }
}

bool Finder::start_sessions(const proto::PresentityUri& presentity) {
    std::size_t asked = 0;
    for (const auto& node : transport_.nodes_of(presentity.domain())) {
        if (asked == limits::nodes_asked_per_domain) break;
        if ((transport_.peer(node)->roles & proto::role_publish) == 0) continue;
        following_.attach(presentity, node, {});
        ++asked;
    }
    return asked > 0;
}

void Finder::start_domain(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    auto& domain = domains_[presentity.domain()];
    const bool one_will_do = search.rung == Rung::nearest;
    if (one_will_do && is_ours(presentity)) return;  // the nearest may be ourselves
    if (is_fresh(presentity, domain, now.steady)) {
        if (domain.whole != one_will_do) return attach_domain(now, presentity, search, domain);
        if (domain.whole) return;  // the next rung asks them all
    }
    domain.waiting.insert(presentity);
    search.looking = true;
    search.deadline = now.steady + limits::lookup_patience;
    const bool waits_for_turn = domain.lookup == 0;
    if (domain.looking && (waits_for_turn || now.steady < domain.asked + limits::lookup_patience)) return;
    domain.looking = true;
    domain.lookup = 0;  // set when its turn comes
    domain.asked = now.steady;
    waiting_domains_.push_back({{}, presentity.domain(), {}, false});
    start_waiting_lookups(now);
}

/// Is what the last look-up of the domain's nodes found good enough, be it nothing? For longer where one of them
/// answers.
bool Finder::is_fresh(const proto::PresentityUri& presentity, const DomainSearch& domain, proto::SteadyTime now) const {
    if (domain.looking) return false;
    const proto::Duration good = !domain.answered ? domain.pause
                                 : is_ours(presentity) || has_live_authority(presentity)
                                     ? proto::Duration{limits::domain_nodes_fresh_live}
                                     : proto::Duration{limits::domain_nodes_fresh};
    return now < domain.asked + good;
}

/// Watches at the nodes that announced themselves last: those that are gone are sorted out by time.
void Finder::attach_domain(proto::Now now, const proto::PresentityUri& presentity, Search& search,
                           DomainSearch& domain) {
    std::erase_if(domain.nodes, [&](const auto& entry) { return entry.second.expires <= now.wall; });
    std::vector<std::pair<proto::WallTime, proto::NodeId>> latest;
    for (const auto& [node, announced] : domain.nodes) latest.emplace_back(announced.issued, node);
    std::sort(latest.rbegin(), latest.rend());
    latest.resize(std::min(latest.size(), limits::nodes_asked_per_domain));
    for (const auto& [issued, node] : latest) following_.attach(presentity, node, domain.nodes.at(node).endpoints);
    search.looking = false;
    search.deadline = now.steady + limits::answer_patience;
}

/// For those who have not tried this node yet. Where nobody waits for others, the look-up has done its work.
void Finder::try_nearest(proto::Now now, DomainSearch& domain, const proto::NodeId& node, const DomainNode& announced) {
    if (!domain.looking || announced.issued + limits::domain_node_young < now.wall) return;
    std::erase_if(domain.waiting, [&](const proto::PresentityUri& presentity) {
        const auto search = searches_.find(presentity);
        if (search == searches_.end()) return true;
        if (search->second.rung != Rung::nearest || !following_.attach(presentity, node, announced.endpoints))
            return false;
        search->second.looking = false;
        search->second.deadline = now.steady + limits::answer_patience;
        timers_.set(presentity, search->second.deadline);
        return true;
    });
    if (!domain.waiting.empty()) return;
    domain.looking = domain.whole = false;
    domain.answered = true;
    domain.pause = proto::Duration{0};
    stop_lookup(now, domain.lookup);
    start_waiting_lookups(now);
}

void Finder::rest(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    conclude(presentity, search);
    if (federation_->find(presentity.domain()) == nullptr) {
        leave_rest(now, presentity);
        return timers_.erase(presentity);
    }
    const bool told = has_live_authority(presentity);
    if (told) {
        leave_rest(now, presentity);
    } else {
        auto& domain = domains_[presentity.domain()];
        domain.resting.insert(presentity);
        listen(now, presentity.domain(), domain);
    }
    const proto::Duration most =
        told || is_ours(presentity) ? proto::Duration{limits::look_again_most_live} : limits::look_again_most;
    search.pause = std::min(search.pause, most);
    timers_.set(presentity, now.steady + random_.jitter(search.pause, 0.3));
    search.pause *= 2;
}

void Finder::conclude(const proto::PresentityUri& presentity, Search& search) {
    if (std::exchange(search.settled, true)) return;
    settled_.push_back(presentity);
}

/// The DHT tells of new nodes of a domain that nobody answers for.
void Finder::listen(proto::Now now, const std::string& name, DomainSearch& domain) {
    if (domain.listen != 0 || listens_ >= limits::listens_at_once) return;
    const auto key = proto::domain_dht_key(federation_->key, name);
    domain.listen = dht_.listen(now, key);
    running_.emplace(domain.listen, Lookup{{}, name, key, true});
    ++listens_;
}

void Finder::leave_rest(proto::Now now, const proto::PresentityUri& presentity) {
    auto found = domains_.find(presentity.domain());
    if (found == domains_.end() || found->second.resting.erase(presentity) == 0) return;
    auto& domain = found->second;
    if (!domain.resting.empty() || domain.listen == 0) return;
    dht_.cancel_listen(now, domain.listen);
    running_.erase(domain.listen);
    domain.listen = 0;
    --listens_;
}

void Finder::handle_timeout(proto::Now now) {
    while (auto presentity = timers_.pop(now.steady)) {
        auto found = searches_.find(*presentity);
        if (found == searches_.end()) continue;
        auto& search = found->second;
        if (search.rung == Rung::resting) {
            search.rung = Rung::sessions;
            start(now, *presentity, search);
        } else if (search.looking) {
            stop_lookup(now, search.lookup);  // no answer will be waited for
        }
        climb(now, *presentity, search);
    }
    start_waiting_lookups(now);
}

void Finder::node_up(proto::Now now, const proto::NodeId& node, std::string_view domain) {
    // Those that have a live source as well: this may be a second one.
    for (const auto& presentity : following_.of_domain(domain)) following_.attach(presentity, node, {});
    // Those for whom the DHT had no neighbour to ask may have one now.
    for (const auto& presentity : std::exchange(unanswered_, {}))
        if (auto found = searches_.find(presentity); found != searches_.end() && found->second.rung == Rung::resting)
            look_soon(now, presentity, found->second);
}

void Finder::look_soon(proto::Now now, const proto::PresentityUri& presentity, Search& search) {
    search.next_get = now.steady;
    timers_.set(presentity, now.steady + random_.jitter(limits::query_patience, 0.5));
}

// ---- look-ups

proto::DhtKey Finder::key_of(const proto::PresentityUri& presentity) const {
    return proto::dht_key(federation_->key, presentity.domain(), proto::presentity_key(federation_->key, presentity));
}

void Finder::start_waiting_lookups(proto::Now now) {
    while (gets_running_ < limits::lookups_at_once && !(waiting_domains_.empty() && waiting_.empty())) {
        auto& line = waiting_domains_.empty() ? waiting_ : waiting_domains_;
        auto lookup = std::move(line.front());
        line.pop_front();
        if (lookup.presentity.empty()) {
            lookup.key = proto::domain_dht_key(federation_->key, lookup.domain);
        } else {
            auto found = searches_.find(lookup.presentity);
            if (found == searches_.end() || found->second.rung != Rung::records)
                continue;  // found, or given up, meanwhile
            found->second.deadline = now.steady + limits::lookup_patience;
            timers_.set(lookup.presentity, found->second.deadline);
            lookup.key = key_of(lookup.presentity);
        }
        ++lookups_;
        ++gets_running_;
        const auto id = dht_.get(now, lookup.key);
        if (lookup.presentity.empty()) {
            auto& domain = domains_.at(lookup.domain);
            domain.lookup = id;
            domain.asked = now.steady;
        } else {
            searches_.at(lookup.presentity).lookup = id;
        }
        running_.emplace(id, std::move(lookup));
    }
}

void Finder::stop_lookup(proto::Now now, LookupId lookup) {
    if (running_.erase(lookup) == 0) return;
    --gets_running_;
    dht_.cancel_get(now, lookup);
}

void Finder::handle_event(proto::Now now, const DhtEvent& event) {
    if (const auto* found = std::get_if<RecordFound>(&event)) {
        auto lookup = running_.find(found->lookup);
        if (lookup != running_.end()) record_found(now, Lookup(lookup->second), found->wire);
    } else if (const auto* done = std::get_if<LookupDone>(&event)) {
        lookup_done(now, *done);
    }
}

void Finder::lookup_done(proto::Now now, const LookupDone& done) {
    auto found = running_.find(done.lookup);
    if (found == running_.end() || found->second.listen) return;
    const auto lookup = std::move(found->second);
    running_.erase(found);
    --gets_running_;
    if (lookup.presentity.empty()) {
        domain_done(now, lookup.domain, done.ok);
    } else if (auto search = searches_.find(lookup.presentity);
               search != searches_.end() && search->second.rung == Rung::records) {
        if (!done.ok) unanswered_.insert(lookup.presentity);
        search->second.looking = false;
        search->second.deadline = now.steady + limits::answer_patience;
        climb(now, lookup.presentity, search->second);
    }
    start_waiting_lookups(now);
}

void Finder::domain_done(proto::Now now, const std::string& name, bool ok) {
    auto found = domains_.find(name);
    if (found == domains_.end()) return;
    auto& domain = found->second;
    domain.looking = false;
    domain.whole = true;
    domain.answered = ok && !domain.nodes.empty();
    domain.pause = domain.answered || !ok ? proto::Duration{0}
                                          : std::clamp<proto::Duration>(domain.pause * 2, limits::look_again_first / 2,
                                                                        limits::domain_nodes_fresh);
    for (const auto& presentity : std::exchange(domain.waiting, {})) {
        auto search = searches_.find(presentity);
        if (search == searches_.end()) continue;
        if (search->second.rung == Rung::nearest) search->second.rung = Rung::domain;
        if (search->second.rung != Rung::domain) continue;
        if (!ok) unanswered_.insert(presentity);
        attach_domain(now, presentity, search->second, domain);
        climb(now, presentity, search->second);
    }
}

void Finder::record_found(proto::Now now, const Lookup& lookup, proto::BytesView wire) {
    auto record = proto::read_record(wire, *federation_, now.wall, &lookup.key, verified_.get());
    if (!record) {
        ++refused_[record.error().reason];
        return;
    }
    if (!lookup.presentity.empty()) return use(now, lookup.presentity, *record);
    const auto domain = domains_.find(lookup.domain);
    if (record->kind != proto::RecordKind::domain || record->domain != lookup.domain || domain == domains_.end())
        return;
    if (lookup.listen) {
        node_announced(now, domain->second, *record);
    } else if (const auto* node = node_found(now, domain->second, *record)) {
        try_nearest(now, domain->second, proto::node_id(record->node_key()), *node);
    }
}

/// None when it is known by a newer record, or there are too many.
Finder::DomainNode* Finder::node_found(proto::Now now, DomainSearch& domain, const proto::Record& record) {
    auto& nodes = domain.nodes;
    const auto node = proto::node_id(record.node_key());
    if (!nodes.contains(node) && nodes.size() >= limits::peers_per_domain) {
        std::erase_if(nodes, [&](const auto& entry) { return entry.second.expires <= now.wall; });
        if (nodes.size() >= limits::peers_per_domain) return nullptr;
    }
    auto& known = nodes[node];
    if (known.sequence > record.sequence) return nullptr;
    known = {record.sequence, record.issued, record.expires, record.endpoints, known.told};
    return &known;
}

/// False when those who rest have been told by this very record: it costs nothing then.
bool Finder::node_announced(proto::Now now, DomainSearch& domain, const proto::Record& record) {
    auto* known = node_found(now, domain, record);
    if (known == nullptr || std::exchange(known->told, record.sequence) >= record.sequence) return false;
    const auto node = proto::node_id(record.node_key());
    for (const auto& presentity : std::set(domain.resting)) {
        following_.attach(presentity, node, record.endpoints);
        climb(now, presentity, searches_.at(presentity));
    }
    return true;
}

void Finder::take_record(proto::Now now, const proto::PresentityUri& presentity, proto::BytesView wire) {
    const auto key = key_of(presentity);
    auto record = proto::read_record(wire, *federation_, now.wall, &key, verified_.get());
    if (record)
        use(now, presentity, *record);
    else
        ++refused_[record.error().reason];
}

std::optional<proto::Record> Finder::take_announcement(proto::Now now, const std::string& name, proto::BytesView wire) {
    const auto key = proto::domain_dht_key(federation_->key, name);
    auto record = proto::read_record(wire, *federation_, now.wall, &key, verified_.get());
    if (!record || record->kind != proto::RecordKind::domain || record->domain != name) {
        ++refused_[record ? proto::Reason::malformed : record.error().reason];
        return std::nullopt;
    }
    const auto node = proto::node_id(record->node_key());
    if (node_announced(now, domains_[name], *record))
        for (const auto& presentity : following_.of_domain(name))
            following_.attach(presentity, node, record->endpoints);
    return std::move(*record);
}

void Finder::use(proto::Now now, const proto::PresentityUri& presentity, const proto::Record& record) {
    if (record.kind != proto::RecordKind::presentity ||
        record.presentity != proto::presentity_key(federation_->key, presentity))
        return;
    remember(presentity, record);
    if (is_tombstone(record) || !searches_.contains(presentity)) return;
    const auto node = proto::node_id(record.node_key());
    following_.attach(presentity, node, record.endpoints, record.issued);
    following_.take_record(presentity, record);
    auto& search = searches_.at(presentity);
    if (search.rung == Rung::resting) climb(now, presentity, search);
}

proto::Fills Finder::fills() const {
    return {{"lookups", gets_running_, limits::lookups_at_once},
            {"lookups_waiting", waiting_domains_.size() + waiting_.size(), limits::watches_per_node},
            {"listens", listens_, limits::listens_at_once},
            {"records_known", known_count_, limits::records_known},
            {"certificates_verified", verified_->certificates(), limits::certificates_verified},
            {"delegations_verified", verified_->delegations(), limits::delegations_verified},
            {"records_verified", verified_->records(), limits::records_verified}};
}

// ---- what others may ask us for

void Finder::remember(const proto::PresentityUri& presentity, const proto::Record& record) {
    if (known_count_ >= limits::records_known && !known_.contains(presentity)) {
        known_count_ -= known_.begin()->second.size();
        known_.erase(known_.begin());
    }
    auto& nodes = known_[presentity];
    const auto node = proto::node_id(record.node_key());
    if (!nodes.contains(node) && nodes.size() >= limits::sources_per_presentity) return;
    auto [place, fresh] = nodes.try_emplace(node);
    known_count_ += fresh ? 1 : 0;
    if (!fresh && record.sequence <= place->second.sequence) return;
    place->second = {record.expires, record.sequence, is_tombstone(record) ? proto::Bytes{} : record.wire};
}

std::vector<proto::Bytes> Finder::known_records(const proto::PresentityUri& presentity, proto::WallTime now) const {
    std::vector<proto::Bytes> out;
    auto found = known_.find(presentity);
    if (found == known_.end()) return out;
    for (const auto& [node, record] : found->second)
        if (out.size() < limits::records_per_answer && record.expires > now && !record.wire.empty())
            out.push_back(record.wire);
    return out;
}

}  // namespace presmesh::overlay
