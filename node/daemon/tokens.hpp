// Bearer tokens of the HTTP interface: a file of lines `TOKEN user@domain|* [read|write|admin]`, # for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/federation.hpp"
#include "proto/uri.hpp"

namespace presmesh::daemon {

/// RFC 6750's b68token: what an Authorization header can carry.
bool is_token(std::string_view word);

enum class Access : std::uint8_t {
    read,   ///< see presence, as the token's user
    write,  ///< and publish and rule for that user
    admin,  ///< and see the node's status
};

struct Grant {
    std::optional<proto::PresentityUri> user;  ///< none: any user of this node
    Access access = Access::write;
    bool may_act_for(const proto::PresentityUri& someone) const { return !user || *user == someone; }
};

class Tokens {
  public:
    static tl::expected<Tokens, std::vector<proto::FileFault>> parse(std::string_view text);
    /// Takes the same time for every token of a length, right or wrong.
    const Grant* find(std::string_view token) const { return find(digest_of(token)); }
    const Grant* find(const proto::Digest& digest) const;
    /// What may be kept of a token, to find it again.
    static proto::Digest digest_of(std::string_view token);
    std::size_t size() const { return entries_.size(); }

  private:
    struct Entry {
        proto::Digest digest;  ///< of the token, so that the comparison says nothing about it
        Grant grant;
    };
    std::vector<Entry> entries_;
};

}  // namespace presmesh::daemon
