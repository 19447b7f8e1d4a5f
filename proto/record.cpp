#include "proto/record.hpp"

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/signed_fields.hpp"

namespace presmesh::proto {

namespace {

constexpr std::uint64_t record_version = 1;
constexpr std::size_t record_fields = 13;
constexpr std::size_t most_fields = 64;  // of a later minor version; record_bytes bounds it long before
constexpr std::size_t certificate_fields = 5;
constexpr std::string_view purpose = "presmesh record 1";

WallTime whole_seconds(WallTime time) {
    return wall_from_seconds(to_seconds(time));
}

bool is_zero(BytesView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

// --- writing ---

void put_certificate(MsgpackWriter& out, const Certificate& c) {
    out.array(certificate_fields).bin(c.node_key).uint(c.roles);
    out.sint(to_seconds(c.not_before)).sint(to_seconds(c.not_after)).bin(c.signature);
}

void put_endpoint(MsgpackWriter& out, const Endpoint& endpoint) {
    BytesView address = endpoint.address;
    if (endpoint.is_v4()) address = address.subspan(12);
    Bytes bytes(address.begin(), address.end());
    bytes.push_back(static_cast<std::uint8_t>(endpoint.port >> 8));
    bytes.push_back(static_cast<std::uint8_t>(endpoint.port));
    out.bin(bytes);
}

Bytes pack(const Record& record) {
    MsgpackWriter out;
    out.array(record_fields).uint(record_version).uint(static_cast<std::uint8_t>(record.kind)).bin(record.presentity);
    out.bin(domain_name(record.certificate.domain));
    if (record.domain == record.certificate.domain)
        out.nil();
    else
        out.bin(domain_name(record.domain));
    put_certificate(out, record.certificate);
    out.uint(record.sequence.epoch).uint(record.sequence.counter);
    out.sint(to_seconds(record.issued)).sint(to_seconds(record.expires));
    out.array(record.endpoints.size());
    for (const Endpoint& endpoint : record.endpoints) put_endpoint(out, endpoint);
    out.bin(record.sealed_summary).bin(record.digest);
    return out.take();
}

// --- reading ---

/// What the bytes say before the federation file has turned short names into domains.
struct Parsed {
    Record record;
    DomainName publisher{};
    std::optional<DomainName> delegator;  ///< whose user it is, when not the publisher's own
    BytesView body;
    Signature signature{};
};

Endpoint read_endpoint(MsgpackReader& in) {
    BytesView bytes = in.bin(18);
    if (in.ok() && bytes.size() != 6 && bytes.size() != 18) in.fail(Reason::malformed, "not an endpoint");
    if (!in.ok()) return {};
    Endpoint out = Endpoint::v4(0, 0);
    BytesView address = bytes.first(bytes.size() - 2);
    std::copy(address.begin(), address.end(), out.address.end() - static_cast<std::ptrdiff_t>(address.size()));
    out.port = static_cast<std::uint16_t>(bytes[bytes.size() - 2] << 8 | bytes[bytes.size() - 1]);
    if (address.size() == 16 && out.is_v4()) in.fail(Reason::not_canonical, "an IPv4 address in the long form");
    return out;
}

Certificate read_certificate(MsgpackReader& in) {
    Certificate out;
    std::size_t fields = in.array(certificate_fields);
    if (in.ok() && fields != certificate_fields) in.fail(Reason::malformed, "not a certificate");
    out.node_key = in.fixed<32>();
    out.roles = static_cast<std::uint8_t>(in.uint(UINT8_MAX));
    out.not_before = read_time(in);
    out.not_after = read_time(in);
    out.signature = in.fixed<64>();
    return out;
}

void read_names(MsgpackReader& in, Parsed& out) {
    out.publisher = in.fixed<8>();
    if (in.try_nil()) return;
    out.delegator = in.fixed<8>();
    if (in.ok() && *out.delegator == out.publisher) in.fail(Reason::not_canonical, "the publisher's domain twice");
}

void read_values(MsgpackReader& in, Record& out) {
    out.sequence.epoch = in.uint();
    out.sequence.counter = in.uint();
    out.issued = read_time(in);
    out.expires = read_time(in);
    for (std::size_t n = in.array(limits::record_endpoints); n > 0 && in.ok(); --n)
        out.endpoints.push_back(read_endpoint(in));
    BytesView sealed = in.bin(limits::record_bytes);
    out.sealed_summary.assign(sealed.begin(), sealed.end());
    out.digest = in.fixed<32>();
}

std::size_t read_opening(MsgpackReader& in) {
    std::size_t fields = in.array(most_fields);
    std::uint64_t version = in.uint();
    if (in.ok() && version > record_version) in.fail(Reason::unsupported_version, "a newer record");
    if (in.ok() && (version != record_version || fields < record_fields)) in.fail(Reason::malformed, "another form");
    return fields;
}

Result<void> check_form(const Record& record) {
    bool announces_node = record.kind == RecordKind::domain;
    bool bare = is_zero(record.presentity) && is_zero(record.digest) && record.sealed_summary.empty();
    if (announces_node && !bare) return refuse(Reason::malformed, "a domain record with a presentity");
    if (record.endpoints.size() > limits::record_endpoints) return refuse(Reason::malformed, "too many endpoints");
    if (std::any_of(record.endpoints.begin(), record.endpoints.end(), [](const Endpoint& e) { return e.port == 0; }))
        return refuse(Reason::malformed, "port 0");
    if (to_seconds(record.issued) < 0) return refuse(Reason::malformed, "issued before 1970");
    if (record.expires <= record.issued) return refuse(Reason::malformed, "it expires before it begins");
    if (record.expires - record.issued > limits::record_lifetime) return refuse(Reason::malformed, "it lives too long");
    return {};
}

Result<Parsed> parse(BytesView bytes) {
    if (bytes.size() > limits::record_bytes) return refuse(Reason::too_large, "record");
    MsgpackReader in(bytes);
    Parsed out;
    std::size_t fields = read_opening(in);
    out.record.kind = static_cast<RecordKind>(in.uint(2));
    if (in.ok() && static_cast<std::uint8_t>(out.record.kind) == 0) in.fail(Reason::malformed, "no such kind");
    out.record.presentity = in.fixed<20>();
    read_names(in, out);
    out.record.certificate = read_certificate(in);
    read_values(in, out.record);
    if (in.ok()) in.skip(fields - record_fields);
    out.body = bytes.first(bytes.size() - in.rest().size());
    out.signature = in.fixed<64>();
    if (auto done = in.finish(); !done) return tl::make_unexpected(done.error());
    out.record.wire.assign(bytes.begin(), bytes.end());
    return out;
}

// --- the checks ---

Result<void> resolve_names(Parsed& parsed, const Federation& federation) {
    const Member* publisher = federation.find(parsed.publisher);
    const Member* owner = parsed.delegator ? federation.find(*parsed.delegator) : publisher;
    if (publisher == nullptr || owner == nullptr) return refuse(Reason::not_admitted, "a domain not in the federation");
    parsed.record.certificate.domain = publisher->domain;
    parsed.record.domain = owner->domain;
    return {};
}

Result<void> check_right(const Record& record, const Federation& federation, WallTime now, VerificationCache* cache) {
    const Certificate& certificate = record.certificate;
    if (record.kind == RecordKind::domain) {
        if (record.domain == certificate.domain) return {};
        return refuse(Reason::foreign_domain, "a node announces itself for its own domain only");
    }
    if ((certificate.roles & role_publish) == 0) return refuse(Reason::forbidden, "this node may not publish");
    return federation.may_publish(certificate.domain, record.domain, now, cache);
}

Result<void> check_times(const Record& record, WallTime now) {
    if (record.issued > now + limits::record_clock_skew) return refuse(Reason::not_yet_valid, "issued in the future");
    if (record.expires <= now) return refuse(Reason::expired, "record");
    return {};
}

Result<void> check_place(const Record& record, const Federation& federation, const DhtKey* stored_under) {
    if (stored_under == nullptr || record.dht_key(federation.key) == *stored_under) return {};
    return refuse(Reason::foreign_domain, "stored under a key that is not its own");
}

Result<void> check_signature(const Parsed& parsed, WallTime now, VerificationCache* cache) {
    const PublicKey& key = parsed.record.node_key();
    const bool good = cache != nullptr ? cache->verify_record(key, purpose, parsed.body, parsed.signature, now)
                                       : verify(key, purpose, parsed.body, parsed.signature);
    if (good) return {};
    return refuse(Reason::bad_signature, "record");
}

}  // namespace

std::uint64_t Record::value_id() const {
    BytesView use = as_bytes("presmesh value id");
    Bytes name(use.begin(), use.end());
    name.push_back(0);
    name.push_back(static_cast<std::uint8_t>(kind));
    name.insert(name.end(), node_key().begin(), node_key().end());
    name.insert(name.end(), presentity.begin(), presentity.end());
    Digest digest_of_name = blake2b_256(name);
    std::uint64_t id = 0;
    for (std::size_t i = 0; i < 8; ++i) id = id << 8 | digest_of_name[i];
    return id == 0 ? 1 : id;  // OpenDHT takes 0 for "choose one"
}

DhtKey Record::dht_key(const SymmetricKey& federation_key) const {
    if (kind == RecordKind::domain) return domain_dht_key(federation_key, domain);
    return proto::dht_key(federation_key, domain, presentity);
}

Result<void> sign(Record& record, const SigningKey& node_key, const Certificate& certificate) {
    if (certificate.node_key != node_key.public_key()) return refuse(Reason::conflict, "another key's certificate");
    record.certificate = certificate;
    if (record.domain.empty()) record.domain = certificate.domain;
    record.issued = whole_seconds(record.issued);
    record.expires = whole_seconds(record.expires);
    if (auto fine = check_form(record); !fine) return fine;
    Bytes body = pack(record);
    MsgpackWriter out;
    out.raw(body).bin(node_key.sign(purpose, body));
    if (out.size() > limits::record_bytes) return refuse(Reason::too_large, "record");
    record.wire = out.take();
    return {};
}

Result<Record> read_record(BytesView bytes, const Federation& federation, WallTime now, const DhtKey* stored_under,
                           VerificationCache* cache) {
    auto parsed = parse(bytes);
    if (!parsed) return tl::make_unexpected(parsed.error());
    Record& record = parsed->record;
    Result<void> fine = check_form(record);
    if (fine) fine = resolve_names(*parsed, federation);
    if (fine) fine = federation.admit(record.certificate, now, cache);
    if (fine) fine = check_right(record, federation, now, cache);
    if (fine) fine = check_times(record, now);
    if (fine) fine = check_place(record, federation, stored_under);
    if (fine) fine = check_signature(*parsed, now, cache);
    if (!fine) return tl::make_unexpected(std::move(fine.error()));
    return std::move(record);
}

Result<void> may_replace(const Record& current, const Record& next) {
    bool one_source = current.kind == next.kind && current.node_key() == next.node_key() &&
                      current.presentity == next.presentity && current.domain == next.domain;
    if (!one_source) return refuse(Reason::conflict, "another source");
    if (next.sequence <= current.sequence) return refuse(Reason::older, "not a higher sequence");
    return {};
}

}  // namespace presmesh::proto
