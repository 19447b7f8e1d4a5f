#include "node/compose.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <tuple>

#include "proto/identity.hpp"
#include "proto/limits.hpp"

namespace presmesh::node {

using overlay::Liveness;
using overlay::SourceView;
using proto::Device;
using proto::Person;
using proto::Presence;
using proto::Service;
using proto::WallTime;

namespace {

/// An element with what decides which of two versions is the newer one.
template <typename Element>
struct Version {
    Element element;
    WallTime stamp;
    std::size_t origin;  ///< place of its contribution in the order of origins

    bool newer_than(const Version& other) const { return age() > other.age(); }

  private:
    std::tuple<WallTime, WallTime, std::size_t> age() const {
        return {element.timestamp.value_or(WallTime{}), stamp, origin};
    }
};

bool same_person(Person one, Person other) {
    one.id = other.id;
    one.timestamp = other.timestamp;
    return one == other;
}

template <typename Value>
void add_different(std::vector<Value>& all, const std::vector<Value>& more) {
    for (const Value& value : more)
        if (std::find(all.begin(), all.end(), value) == all.end()) all.push_back(value);
}

/// The first of an id keeps it; later ones get the first free "id-N". Ids that anyone came with are never given away.
template <typename Element>
void make_ids_unique(std::vector<Element>& elements) {
    std::set<std::string> taken;
    for (const Element& element : elements) taken.insert(element.id);
    std::set<std::string> seen;
    for (Element& element : elements) {
        if (seen.insert(element.id).second) continue;
        std::string candidate;
        for (int n = 2; candidate.empty() || taken.contains(candidate); ++n)
            candidate = element.id + "-" + std::to_string(n);
        taken.insert(candidate);
        element.id = std::move(candidate);
    }
}

class Composer {
  public:
    void add(const Contribution& contribution) {
        const Presence& presence = contribution.document->presence;
        for (const Service& service : presence.services) add_service({service, contribution.stamp, origins_});
        for (const Person& person : presence.persons) add_person({person, contribution.stamp, origins_});
        for (const Device& device : presence.devices) add_device({device, contribution.stamp, origins_});
        add_different(whole_.notes, presence.notes);
        add_different(whole_.extensions, presence.extensions);
        ++origins_;
    }

    bool within_limits() const {
        using namespace proto::limits;
        return services_.size() <= services_per_document && persons_.size() <= services_per_document &&
               devices_.size() <= services_per_document && whole_.notes.size() <= notes_per_element &&
               whole_.extensions.size() <= extensions_per_element;
    }

    proto::Result<proto::DocumentPtr> finish() {
        for (auto& version : services_) whole_.services.push_back(std::move(version.element));
        for (auto& version : persons_) whole_.persons.push_back(std::move(version.element));
        for (auto& version : devices_) whole_.devices.push_back(std::move(version.element));
        make_ids_unique(whole_.services);
        make_ids_unique(whole_.persons);
        make_ids_unique(whole_.devices);
        return proto::Document::make(std::move(whole_));
    }

  private:
    /// Puts `next` in the place of the version it is a version of, or at the end.
    template <typename Element, typename Same>
    void merge(std::vector<Version<Element>>& versions, Version<Element> next, Same same) {
        for (auto& known : versions) {
            if (known.origin == next.origin || !same(known.element, next.element)) continue;
            if (next.newer_than(known)) known = std::move(next);
            return;
        }
        versions.push_back(std::move(next));
    }

    void add_service(Version<Service> next) {
        merge(services_, std::move(next), [](const Service& a, const Service& b) {
            return a.id == b.id && ((!a.contact.empty() && a.contact == b.contact) || a == b);
        });
    }
    void add_person(Version<Person> next) { merge(persons_, std::move(next), same_person); }
    void add_device(Version<Device> next) {
        merge(devices_, std::move(next), [](const Device& a, const Device& b) {
            return (!a.device_id.empty() && a.device_id == b.device_id) || a == b;
        });
    }

    std::vector<Version<Service>> services_;
    std::vector<Version<Person>> persons_;
    std::vector<Version<Device>> devices_;
    Presence whole_;
    std::size_t origins_ = 0;
};

proto::DocumentPtr compose_exactly(std::span<const Contribution> contributions) {
    Composer composer;
    for (const Contribution& contribution : contributions) {
        composer.add(contribution);
        if (!composer.within_limits()) return nullptr;
    }
    auto document = composer.finish();
    return document ? *document : nullptr;
}

bool all_equal(const std::vector<Contribution>& contributions) {
    return std::all_of(contributions.begin(), contributions.end(), [&](const Contribution& c) {
        return c.document->digest == contributions.front().document->digest;
    });
}

std::string_view origin_of(const SourceView& source) {
    return proto::as_text(source.node);
}

Liveness best_liveness(const std::vector<const SourceView*>& sources) {
    Liveness best = Liveness::unknown;
    for (const SourceView* source : sources) best = std::min(best, source->liveness);
    return best;
}

std::vector<const SourceView*> with_state(const std::vector<SourceView>& sources, overlay::WatchState state) {
    std::vector<const SourceView*> out;
    for (const SourceView& source : sources)
        if (source.state == state) out.push_back(&source);
    return out;
}

translators::View view_of_active(std::vector<const SourceView*> active) {
    translators::View view;
    view.state = translators::WatchState::active;
    std::vector<const SourceView*> shown;
    std::copy_if(active.begin(), active.end(), std::back_inserter(shown),
                 [](auto* source) { return source->document; });
    Liveness best = best_liveness(shown.empty() ? active : shown);
    view.liveness = best;
    std::vector<Contribution> contributions;
    for (const SourceView* source : shown)
        if (best == Liveness::unknown || source->liveness != Liveness::unknown)
            contributions.push_back({std::string(origin_of(*source)), {}, source->document});
    view.document = compose(std::move(contributions)).document;
    return view;
}

}  // namespace

Composition compose(std::vector<Contribution> contributions) {
    std::erase_if(contributions, [](const Contribution& c) { return !c.document; });
    if (contributions.empty()) return {};
    if (contributions.size() == 1 || all_equal(contributions)) return {contributions.front().document, true};
    std::sort(contributions.begin(), contributions.end(), [](const Contribution& a, const Contribution& b) {
        return std::tie(a.origin, a.document->digest, a.stamp) < std::tie(b.origin, b.document->digest, b.stamp);
    });
    std::span<const Contribution> rest(contributions);
    for (bool complete = true; rest.size() > 1; rest = rest.first(rest.size() - 1), complete = false)
        if (auto document = compose_exactly(rest)) return {document, complete};
    return {contributions.front().document, false};
}

translators::View compose_view(const std::vector<SourceView>& sources) {
    if (auto active = with_state(sources, overlay::WatchState::active); !active.empty()) return view_of_active(active);
    translators::View view;
    auto pending = with_state(sources, overlay::WatchState::pending);
    view.liveness = best_liveness(pending);
    if (!pending.empty() || sources.empty()) return view;
    auto terminated = with_state(sources, overlay::WatchState::terminated);
    auto first = *std::min_element(terminated.begin(), terminated.end(), [](auto* a, auto* b) {
        return std::tie(a->node, a->reason) < std::tie(b->node, b->reason);
    });
    view.state = translators::WatchState::terminated;
    view.reason = first->reason;
    view.liveness = best_liveness(terminated);
    return view;
}

proto::DocumentPtr offline_document(const proto::PresentityUri& presentity) {
    auto digest = proto::blake2b_256(proto::as_bytes("presmesh offline tuple " + presentity.canonical()));
    Service service;
    service.id = "t" + proto::to_hex(proto::BytesView(digest).first(4));
    service.basic = proto::Basic::closed;
    Presence presence;
    presence.services.push_back(std::move(service));
    auto document = proto::Document::make(std::move(presence));
    return document ? *document : nullptr;
}

bool same_view(const translators::View& one, const translators::View& other) {
    if (one.state != other.state || one.reason != other.reason || one.liveness != other.liveness) return false;
    if (one.document == other.document) return true;
    return one.document && other.document && one.document->digest == other.document->digest;
}

}  // namespace presmesh::node
