// Digest authentication, both sides, as text and time: RFC 2617, RFC 3261 section 22, RFC 8760 (SHA-256).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "translators/sip/message.hpp"
#include "translators/sip/nonce_counts.hpp"
#include "translators/sip/settings.hpp"

namespace presmesh::translators::sip {

enum class HashName : std::uint8_t { md5, sha256 };

/// Lower-case hexadecimal.
std::string hash_hex(HashName hash, std::string_view text);

/// The response of RFC 2617 section 3.2.2 for qop=auth, or without qop when `qop` is empty (RFC 2069's form).
struct DigestInput {
    HashName hash = HashName::md5;
    std::string_view ha1;  ///< hexadecimal of H(user:realm:password)
    std::string_view method;
    std::string_view uri;
    std::string_view nonce;
    std::string_view qop;
    std::string_view nonce_count;  ///< 8 hexadecimal digits
    std::string_view cnonce;
};
std::string digest_response(const DigestInput& input);

/// The asking side. Nonces carry their time and a serial number under a key of this process, so nothing is kept of who
/// was merely asked. What is good for one request is not for another: of each nonce that proved something the counts it
/// did so with are kept (without qop, where there are no counts, a nonce is good once), and the digest's URI must be
/// the request's. A nonce from before a restart, an old one, or a count that was used is answered with stale=true, and
/// the client tries again by itself.
class DigestServer {
  public:
    DigestServer(const SipSettings& settings, proto::Random& random);

    /// The account (its key in SipSettings::accounts) that one of the request's Authorization headers proves.
    /// unauthorized with detail "stale" when only the nonce is too old, or was used so before; malformed when a Digest
    /// header of our realm cannot be read, or is for another URI.
    proto::Result<std::string> check(proto::Now now, const Request& request);
    /// WWW-Authenticate values of one nonce, the strongest first (RFC 8760 section 2.4).
    std::vector<std::string> challenges(proto::Now now, bool stale);
    /// How many are remembered as used.
    std::size_t nonces() const { return counts_.size(); }

  private:
    struct Nonce {
        std::int64_t made = 0;  ///< wall clock, seconds
        std::uint64_t serial = 0;
    };
    std::string nonce(proto::Now now);
    /// None when it is not of our making.
    std::optional<Nonce> read_nonce(std::string_view text) const;
    bool use(proto::Now now, std::string_view nonce, std::uint32_t count);
    std::string seal(std::string_view head) const;

    const SipSettings& settings_;
    std::string realm_;
    bool offers_sha256_ = false;
    bool offers_md5_ = false;
    proto::SymmetricKey key_{};
    std::uint64_t last_nonce_ = 0;
    NonceCounts counts_;
};

/// The asked side: the value of an Authorization header that answers the first of `challenges` we can answer. None: no
/// challenge of our realm, or of an algorithm we speak.
std::optional<std::string> answer_challenge(const std::vector<std::string>& challenges, const Credentials& credentials,
                                            std::string_view method, std::string_view uri, proto::Random& random);

}  // namespace presmesh::translators::sip
