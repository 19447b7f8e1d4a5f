// Whatever the attached server and the host say in whatever order: presence goes to approved subscribers alone, and
// what is published was sent to everybody who is let in.
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;

namespace {

const std::vector<std::string> contacts{"juliet@x.example", "nurse@x.example"};
const std::vector<std::string> users{"alice@a.example", "bob@k.example"};

/// What the contacts' server, the users and the host do; what may be seen is kept apart from the translator, in plain
/// sets.
struct Play {
    XmppWorld world;
    int shown = 0;
    std::set<std::pair<std::string, std::string>>
        approved;  ///< (contact, user): the host said active since it was asked

    Play() {
        world.host.allow_by_default = false;
        world.connect();
    }

    void act(int what, const std::string& contact, const std::string& user) {
        static const std::vector<std::string> types{"subscribe", "subscribed", "unsubscribe", "unsubscribed",
                                                    "probe",     "",           "unavailable", "error"};
        if (what < 8) return feed(types[static_cast<std::size_t>(what)], contact, user);
        switch (what) {
            case 8:
                return show(user, tr::WatchState::active, "");
            case 9:
                return show(user, tr::WatchState::pending, "");
            case 10:
                return show(user, tr::WatchState::terminated, "rejected");
            case 11:
                return show(user, tr::WatchState::terminated, "giveup");
            case 12:
                return world.wanted(contact, user);
            case 13:
                world.host.decisions.erase({contact, user});  // as the node does when a watch ends
                return world.unwanted(contact, user);
            case 14:
                return world.wait(std::chrono::seconds{15});
            case 15:
                return world.drop(), world.connect();
            default:
                world.host.decisions.clear();
                world.host.documents.clear();
                return world.boot(), world.connect();
        }
    }
    void feed(const std::string& type, const std::string& contact, const std::string& user) {
        const auto attribute = type.empty() ? "" : " type='" + type + "'";
        const auto note = "from " + contact + (*rc::gen::element(0, 1) == 0 ? "" : " for " + user);
        world.feed("<presence from='" + contact + "/r' to='" + user + "'" + attribute + "><status>" + note +
                   "</status></presence>");
        if (type.empty() || type == "unavailable") told[{contact, user}].insert(type + note);
    }

    std::map<std::pair<std::string, std::string>, std::set<std::string>> told;  ///< what the server sent to each, ever
    /// Who is let in was sent what is published, unless it is but "not there".
    void check_published(const std::string& contact, const proto::Presence& presence) {
        for (const auto& [who, decision] : world.host.decisions) {
            if (who.first != contact || decision.first != tr::WatchState::active) continue;
            for (const auto& service : presence.services) {
                const std::string type = service.basic == proto::Basic::closed ? "unavailable" : "";
                for (const auto& note : service.notes) RC_ASSERT(told[who].contains(type + note.text));
            }
        }
    }
    void show(const std::string& user, tr::WatchState state, const std::string& reason) {
        proto::Presence presence;
        presence.services.emplace_back();
        presence.services.back().id = "phone";
        presence.services.back().basic = proto::Basic::open;
        presence.services.back().notes = {{"", std::to_string(++shown)}};  // each is news
        for (const auto& contact : contacts)
            for (const auto& [id, watch] : world.host.watches)
                if (watch.watcher.canonical() == contact && watch.presentity.canonical() == user) {
                    if (state == tr::WatchState::active) approved.insert({contact, user});
                }
        auto document = state == tr::WatchState::active ? proto::Document::make(std::move(presence)).value() : nullptr;
        world.show(user, {state, reason, tr::Liveness::live, document});
    }

    /// Seen from outside: the last word between the two was "subscribed".
    std::set<std::pair<std::string, std::string>> subscribed;
    void follow() {
        for (const auto& stanza : world.sent) {
            const std::pair who{std::string(xm::split_jid(stanza.get("to")).bare),
                                std::string(xm::split_jid(stanza.get("from")).bare)};
            if (stanza.get("type") == "subscribed") subscribed.insert(who);
            if (stanza.get("type") == "unsubscribed") subscribed.erase(who);
            if (stanza.get("type").empty() && stanza.name == "presence") {
                RC_ASSERT(subscribed.contains(who));
                RC_ASSERT(approved.contains(who));
            }
        }
        world.sent.clear();
    }
};

}  // namespace

TEST_CASE("no order of events shows anything to somebody who is not subscribed") {
    CHECK(rc::check([] {
        Play play;
        const auto length = *rc::gen::resize(100, rc::gen::inRange(1, 120));
        for (int i = 0; i < length; ++i) {
            const auto what = *rc::gen::resize(100, rc::gen::inRange(0, 17));
            const auto& contact = contacts[*rc::gen::weightedElement<std::size_t>({{3, 0}, {1, 1}})];
            const auto& user = users[*rc::gen::weightedElement<std::size_t>({{3, 0}, {1, 1}})];
            play.act(what, contact, user);
            play.follow();
            // What is published of a contact is its own, and only while somebody approved watches.
            for (const auto& [name, document] : play.world.host.documents) {
                if (!document || name.domain() != "x.example") continue;
                for (const auto presence = document->presence(); const auto& service : presence.services)
                    for (const auto& note : service.notes) RC_ASSERT(note.text.starts_with("from " + name.canonical()));
                play.check_published(name.canonical(), document->presence());
                bool any = false;
                for (const auto& [who, decision] : play.world.host.decisions)
                    any = any || (who.first == name.canonical() && decision.first == tr::WatchState::active);
                RC_ASSERT(any);
            }
        }
    }));
}
