// presmesh federation: the file that all providers share, made and changed without an editor, checked before it is
// written.
#include <algorithm>

#include "node/cli/arguments.hpp"
#include "node/cli/commands.hpp"
#include "node/daemon/files.hpp"
#include "node/daemon/material.hpp"
#include "node/daemon/printable.hpp"
#include "node/daemon/system.hpp"
#include "proto/rfc3339.hpp"
#include "proto/uri.hpp"

namespace presmesh::cli {

namespace {

using proto::Federation;
using proto::Member;
using proto::Reason;
using proto::refuse;
using proto::Result;

struct Asked {
    std::string file = "federation.toml";
    std::string domain;
    std::string other;  ///< a key, an entry file, a delegate, a node
    std::vector<std::string> bootstrap;
    std::string only;  ///< of a file with several members, the one that is meant
    bool replace_key = false;
    std::string domain_key = "domain.key";
    int days = 365;
};
using AskedPtr = std::shared_ptr<Asked>;

std::optional<Federation> load(const Options& options, const std::string& file) {
    std::vector<daemon::FileFaultAt> faults;
    auto federation = daemon::load_federation(file, faults);
    if (federation) return *federation;
    Json list = Json::array();
    for (const auto& fault : faults) {
        list.push_back({{"file", fault.file}, {"line", fault.line}, {"text", fault.text}});
        if (!options.json) std::cerr << daemon::printable(fault.to_string()) << "\n";
    }
    if (options.json) std::cerr << dump({{"error", "malformed"}, {"faults", list}}) << "\n";
    return std::nullopt;
}

int save(const Options& options, const std::string& file, const Federation& federation, const std::string& text) {
    const auto toml = federation.to_toml();
    if (const auto again = Federation::parse(toml); !again)
        return refused(options, "the change would make a faulty file: " + again.error().front().text);
    if (auto written = daemon::write_file(file, toml, daemon::FileMode::secret, true); !written)
        return refused(options, written.error());
    return done(options, {{"file", file}, {"members", federation.members.size()}, {"done", text}}, text + "\n");
}

int create(const Options& options, const Asked& asked) {
    Federation federation;
    daemon::SystemRandom random;
    random.fill(federation.key);
    if (auto written = daemon::write_file(asked.file, federation.to_toml(), daemon::FileMode::secret, false); !written)
        return refused(options, written.error());
    return done(options, {{"file", asked.file}},
                "made " + asked.file + " with a key of its own; its copies must stay among the members\n");
}

/// The member that `add` is about, from a domain, key and addresses.
Result<Member> member_of_words(const Asked& asked) {
    auto domain = proto::canonical_domain(asked.domain);
    if (!domain) return tl::make_unexpected(domain.error());
    const auto key = proto::from_hex(asked.other);
    Member member;
    if (key.size() != member.key.size())
        return refuse(Reason::malformed, "the domain's key must be 64 hexadecimal digits");
    std::copy(key.begin(), key.end(), member.key.begin());
    member.domain = *domain;
    return member;
}

/// The same from a provider's own federation file (what its init made). A file of several members would bring in what
/// its owner knows of all the others: which one is meant has to be said.
Result<Member> member_of_file(const Asked& asked, const Federation& theirs) {
    if (asked.only.empty() && theirs.members.size() != 1) {
        return refuse(Reason::forbidden, asked.domain + " has " + std::to_string(theirs.members.size()) +
                                             " members: say --domain and the one that is meant");
    }
    const auto* member = asked.only.empty() ? &theirs.members.begin()->second : theirs.find(asked.only);
    if (member == nullptr) return refuse(Reason::not_found, asked.only + " is no member in " + asked.domain);
    return *member;
}

/// What is known of a member already holds on: nobody's node comes back because its provider was added again.
Member merged(const Member& known, Member fresh) {
    fresh.revoked.insert(known.revoked.begin(), known.revoked.end());
    if (fresh.bootstrap.empty()) fresh.bootstrap = known.bootstrap;
    if (fresh.key != known.key) return fresh;  // the old key's delegations have ended with it
    fresh.undelegated.insert(known.undelegated.begin(), known.undelegated.end());
    auto delegations = known.delegations;
    for (auto& delegation : fresh.delegations) {
        if (std::find(delegations.begin(), delegations.end(), delegation) == delegations.end())
            delegations.push_back(std::move(delegation));
    }
    fresh.delegations = std::move(delegations);
    return fresh;
}

/// What the member delegated to `delegate` counts no more, wherever this file is merged with another.
bool take_back(Member& member, const std::string& delegate) {
    bool any = false;
    for (const auto& delegation : member.delegations) {
        if (delegation.delegate != delegate) continue;
        member.undelegated.insert(proto::delegation_id(delegation));
        any = true;
    }
    return any;
}

int add(const Options& options, const Asked& asked) {
    auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const bool in_words = !asked.other.empty();
    if (in_words && !asked.only.empty()) return misused(options, "--domain chooses from a file; there is none here");
    const auto theirs = in_words ? Federation() : load(options, asked.domain);
    if (!theirs) return exit_refused;
    auto member = in_words ? member_of_words(asked) : member_of_file(asked, *theirs);
    if (!member) return in_words ? misused(options, member.error()) : refused(options, member.error());
    if (!asked.bootstrap.empty()) member->bootstrap = asked.bootstrap;
    if (const auto* known = federation->find(member->domain)) {
        if (known->key != member->key && !asked.replace_key) {
            return refused(options,
                           {Reason::conflict, member->domain + " is a member with another key (" +
                                                  proto::to_hex(known->key).substr(0, 16) +
                                                  "...): --replace-key if its provider has told you of a new one"});
        }
        *member = merged(*known, std::move(*member));
    }
    federation->add(*member);
    return save(options, asked.file, *federation, "added " + member->domain);
}

int remove(const Options& options, const Asked& asked) {
    auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const auto* member = federation->find(asked.domain);
    if (member == nullptr) return refused(options, asked.domain + " is no member");
    Federation rest;
    rest.key = federation->key;
    std::string dropped;
    for (auto [domain, one] : federation->members) {
        if (domain == member->domain) continue;
        if (take_back(one, member->domain)) dropped += (dropped.empty() ? "" : ", ") + domain;
        rest.add(std::move(one));
    }
    return save(options, asked.file, rest,
                "removed " + member->domain + (dropped.empty() ? "" : ", and what was delegated to it by " + dropped));
}

int show(const Options& options, const Asked& asked) {
    const auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const auto now = daemon::system_now().wall;
    Json members = Json::array();
    std::string text;
    for (const auto& [domain, member] : federation->members) {
        Json delegates = Json::array();
        Json delegations = Json::array();
        std::string ends;
        for (const auto& delegation : member.delegations) {
            const auto until = proto::to_rfc3339(delegation.not_after);
            delegates.push_back(delegation.delegate);
            delegations.push_back({{"delegate", delegation.delegate}, {"until", until}});
            ends += "  its users may be published by " + delegation.delegate +
                    (delegation.not_after < now ? ", which ended " : " until ") + until + "\n";
        }
        members.push_back({{"domain", domain},
                           {"key", proto::to_hex(member.key)},
                           {"bootstrap", member.bootstrap},
                           {"revoked", member.revoked.size()},
                           {"delegates", delegates},
                           {"delegations", delegations}});
        text += domain + "  " + proto::to_hex(member.key).substr(0, 16) + "...";
        for (const auto& entry : member.bootstrap) text += "  " + entry;
        if (!member.revoked.empty()) text += "  (" + std::to_string(member.revoked.size()) + " nodes revoked)";
        text += "\n" + ends;
    }
    const auto digest = daemon::federation_digest(*federation);
    return done(options, {{"file", asked.file}, {"digest", digest}, {"members", members}},
                text + "digest " + digest + " (the same at every member)\n");
}

int check(const Options& options, const Asked& asked) {
    if (!load(options, asked.file)) return exit_refused;
    return done(options, {{"file", asked.file}, {"ok", true}}, asked.file + " is fine\n");
}

int revoke(const Options& options, const Asked& asked) {
    auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const auto* found = federation->find(asked.domain);
    if (found == nullptr) return refused(options, asked.domain + " is no member");
    const auto id = proto::from_hex(asked.other);
    proto::NodeId node{};
    if (id.size() != node.size())
        return misused(options, "a node is named by 40 hexadecimal digits (see presmesh status)");
    std::copy(id.begin(), id.end(), node.begin());
    auto member = *found;
    member.revoked.insert(node);
    federation->add(member);
    return save(options, asked.file, *federation, "revoked node " + asked.other + " of " + member.domain);
}

int delegate(const Options& options, const Asked& asked) {
    auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const auto* found = federation->find(asked.domain);
    auto other = proto::canonical_domain(asked.other);
    if (found == nullptr) return refused(options, asked.domain + " is no member");
    if (!other || federation->find(*other) == nullptr) return refused(options, asked.other + " is no member");
    if (*other == found->domain) return misused(options, *other + " may publish for its own users anyway");
    const auto key = daemon::read_key(asked.domain_key, "domain key");
    if (!key) return refused(options, asked.domain_key + ": " + key.error().detail);
    if (key->public_key() != found->key)
        return refused(options, asked.domain_key + " is not the key of " + found->domain);
    const auto now = proto::wall_from_seconds(proto::to_seconds(daemon::system_now().wall) - 3600);
    auto member = *found;
    // One at a time: a new one may end earlier than the one it replaces.
    take_back(member, *other);
    member.delegations.push_back(
        proto::Delegation::issue(*key, member.domain, *other, now, now + std::chrono::hours{24 * asked.days}));
    federation->add(member);
    return save(options, asked.file, *federation, *other + " may publish for users of " + member.domain);
}

int undelegate(const Options& options, const Asked& asked) {
    auto federation = load(options, asked.file);
    if (!federation) return exit_refused;
    const auto* found = federation->find(asked.domain);
    if (found == nullptr) return refused(options, asked.domain + " is no member");
    const auto other = proto::canonical_domain(asked.other).value_or(asked.other);
    auto member = *found;
    if (!take_back(member, other))
        return refused(options, {Reason::not_found, member.domain + " has delegated nothing to " + other});
    federation->add(member);
    return save(options, asked.file, *federation,
                other + " may publish for users of " + member.domain + " no more, once every member has this file");
}

using Action = int (*)(const Options&, const Asked&);

CLI::App* add_action(CLI::App& parent, const Options& options, Run& run, const AskedPtr& asked, const char* name,
                     const char* about, Action action) {
    auto* command = parent.add_subcommand(name, about);
    command->add_option("FILE", asked->file, "the federation file")->required();
    command->callback(
        [&options, &run, asked, action] { run = [&options, asked, action] { return action(options, *asked); }; });
    return command;
}

}  // namespace

void add_federation(CLI::App& app, const Options& options, Run& run) {
    const auto asked = std::make_shared<Asked>();
    const auto domain = CLI::Validator(is_domain, "");
    auto* group = app.add_subcommand("federation", "make, change and check a federation file");
    group->require_subcommand(1);
    add_action(*group, options, run, asked, "new", "an empty federation with a key of its own", create);
    auto* adding =
        add_action(*group, options, run, asked, "add", "add a member: its init's federation.toml, or DOMAIN KEY", add);
    adding->add_option("MEMBER", asked->domain, "a provider's federation.toml, or its domain")->required();
    adding->add_option("KEY", asked->other, "with a domain: its public key in hexadecimal");
    adding->add_option("--bootstrap", asked->bootstrap, "host:port of one of its nodes; may be said again")
        ->check(CLI::Validator(is_bootstrap, ""));
    adding->add_option("--domain", asked->only, "of a file with several members, the one to add")->check(domain);
    adding->add_flag("--replace-key", asked->replace_key,
                     "the domain has a new key: what was signed with the old one counts no more");
    add_action(*group, options, run, asked, "remove", "end a membership", remove)
        ->add_option("DOMAIN", asked->domain, "the member that goes")
        ->required()
        ->check(domain);
    add_action(*group, options, run, asked, "show", "list the members", show);
    add_action(*group, options, run, asked, "check", "say every fault of a file", check);
    auto* revoking = add_action(*group, options, run, asked, "revoke", "take a node's certificate back", revoke);
    revoking->add_option("DOMAIN", asked->domain, "whose node it is")->required()->check(domain);
    revoking->add_option("NODE", asked->other, "its id, 40 hexadecimal digits")->required();
    auto* delegating =
        add_action(*group, options, run, asked, "delegate", "let another member publish for our users", delegate);
    delegating->add_option("DOMAIN", asked->domain, "whose users")->required()->check(domain);
    delegating->add_option("DELEGATE", asked->other, "who may publish for them")->required()->check(domain);
    delegating->add_option("--domain-key", asked->domain_key, "file with DOMAIN's secret key")->capture_default_str();
    delegating->add_option("--days", asked->days, "how long it holds")
        ->capture_default_str()
        ->check(CLI::Range(1, 3650));
    auto* taking_back = add_action(*group, options, run, asked, "undelegate", "end what delegate allowed", undelegate);
    taking_back->add_option("DOMAIN", asked->domain, "whose users")->required()->check(domain);
    taking_back->add_option("DELEGATE", asked->other, "who may publish for them no more")->required()->check(domain);
}

}  // namespace presmesh::cli
