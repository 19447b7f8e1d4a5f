#include "node/daemon/tokens.hpp"

#include <sodium.h>

#include <algorithm>

#include "proto/identity.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

namespace {

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (;;) {
        const auto begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos || line[begin] == '#') return words;
        line.remove_prefix(begin);
        const auto end = std::min(line.find_first_of(" \t\r"), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

proto::Result<Access> access_of(std::string_view word) {
    if (word == "read") return Access::read;
    if (word == "write") return Access::write;
    if (word == "admin") return Access::admin;
    return proto::refuse(proto::Reason::malformed, "the access must be read, write or admin");
}

proto::Result<Grant> grant_of(const std::vector<std::string_view>& words) {
    if (words.size() < 2 || words.size() > 3)
        return proto::refuse(proto::Reason::malformed, "must be TOKEN user@domain|* [read|write|admin]");
    if (!is_token(words[0]))
        return proto::refuse(proto::Reason::malformed,
                             "the token holds a character that an Authorization header cannot carry");
    if (words[0].size() < proto::limits::http_token_bytes_least)
        return proto::refuse(proto::Reason::malformed, "the token is shorter than 16 characters");
    Grant grant;
    if (words[1] != "*") {
        auto user = proto::PresentityUri::parse(words[1]);
        if (!user)
            return proto::refuse(proto::Reason::malformed, "the user must be user@domain or *: " + user.error().detail);
        grant.user = std::move(*user);
    }
    grant.access = grant.user ? Access::write : Access::admin;
    if (words.size() == 3) {
        auto access = access_of(words[2]);
        if (!access) return tl::make_unexpected(access.error());
        grant.access = *access;
    }
    return grant;
}

}  // namespace

bool is_token(std::string_view word) {
    return std::all_of(word.begin(), word.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || std::string_view("-._~+/=").find(static_cast<char>(c)) != std::string_view::npos;
    });
}

tl::expected<Tokens, std::vector<proto::FileFault>> Tokens::parse(std::string_view text) {
    Tokens tokens;
    std::vector<proto::FileFault> faults;
    for (int line = 1; !text.empty(); ++line) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto words = words_of(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (words.empty()) continue;
        auto grant = grant_of(words);
        if (grant) {
            tokens.entries_.push_back({digest_of(words[0]), std::move(*grant)});
        } else {
            faults.push_back({line, grant.error().detail});
        }
    }
    if (!faults.empty()) return tl::make_unexpected(std::move(faults));
    return tokens;
}

proto::Digest Tokens::digest_of(std::string_view token) {
    return proto::blake2b_256(proto::as_bytes(token));
}

const Grant* Tokens::find(const proto::Digest& digest) const {
    const Grant* found = nullptr;
    for (const auto& entry : entries_) {
        if (sodium_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry.grant;
    }
    return found;
}

}  // namespace presmesh::daemon
