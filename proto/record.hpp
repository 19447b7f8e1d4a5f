// The small signed value a source keeps in the DHT under its presentity's key (FORMAT.md: record).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/bytes.hpp"
#include "proto/endpoint.hpp"
#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/presence.hpp"
#include "proto/random.hpp"
#include "proto/result.hpp"
#include "proto/uri.hpp"

namespace presmesh::proto {

/// Strictly rising per source, across restarts: the epoch is one per node start, the counter one per change.
struct Sequence {
    std::uint64_t epoch = 0;
    std::uint64_t counter = 0;
    auto operator<=>(const Sequence&) const = default;
};

/// What a record tells those who hold the content key.
struct Summary {
    Basic basic = Basic::closed;
    std::optional<Show> show;
    std::vector<std::string> activities;  ///< RPID names, as many as fit
    std::string note;                     ///< first note, cut at a character boundary to limits::summary_note_bytes
    std::optional<std::int8_t> priority;  ///< of the best service
    bool operator==(const Summary&) const = default;
    static Summary of(const Presence& presence, WallTime now);
    /// A document that shows just this: the last known state when the source is gone.
    Presence to_presence() const;
};

enum class RecordKind : std::uint8_t {
    presentity = 1,  ///< a source of one presentity
    domain = 2,      ///< a node of a domain says where it is; stored under domain_dht_key, no summary
};

struct Record {
    RecordKind kind = RecordKind::presentity;
    DhtKey presentity{};      ///< presentity_key(); for kind domain: all zero
    Certificate certificate;  ///< of the source's node; on the wire its domain is 8 bytes (the federation file's names)
    std::string domain;       ///< whose user: the certificate's domain, or one that delegated to it
    Sequence sequence;
    WallTime issued{};                ///< whole seconds
    WallTime expires{};               ///< whole seconds; at most limits::record_lifetime after issued
    std::vector<Endpoint> endpoints;  ///< at most 2, where the source's node can be reached
    Bytes sealed_summary;             ///< XChaCha20-Poly1305 under the source's content key; empty for kind domain
    Digest digest{};                  ///< of the whole document; all zero for kind domain
    Bytes wire;                       ///< exact bytes as signed and stored; filled by sign() and read()

    /// The value id every version of this source's record is stored under: fixed per (node key, presentity).
    std::uint64_t value_id() const;
    DhtKey dht_key(const SymmetricKey& federation_key) const;
    const PublicKey& node_key() const { return certificate.node_key; }
};

/// Fills `wire` and the certificate of `record`, an empty domain with the certificate's, and cuts its times to whole
/// seconds. too_large when it would pass limits::record_bytes; malformed when a reader would refuse its form; conflict
/// when the certificate is another key's.
Result<void> sign(Record& record, const SigningKey& node_key, const Certificate& certificate);

/// Everything that can be checked without knowing what was there before, in this order, each with its reason: size
/// (too_large), form (malformed, not_canonical), version (unsupported_version), members (not_admitted), certificate
/// (revoked, bad_signature, not_yet_valid, expired), role and delegation (forbidden, foreign_domain), times (malformed
/// when it lives longer than limits::record_lifetime, not_yet_valid, expired), `stored_under` (foreign_domain: the
/// record does not own the key it lies under), signature (bad_signature). With a cache a signature, the record's or its
/// certificate's, is verified once; all else is checked every time.
Result<Record> read_record(BytesView bytes, const Federation& federation, WallTime now,
                           const DhtKey* stored_under = nullptr, VerificationCache* cache = nullptr);

/// A higher sequence replaces; lower or equal never does (reason older). Both must be of one source (else conflict).
Result<void> may_replace(const Record& current, const Record& next);

/// XChaCha20-Poly1305, the nonce drawn and put first. What does not fit limits::summary_bytes is cut as Summary::of()
/// cuts; the plaintext is padded to one of a few lengths.
Bytes seal_summary(const Summary& summary, const SymmetricKey& content_key, Random& random);
/// bad_signature when it was not sealed under this key, else what the form asks.
Result<Summary> open_summary(BytesView sealed, const SymmetricKey& content_key);

}  // namespace presmesh::proto
