#include "node/publications.hpp"

#include <algorithm>

#include "node/compose.hpp"
#include "node/store_keys.hpp"
#include "proto/assert.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::node {

using proto::PresentityUri;
using proto::Reason;
using proto::refuse;
using proto::Result;
using translators::PublishReceipt;
using translators::PublishRequest;
namespace limits = proto::limits;

namespace {

constexpr std::uint64_t row_version = 1;
/// Sorts before every other id, and no other publication can have it.
constexpr std::string_view farewell_id = "!";

std::int64_t micros(proto::WallTime time) {
    return time.time_since_epoch().count();
}
proto::WallTime from_micros(std::int64_t count) {
    return proto::WallTime{proto::Duration{count}};
}

/// Six bits a character; texts of equal length are in the order of their bytes. RFC 3903's tags are tokens.
std::string ordered_text(proto::BytesView bytes) {
    static constexpr std::string_view digits = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
    static_assert(digits.size() == 64);
    std::string text;
    unsigned held = 0, bits = 0;
    for (const std::uint8_t byte : bytes) {
        held = held << 8 | byte;
        for (bits += 8; bits >= 6; bits -= 6) text += digits[held >> (bits - 6) & 63];
    }
    if (bits > 0) text += digits[held << (6 - bits) & 63];
    return text;
}

template <typename Publications>
auto find_id(Publications& publications, std::string_view id) {
    return std::find_if(publications.begin(), publications.end(), [&](const auto& p) { return p.id == id; });
}

}  // namespace

Publications::Publications(Store& store, proto::Random& random, const ServiceLimits& limits)
    : store_(store), random_(random), limits_(limits) {}

// ---- RFC 3903

Result<std::chrono::seconds> Publications::granted(std::optional<std::chrono::seconds> asked) const {
    auto expires = asked.value_or(limits_.default_expires);
    if (expires.count() < 0) return refuse(Reason::malformed, "negative expiry");
    if (expires.count() != 0 && expires < limits_.min_expires)
        return refuse(Reason::interval_too_brief, "at least " + std::to_string(limits_.min_expires.count()) + " s");
    return std::min(expires, limits_.max_expires);
}

Result<PublishReceipt> Publications::publish(proto::Now now, const PublishRequest& request) {
    if (request.etag.empty() && !request.document) return refuse(Reason::malformed, "neither document nor entity tag");
    if (request.document && request.document->bytes.size() > limits::document_bytes) return refuse(Reason::too_large);
    auto expires = granted(request.expires);
    if (!expires) return tl::make_unexpected(expires.error());
    return request.etag.empty() ? create(now, request, *expires) : update(now, request, *expires);
}

Result<PublishReceipt> Publications::create(proto::Now now, const PublishRequest& request,
                                            std::chrono::seconds expires) {
    Publication publication;
    publication.etag = fresh_tag();
    if (expires.count() == 0) return PublishReceipt{publication.etag, expires};  // published and expired at once
    publication.stamp = next_stamp(now, request.presentity);
    // The id begins with the time, so that composition meets a presentity's publications in the order they began.
    publication.id = fresh_id(publication.stamp);
    auto document = mark_published(request.document, nullptr, publication.stamp);
    if (!document) return tl::make_unexpected(document.error());
    publication.document = std::move(*document);
    PublishReceipt receipt{publication.etag, expires};
    if (auto stored = put(now, request.presentity, std::move(publication), expires); !stored)
        return tl::make_unexpected(stored.error());
    return receipt;
}

Result<PublishReceipt> Publications::update(proto::Now now, const PublishRequest& request,
                                            std::chrono::seconds expires) {
    auto source = sources_.find(request.presentity);
    if (source == sources_.end()) return refuse(Reason::condition_failed, "no publication with this entity tag");
    auto& all = source->second.publications;
    auto found = std::find_if(all.begin(), all.end(), [&](const Publication& p) { return p.etag == request.etag; });
    if (found == all.end()) return refuse(Reason::condition_failed, "no publication with this entity tag");
    PublishReceipt receipt{fresh_tag(), expires};
    if (expires.count() == 0) {
        remove(now, request.presentity, std::string(found->id));
        return receipt;
    }
    if (request.document) {
        Publication next = *found;
        next.etag = receipt.etag;
        next.stamp = next_stamp(now, request.presentity);
        auto document = mark_published(request.document, found->document, next.stamp);
        if (!document) return tl::make_unexpected(document.error());
        next.document = std::move(*document);
        if (auto stored = put(now, request.presentity, std::move(next), expires); !stored)
            return tl::make_unexpected(stored.error());
    } else {
        found->etag = receipt.etag;
        keep(now, request.presentity, *found, expires);
    }
    return receipt;
}

// ---- attached servers

Result<void> Publications::set(proto::Now now, std::string_view owner, const PresentityUri& presentity,
                               proto::DocumentPtr document, std::chrono::seconds expires) {
    std::string id = "+" + std::string(owner);
    if (!document || expires.count() <= 0) {
        remove(now, presentity, id);
        return {};
    }
    if (document->bytes.size() > limits::document_bytes) return refuse(Reason::too_large);
    Publication publication;
    publication.id = std::move(id);
    publication.owner = owner;
    publication.stamp = next_stamp(now, presentity);
    auto marked = mark_published(document, published_as(presentity, publication.id), publication.stamp);
    if (!marked) return tl::make_unexpected(marked.error());
    publication.document = std::move(*marked);
    return put(now, presentity, std::move(publication), std::min(expires, limits_.max_expires));
}

proto::DocumentPtr Publications::published_as(const PresentityUri& presentity, std::string_view id) const {
    auto source = sources_.find(presentity);
    if (source == sources_.end()) return nullptr;
    auto found = find_id(source->second.publications, id);
    return found == source->second.publications.end() ? nullptr : found->document;
}

// ---- the table

/// The wall clock's time, unless something of this presentity's has that stamp already, or (the clock was set back) a
/// later one: what is published last is the newest here.
proto::WallTime Publications::next_stamp(proto::Now now, const PresentityUri& presentity) const {
    proto::WallTime stamp = now.wall;
    if (auto source = sources_.find(presentity); source != sources_.end())
        for (const Publication& p : source->second.publications) stamp = std::max(stamp, p.stamp + proto::Duration{1});
    return stamp;
}

Result<void> Publications::put(proto::Now now, const PresentityUri& presentity, Publication publication,
                               std::chrono::seconds expires) {
    auto source = sources_.find(presentity);
    if (source == sources_.end() && sources_.size() >= limits_.presentities)
        return refuse(Reason::quota, "presentities");
    static const std::vector<Publication> none;
    const auto& before = source == sources_.end() ? none : source->second.publications;
    auto old = find_id(before, publication.id);
    if (old == before.end() && before.size() >= limits::publications_per_presentity)
        return refuse(Reason::quota, "publications of one presentity");

    std::vector<Contribution> contributions{{publication.id, publication.stamp, publication.document}};
    for (const Publication& other : before)
        if (other.id != publication.id && other.id != farewell_id)
            contributions.push_back({other.id, other.stamp, other.document});
    Composition whole = compose(std::move(contributions));
    if (!whole.complete) return refuse(Reason::too_large, "together with what is published already");

    bool is_new = old == before.end();
    auto& entry = sources_[presentity];
    auto place = is_new ? entry.publications.insert(entry.publications.end(), Publication{})
                        : find_id(entry.publications, publication.id);
    unschedule(presentity, *place);
    *place = std::move(publication);
    if (is_new) ++count_;
    keep(now, presentity, *place, expires);
    if (place->id != farewell_id) erase_row(presentity, entry.publications, farewell_id);
    settle(now, presentity, entry, whole.document);
    return {};
}

/// A user's last publication was taken back, or ran out: that user is offline, and it is this node that knows. Watchers
/// are told so for a while; only then is nothing known. (An attached server that falls silent proves nothing of the
/// kind.)
void Publications::say_farewell(proto::Now now, const PresentityUri& presentity) {
    if (farewells_ >= limits_.presentities / limits::farewell_share) return;
    Publication farewell;
    farewell.id = farewell_id;
    farewell.document = offline_document(presentity);
    farewell.stamp = now.wall;
    if (put(now, presentity, std::move(farewell), limits::farewell)) ++farewells_;
}

void Publications::keep(proto::Now now, const PresentityUri& presentity, Publication& publication,
                        std::chrono::seconds left) {
    publication.expires = now.wall + left;
    expire_at(presentity, publication, now.steady + left);
    save(presentity, publication);
}

void Publications::expire_at(const PresentityUri& presentity, Publication& publication, proto::SteadyTime when) {
    unschedule(presentity, publication);
    publication.due = when;
    publication.number = ++last_number_;
    expiries_.insert({when, publication.number, presentity});
}

void Publications::unschedule(const PresentityUri& presentity, const Publication& publication) {
    expiries_.erase({publication.due, publication.number, presentity});
}

void Publications::remove(proto::Now now, const PresentityUri& presentity, std::string_view id) {
    auto source = sources_.find(presentity);
    if (source == sources_.end()) return;
    auto& all = source->second.publications;
    auto found = find_id(all, id);
    if (found == all.end()) return;
    const bool users_own = found->owner.empty() && id != farewell_id;
    erase_row(presentity, all, id);
    if (all.empty() && users_own) say_farewell(now, presentity);
    if (all.empty() || all.front().id != farewell_id) settle(now, presentity, source->second, composed(all));
    if (all.empty()) sources_.erase(source);
}

void Publications::erase_row(const PresentityUri& presentity, std::vector<Publication>& all, std::string_view id) {
    auto found = find_id(all, id);
    if (found == all.end()) return;
    store_.erase(store_tables::publications, join_key(presentity.canonical(), id));
    unschedule(presentity, *found);
    if (id == farewell_id) --farewells_;
    all.erase(found);
    --count_;
}

proto::DocumentPtr Publications::composed(const std::vector<Publication>& publications) {
    std::vector<Contribution> contributions;
    for (const Publication& p : publications) contributions.push_back({p.id, p.stamp, p.document});
    return compose(std::move(contributions)).document;
}

void Publications::settle(proto::Now now, const PresentityUri& presentity, Source& source,
                          proto::DocumentPtr document) {
    bool differs = !proto::same_document(source.document, document);
    source.document = std::move(document);
    if (differs) source.since = now.steady;
    if (differs && changed_set_.insert(presentity).second) changed_.push_back(presentity);
}

void Publications::handle_timeout(proto::Now now) {
    if (wall_ran_ahead(now)) follow_wall(now);
    while (next_expiry() <= now.steady) {
        const Expiry next = *expiries_.begin();
        remove(now, next.presentity, std::string(noted(next).id));
    }
}

Publications::Publication& Publications::noted(const Expiry& expiry) {
    auto& all = sources_.at(expiry.presentity).publications;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Publication& p) { return p.number == expiry.number; });
    PRESMESH_ASSERT(found != all.end());
    return *found;
}

/// By more than limits::wall_step since the two last agreed. One that was set back agrees again at once: nothing is
/// kept for longer than it was granted.
bool Publications::wall_ran_ahead(proto::Now now) {
    looked_at_ = now.steady;
    const proto::Duration ahead = now.wall.time_since_epoch() - now.steady.time_since_epoch();
    const bool ran = ahead - wall_ahead_ > limits::wall_step;
    if (ran || ahead < wall_ahead_) wall_ahead_ = ahead;
    return ran;
}

/// What ran out by the wall clock has run out, though the steady clock stood still, or the wall clock was late when it
/// was restored.
void Publications::follow_wall(proto::Now now) {
    const std::vector<Expiry> before(expiries_.begin(), expiries_.end());  // in order, whatever the table's
    for (const Expiry& expiry : before) {
        Publication& publication = noted(expiry);
        if (!publication.owner.empty() && !publication.restored) continue;
        const auto by_wall = now.steady + (publication.expires - now.wall);
        if (by_wall < publication.due) expire_at(expiry.presentity, publication, by_wall);
    }
}

proto::DocumentPtr Publications::document(const PresentityUri& presentity) const {
    auto source = sources_.find(presentity);
    return source == sources_.end() ? nullptr : source->second.document;
}

proto::SteadyTime Publications::since(const PresentityUri& presentity) const {
    auto source = sources_.find(presentity);
    return source == sources_.end() ? proto::SteadyTime{} : source->second.since;
}

std::vector<PresentityUri> Publications::take_changed() {
    changed_set_.clear();
    return std::exchange(changed_, {});
}

void Publications::mark_changed(std::string_view domain) {
    std::set<PresentityUri> found;  // in order, whatever the table's
    for (const auto& [presentity, source] : sources_)
        if (presentity.domain() == domain) found.insert(presentity);
    for (const PresentityUri& presentity : found)
        if (changed_set_.insert(presentity).second) changed_.push_back(presentity);
}

std::vector<PublicationInfo> Publications::list(const PresentityUri& presentity) const {
    std::vector<PublicationInfo> out;
    auto source = sources_.find(presentity);
    if (source == sources_.end()) return out;
    for (const Publication& p : source->second.publications)
        if (p.id != farewell_id) out.push_back({p.etag, p.owner, p.expires, p.document->bytes.size()});
    return out;
}

// ---- restarts

void Publications::save(const PresentityUri& presentity, const Publication& publication) {
    proto::MsgpackWriter out;
    out.array(6).uint(row_version).str(publication.etag).str(publication.owner);
    out.sint(micros(publication.expires)).sint(micros(publication.stamp)).bin(publication.document->bytes);
    store_.put(store_tables::publications, join_key(presentity.canonical(), publication.id), out.bytes());
}

void Publications::load(proto::Now now) {
    wall_ran_ahead(now);
    std::vector<std::string> dead;
    store_.each(store_tables::publications, {}, [&](std::string_view key, proto::BytesView value) {
        if (!restore(now, key, value)) dead.emplace_back(key);
    });
    for (const std::string& key : dead) store_.erase(store_tables::publications, key);
    // What changed last comes last, and is announced first; the map's own order must not reach the overlay.
    std::vector<std::pair<proto::WallTime, PresentityUri>> order;
    for (const auto& [presentity, source] : sources_) {
        const auto latest = std::max_element(source.publications.begin(), source.publications.end(),
                                             [](const auto& a, const auto& b) { return a.stamp < b.stamp; });
        order.emplace_back(latest->stamp, presentity);
    }
    std::sort(order.begin(), order.end());
    for (const auto& [stamp, name] : order) settle(now, name, sources_[name], composed(sources_[name].publications));
}

bool Publications::restore(proto::Now now, std::string_view key, proto::BytesView value) {
    auto [name, id] = split_key(key);
    auto presentity = PresentityUri::from_canonical(name);
    proto::MsgpackReader in(value);
    if (in.array(6) != 6 || in.uint() != row_version || !presentity || id.empty()) return false;
    Publication publication;
    publication.id = id;
    publication.etag = in.str(limits::saved_tag_bytes);
    publication.owner = in.str(limits::saved_owner_bytes);
    publication.expires = from_micros(in.sint());
    publication.stamp = from_micros(in.sint());
    auto document = proto::Document::read(in.bin(limits::document_bytes));
    if (!in.finish() || !document || publication.expires <= now.wall) return false;
    publication.document = *document;
    publication.restored = true;
    // A wall clock that was set back must not keep anything for longer than it could have been granted.
    auto left = std::min<proto::Duration>(publication.expires - now.wall, limits_.max_expires);
    expire_at(*presentity, publication, now.steady + left);
    if (publication.id == farewell_id) ++farewells_;
    sources_[*presentity].publications.push_back(std::move(publication));
    ++count_;
    return true;
}

// Both are at most 15 characters long, so that a std::string holds them without room of its own: a node has 100,000.

std::string Publications::fresh_tag() {
    std::array<std::uint8_t, 8> bytes{};
    random_.fill(bytes);
    return ordered_text(bytes);
}

std::string Publications::fresh_id(proto::WallTime stamp) {
    std::array<std::uint8_t, 11> bytes{};
    const auto time = static_cast<std::uint64_t>(micros(stamp));
    for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(time >> (56 - 8 * i));
    random_.fill(std::span(bytes).subspan(8));
    return ordered_text(bytes);
}

}  // namespace presmesh::node
