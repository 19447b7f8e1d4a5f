#include "translators/sip/digest.hpp"

#include <nettle/md5.h>
#include <nettle/sha2.h>
#include <sodium.h>

#include <charconv>

#include "proto/limits.hpp"
#include "proto/uri.hpp"
#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {
namespace {

constexpr std::size_t number_digits = 16;
constexpr std::size_t head_digits = 2 * number_digits;  // when it was made, and its serial number
constexpr std::size_t seal_bytes = 16;

bool equal_secret(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string hex_of(std::uint64_t value, std::size_t digits) {
    std::string out(digits, '0');
    for (std::size_t i = digits; i-- > 0; value >>= 4) out[i] = "0123456789abcdef"[value & 15];
    return out;
}

std::optional<HashName> hash_named(std::string_view algorithm) {
    const auto name = lower_case(algorithm);
    if (name.empty() || name == "md5") return HashName::md5;
    if (name == "sha-256") return HashName::sha256;
    return std::nullopt;
}

/// Is "auth" among the offered qop values?
bool offers_auth(std::string_view qop) {
    std::size_t at = 0;
    while (at <= qop.size()) {
        const auto comma = std::min(qop.find(',', at), qop.size());
        if (lower_case(trimmed(qop.substr(at, comma - at))) == "auth") return true;
        at = comma + 1;
    }
    return false;
}

/// Hexadecimal digits alone.
template <typename Number>
std::optional<Number> read_hex(std::string_view text) {
    Number out = 0;
    const auto* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, out, 16);
    return error == std::errc() && at == end ? std::optional(out) : std::nullopt;
}

/// Which use of its nonce a header says it is: nc, from 1 up; none when that cannot be read. Who knows no qop counts
/// nothing, and has one.
std::optional<std::uint32_t> count_of(const AuthHeader& header, std::string_view qop) {
    if (qop.empty()) return 1;
    const auto nc = header.get("nc");
    const auto count = qop == "auth" && nc.size() == 8 ? read_hex<std::uint32_t>(nc) : std::nullopt;
    return count && *count > 0 ? count : std::nullopt;
}

std::string_view before_parameters(std::string_view uri) {
    return uri.substr(0, uri.find_first_of(";?"));
}

/// The same presentity, or the same host where there is none (our Contact). Parameters may differ: proxies change them.
bool name_the_same(std::string_view a, std::string_view b) {
    const auto one = proto::PresentityUri::from_sip(a);
    const auto other = proto::PresentityUri::from_sip(b);
    if (one && other) return *one == *other;
    return !one && !other && lower_case(before_parameters(a)) == lower_case(before_parameters(b));
}

using Accounts = std::map<std::string, Account>;

/// "user@realm" first, then "user": the key of the account found is who is proved.
Accounts::const_iterator find_account(const Accounts& accounts, const std::string& name, const std::string& realm) {
    if (name.find('@') != std::string::npos) return accounts.find(name);
    const auto found = accounts.find(name + "@" + realm);
    return found != accounts.end() ? found : accounts.find(name);
}

}  // namespace

/// MD5 for digest authentication, which still asks for it, and for nothing else.
std::string hash_hex(HashName hash, std::string_view text) {
    const auto bytes = proto::as_bytes(text);
    if (hash == HashName::md5) {
        md5_ctx context;
        md5_init(&context);
        md5_update(&context, bytes.size(), bytes.data());
        std::array<std::uint8_t, MD5_DIGEST_SIZE> out{};
        md5_digest(&context, out.size(), out.data());
        return proto::to_hex(out);
    }
    sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, bytes.size(), bytes.data());
    std::array<std::uint8_t, SHA256_DIGEST_SIZE> out{};
    sha256_digest(&context, out.size(), out.data());
    return proto::to_hex(out);
}

std::string digest_response(const DigestInput& input) {
    const auto ha2 = hash_hex(input.hash, std::string(input.method) + ":" + std::string(input.uri));
    std::string text = std::string(input.ha1) + ":" + std::string(input.nonce) + ":";
    if (!input.qop.empty())
        text += std::string(input.nonce_count) + ":" + std::string(input.cnonce) + ":" + std::string(input.qop) + ":";
    return hash_hex(input.hash, text + ha2);
}

DigestServer::DigestServer(const SipSettings& settings, proto::Random& random)
    : settings_(settings),
      realm_(!settings.realm.empty()    ? settings.realm
             : settings.domains.empty() ? "presmesh"
                                        : settings.domains.front()),
      counts_(proto::limits::sip_nonces) {
    random.fill(key_);
    for (const auto& [user, account] : settings.accounts) {
        offers_md5_ |= !account.ha1_md5.empty();
        offers_sha256_ |= !account.ha1_sha256.empty();
    }
}

std::string DigestServer::seal(std::string_view head) const {
    const auto text = std::string(head) + realm_;
    std::array<std::uint8_t, seal_bytes> out{};
    crypto_generichash(out.data(), out.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       key_.data(), key_.size());
    return proto::to_hex(out);
}

std::string DigestServer::nonce(proto::Now now) {
    const auto head = hex_of(static_cast<std::uint64_t>(proto::to_seconds(now.wall)), number_digits) +
                      hex_of(++last_nonce_, number_digits);
    return head + seal(head);
}

std::optional<DigestServer::Nonce> DigestServer::read_nonce(std::string_view text) const {
    if (text.size() != head_digits + 2 * seal_bytes) return std::nullopt;
    if (!equal_secret(seal(text.substr(0, head_digits)), text.substr(head_digits))) return std::nullopt;
    const auto made = read_hex<std::int64_t>(text.substr(0, number_digits));
    const auto serial = read_hex<std::uint64_t>(text.substr(number_digits, number_digits));
    return made && serial ? std::optional(Nonce{*made, *serial}) : std::nullopt;
}

/// Whether the nonce is one that we made lately, and was not used with that count before.
bool DigestServer::use(proto::Now now, std::string_view text, std::uint32_t count) {
    const auto nonce = read_nonce(text);
    if (!nonce) return false;
    const auto lifetime = settings_.nonce_lifetime.count();
    const auto seconds = proto::to_seconds(now.wall);
    counts_.forget_before(seconds - lifetime);
    const auto age = seconds - nonce->made;
    return age <= lifetime && age >= -lifetime && counts_.use(nonce->serial, nonce->made, count);
}

proto::Result<std::string> DigestServer::check(proto::Now now, const Request& request) {
    for (const auto& value : request.authorization) {
        const auto header = read_auth(value);
        if (!header) return tl::make_unexpected(header.error());
        if (header->scheme != "digest" || header->get("realm") != realm_) continue;
        const auto hash = hash_named(header->get("algorithm"));
        const auto qop = lower_case(header->get("qop"));
        const auto count = count_of(*header, qop);
        if (!hash || !count) continue;
        const auto found = find_account(settings_.accounts, std::string(header->get("username")), realm_);
        if (found == settings_.accounts.end()) continue;
        const auto& ha1 = *hash == HashName::md5 ? found->second.ha1_md5 : found->second.ha1_sha256;
        const auto wanted = digest_response({*hash, ha1, to_string(request.method), header->get("uri"),
                                             header->get("nonce"), qop, header->get("nc"), header->get("cnonce")});
        if (ha1.empty() || !equal_secret(wanted, lower_case(header->get("response")))) continue;
        if (!name_the_same(header->get("uri"), request.uri))
            return proto::refuse(proto::Reason::malformed, "the digest is for another URI");
        if (!use(now, header->get("nonce"), *count)) return proto::refuse(proto::Reason::unauthorized, "stale");
        return found->first;
    }
    return proto::refuse(proto::Reason::unauthorized);
}

std::vector<std::string> DigestServer::challenges(proto::Now now, bool stale) {
    std::vector<std::string> out;
    const auto head = "Digest realm=" + quoted(realm_) + ", nonce=\"" + nonce(now) + "\", qop=\"auth\", algorithm=";
    const std::string tail = stale ? ", stale=true" : "";
    if (offers_sha256_) out.push_back(head + "SHA-256" + tail);
    if (offers_md5_ || !offers_sha256_) out.push_back(head + "MD5" + tail);
    return out;
}

std::optional<std::string> answer_challenge(const std::vector<std::string>& challenges, const Credentials& credentials,
                                            std::string_view method, std::string_view uri, proto::Random& random) {
    for (const auto& value : challenges) {
        const auto challenge = read_auth(value);
        if (!challenge || challenge->scheme != "digest") continue;
        const auto realm = std::string(challenge->get("realm"));
        const auto hash = hash_named(challenge->get("algorithm"));
        if (!hash || (!credentials.realm.empty() && credentials.realm != realm)) continue;
        const auto offered = challenge->get("qop");
        if (!offered.empty() && !offers_auth(offered)) continue;
        const std::string qop = offered.empty() ? "" : "auth";
        const auto cnonce = hex_of(random.next(), 16);
        const auto ha1 = hash_hex(*hash, credentials.user + ":" + realm + ":" + credentials.password);
        const auto response =
            digest_response({*hash, ha1, method, uri, challenge->get("nonce"), qop, "00000001", cnonce});
        std::string out = "Digest username=" + quoted(credentials.user) + ", realm=" + quoted(realm) +
                          ", nonce=" + quoted(challenge->get("nonce")) + ", uri=" + quoted(uri) + ", response=\"" +
                          response + "\", algorithm=" + (*hash == HashName::md5 ? "MD5" : "SHA-256");
        if (!qop.empty()) out += ", qop=auth, nc=00000001, cnonce=\"" + cnonce + "\"";
        if (!challenge->get("opaque").empty()) out += ", opaque=" + quoted(challenge->get("opaque"));
        return out;
    }
    return std::nullopt;
}

}  // namespace presmesh::translators::sip
