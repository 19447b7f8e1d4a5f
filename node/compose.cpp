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
        return {element.timestamp.value_or(WallTime{}), element.published.value_or(stamp), origin};
    }
};

/// Whenever they were published.
template <typename Element>
bool equal(Element one, const Element& other) {
    one.published = other.published;
    return one == other;
}

bool same_person(Person one, const Person& other) {
    one.id = other.id;
    one.timestamp = other.timestamp;
    return equal(std::move(one), other);
}

template <typename Element>
void mark(std::vector<Element>& elements, const std::vector<Element>& before, WallTime now) {
    for (Element& element : elements) {
        const auto old =
            std::find_if(before.begin(), before.end(), [&](const Element& e) { return equal(element, e); });
        element.published = old == before.end() ? now : old->published;
    }
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
        const Presence presence = contribution.document->presence();
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
            return a.id == b.id && ((!a.contact.empty() && a.contact == b.contact) || equal(a, b));
        });
    }
    void add_person(Version<Person> next) { merge(persons_, std::move(next), same_person); }
    void add_device(Version<Device> next) {
        merge(devices_, std::move(next), [](const Device& a, const Device& b) {
            return (!a.device_id.empty() && a.device_id == b.device_id) || equal(a, b);
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

bool is_unknown(const SourceView* source) {
    return source->liveness == Liveness::unknown;
}

/// The user's no, from a node that is there.
bool is_rejection(const SourceView& source) {
    return source.state == overlay::WatchState::terminated && source.reason == "rejected" && !is_unknown(&source);
}

/// What is said by nodes that are gone: nothing, where another one knows better. That a user has nothing published at
/// another node is no better knowledge of one whose node was still heard when that was so.
void drop_unknown(std::vector<const SourceView*>& shown, const proto::Digest& farewell) {
    if (std::all_of(shown.begin(), shown.end(), is_unknown)) return;
    const auto knows_better = [&](const SourceView* gone, const SourceView* source) {
        return !is_unknown(source) && (source->document->digest != farewell || source->since > gone->heard);
    };
    const auto all = shown;
    std::erase_if(shown, [&](const SourceView* gone) {
        return is_unknown(gone) && std::any_of(all.begin(), all.end(),
                                               [&](const SourceView* source) { return knows_better(gone, source); });
    });
}

/// Leaves out the sources that merely say that the user is offline there, unless that is all anybody says.
void drop_farewells(std::vector<const SourceView*>& shown, const proto::Digest& farewell) {
    const auto is_farewell = [&](const SourceView* source) { return source->document->digest == farewell; };
    if (!std::all_of(shown.begin(), shown.end(), is_farewell)) std::erase_if(shown, is_farewell);
}

translators::View view_of_active(const std::vector<const SourceView*>& active, const proto::PresentityUri& presentity) {
    translators::View view;
    view.state = translators::WatchState::active;
    std::vector<const SourceView*> shown;
    std::copy_if(active.begin(), active.end(), std::back_inserter(shown),
                 [](auto* source) { return source->document; });
    if (shown.size() > 1) {
        const auto farewell = offline_document(presentity)->digest;
        drop_unknown(shown, farewell);
        drop_farewells(shown, farewell);
    }
    view.liveness = best_liveness(shown.empty() ? active : shown);
    std::vector<Contribution> contributions;
    for (const SourceView* source : shown)
        contributions.push_back({std::string(origin_of(*source)), {}, source->document});
    view.document = compose(std::move(contributions)).document;
    return view;
}

}  // namespace

proto::Result<proto::DocumentPtr> mark_published(const proto::DocumentPtr& document, const proto::DocumentPtr& before,
                                                 WallTime now) {
    const Presence old = before ? before->presence() : Presence{};
    Presence marked = document->presence();
    mark(marked.services, old.services, now);
    mark(marked.persons, old.persons, now);
    mark(marked.devices, old.devices, now);
    return proto::Document::make(std::move(marked));
}

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

translators::View compose_view(const std::vector<SourceView>& sources, const proto::PresentityUri& presentity) {
    auto active = with_state(sources, overlay::WatchState::active);
    // What a node that is gone allowed once outweighs no such answer.
    if (std::any_of(sources.begin(), sources.end(), is_rejection)) std::erase_if(active, is_unknown);
    if (!active.empty()) return view_of_active(active, presentity);
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
    return one.state == other.state && one.reason == other.reason && one.liveness == other.liveness &&
           proto::same_document(one.document, other.document);
}

}  // namespace presmesh::node
