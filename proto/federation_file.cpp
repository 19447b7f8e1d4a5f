#include <toml++/toml.h>
#include <algorithm>
#include <charconv>

#include "proto/federation.hpp"
#include "proto/uri.hpp"

namespace presmesh::proto {

namespace {

using Names = std::vector<std::string_view>;
using Faults = std::vector<FileFault>;

int line_of(const toml::node& node) {
    return static_cast<int>(node.source().begin.line);
}

// How many insertions, removals and replacements lie between two words.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
        }
    }
    return row.back();
}

std::string joined(std::string_view key, std::string_view what) {
    std::string out(key);
    out += what;
    return out;
}

std::string unknown_key(std::string_view key, const Names& known) {
    std::string text = "unknown key \"" + std::string(key.substr(0, 64)) + "\"";
    for (std::string_view name : known)
        if (key.size() < 64 && edit_distance(key, name) <= 2)
            return text + "; did you mean \"" + std::string(name) + "\"?";
    return text;
}

std::string quoted(std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out = "\"";
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') out += '\\';
        if (byte < 0x20 || byte == 0x7f)
            out += {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
        else
            out += c;
    }
    return out + '"';
}

std::string quoted_list(const std::vector<std::string>& items) {
    std::string out = "[";
    for (const auto& item : items) out += (out.size() > 1 ? ", " : "") + quoted(item);
    return out + "]";
}

// Reads the tables and collects every fault on the way.
class FileReader {
  public:
    Faults faults;

    Federation read(const toml::table& file) {
        file_ = &file;
        known_keys(file, {"federation_key", "member"});
        Federation out;
        fixed_hex(file, "federation_key", out.key);
        if (const toml::node* node = file.get("member")) read_members(*node, out);
        return out;
    }

  private:
    const toml::table* file_ = nullptr;

    void fault(int line, std::string text) { faults.push_back({line, std::move(text)}); }

    void known_keys(const toml::table& table, const Names& known) {
        for (const auto& entry : table) {
            std::string_view key = entry.first.str();
            if (std::find(known.begin(), known.end(), key) == known.end())
                fault(static_cast<int>(entry.first.source().begin.line), unknown_key(key, known));
        }
    }

    const std::string* string_of(const toml::node& node, std::string_view key) {
        if (const auto* text = node.as_string()) return &text->get();
        fault(line_of(node), joined(key, ": a string is needed"));
        return nullptr;
    }

    const toml::node* needed(const toml::table& table, std::string_view key) {
        const toml::node* node = table.get(key);
        if (node == nullptr) fault(&table == file_ ? 0 : line_of(table), joined(key, " is missing"));
        return node;
    }

    template <std::size_t N>
    bool fixed_hex(const toml::node& node, std::string_view key, std::array<std::uint8_t, N>& out) {
        const std::string* text = string_of(node, key);
        if (text == nullptr) return false;
        Bytes bytes = from_hex(*text);
        if (bytes.size() != N) {
            fault(line_of(node), joined(key, ": " + std::to_string(2 * N) + " hexadecimal digits are needed"));
            return false;
        }
        std::copy(bytes.begin(), bytes.end(), out.begin());
        return true;
    }

    template <std::size_t N>
    bool fixed_hex(const toml::table& table, std::string_view key, std::array<std::uint8_t, N>& out) {
        const toml::node* node = needed(table, key);
        return node != nullptr && fixed_hex(*node, key, out);
    }

    template <typename Each>
    void each_of(const toml::table& table, std::string_view key, Each&& each) {
        const toml::node* node = table.get(key);
        if (node == nullptr) return;
        const toml::array* list = node->as_array();
        if (list == nullptr) return fault(line_of(*node), joined(key, ": a list is needed"));
        for (const toml::node& item : *list) each(item);
    }

    void read_members(const toml::node& node, Federation& out) {
        const toml::array* list = node.as_array();
        if (list == nullptr) return fault(line_of(node), "member: write [[member]], once for each domain");
        for (const toml::node& item : *list) {
            if (const toml::table* table = item.as_table())
                read_member(*table, out);
            else
                fault(line_of(item), "member: write [[member]], once for each domain");
        }
    }

    void read_member(const toml::table& table, Federation& out) {
        known_keys(table, {"domain", "key", "bootstrap", "revoked", "delegations", "undelegated"});
        Member member;
        bool named = read_domain(table, member);
        bool keyed = fixed_hex(table, "key", member.key);
        each_of(table, "bootstrap", [&](const toml::node& item) { read_bootstrap(item, member); });
        each_of(table, "revoked", [&](const toml::node& item) {
            NodeId id;
            if (fixed_hex(item, "revoked", id)) member.revoked.insert(id);
        });
        each_of(table, "delegations", [&](const toml::node& item) { read_delegation(item, named && keyed, member); });
        each_of(table, "undelegated", [&](const toml::node& item) {
            Digest id;
            if (fixed_hex(item, "undelegated", id)) member.undelegated.insert(id);
        });
        if (!named) return;
        if (out.find(member.domain) != nullptr)
            return fault(line_of(*table.get("domain")), "domain: \"" + member.domain + "\" is there twice");
        out.add(std::move(member));
    }

    bool read_domain(const toml::table& table, Member& member) {
        const toml::node* node = needed(table, "domain");
        const std::string* text = node == nullptr ? nullptr : string_of(*node, "domain");
        if (text == nullptr) return false;
        auto domain = canonical_domain(*text);
        if (!domain)
            fault(line_of(*node), "domain: not a domain name");
        else
            member.domain = std::move(*domain);
        return domain.has_value();
    }

    void read_bootstrap(const toml::node& item, Member& member) {
        const std::string* text = string_of(item, "bootstrap");
        if (text == nullptr) return;
        if (!is_bootstrap(*text))
            return fault(line_of(item), "bootstrap: \"host:port\" is needed, the port a multiple of 8");
        member.bootstrap.push_back(*text);
    }

    void read_delegation(const toml::node& item, bool owner_known, Member& member) {
        const std::string* text = string_of(item, "delegations");
        if (text == nullptr) return;
        auto delegation = Delegation::decode(from_hex(*text));
        if (!delegation) return fault(line_of(item), "delegations: not the hexadecimal form of a delegation");
        if (!owner_known) return;  // the member's own fault is told already
        if (delegation->domain != member.domain || !delegation->check_signature(member.key))
            return fault(line_of(item), "delegations: not signed by this member for its own users");
        member.delegations.push_back(std::move(*delegation));
    }
};

}  // namespace

bool is_bootstrap(std::string_view text) {
    std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    std::string with_port = "[::]" + std::string(text.substr(colon));
    auto port = Endpoint::parse(with_port);
    bool address = Endpoint::parse(text).has_value() || canonical_domain(text.substr(0, colon)).has_value();
    return address && port && port->port != 0 && port->port % 8 == 0;
}

tl::expected<Federation, Faults> Federation::parse(std::string_view text) {
    try {
        FileReader reader;
        Federation out = reader.read(toml::parse(text));
        if (reader.faults.empty()) return out;
        std::stable_sort(reader.faults.begin(), reader.faults.end(),
                         [](const FileFault& a, const FileFault& b) { return a.line < b.line; });
        return tl::make_unexpected(std::move(reader.faults));
    } catch (const toml::parse_error& error) {
        FileFault fault{static_cast<int>(error.source().begin.line), std::string(error.description())};
        return tl::make_unexpected(Faults{std::move(fault)});
    }
}

std::string Federation::to_toml() const {
    std::string out = "federation_key = " + quoted(to_hex(key)) + "\n";
    for (const auto& [domain, member] : members) {
        std::vector<std::string> revoked;
        std::vector<std::string> delegations;
        std::vector<std::string> undelegated;
        for (const Digest& id : member.undelegated) undelegated.push_back(to_hex(id));
        for (const NodeId& id : member.revoked) revoked.push_back(to_hex(id));
        for (const Delegation& delegation : member.delegations) delegations.push_back(to_hex(delegation.encode()));
        out += "\n[[member]]\ndomain = " + quoted(domain) + "\nkey = " + quoted(to_hex(member.key)) + "\n";
        out += "bootstrap = " + quoted_list(member.bootstrap) + "\n";
        if (!revoked.empty()) out += "revoked = " + quoted_list(revoked) + "\n";
        if (!delegations.empty()) out += "delegations = " + quoted_list(delegations) + "\n";
        if (!undelegated.empty()) out += "undelegated = " + quoted_list(undelegated) + "\n";
    }
    return out;
}

}  // namespace presmesh::proto
