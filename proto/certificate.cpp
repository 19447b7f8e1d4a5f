#include "proto/assert.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"
#include "proto/signed_fields.hpp"
#include "proto/uri.hpp"

namespace presmesh::proto {

namespace {

constexpr std::uint64_t format_version = 1;
constexpr std::string_view certificate_purpose = "presmesh certificate 1";
constexpr std::string_view delegation_purpose = "presmesh delegation 1";
constexpr std::size_t certificate_fields = 7;
constexpr std::size_t delegation_fields = 6;

WallTime whole_seconds(WallTime time) {
    return wall_from_seconds(to_seconds(time));
}

// The fields before the signature. What is signed is the array of these alone, what travels has the signature after
// them.
void put_fields(MsgpackWriter& out, const Certificate& c) {
    out.uint(format_version).str(c.domain).bin(c.node_key).uint(c.roles);
    out.sint(to_seconds(c.not_before)).sint(to_seconds(c.not_after));
}

void put_fields(MsgpackWriter& out, const Delegation& d) {
    out.uint(format_version).str(d.domain).str(d.delegate);
    out.sint(to_seconds(d.not_before)).sint(to_seconds(d.not_after));
}

template <typename Statement>
Bytes signed_bytes(const Statement& statement, std::size_t fields) {
    MsgpackWriter out;
    out.array(fields - 1);
    put_fields(out, statement);
    return out.take();
}

template <typename Statement>
Bytes whole_bytes(const Statement& statement, std::size_t fields) {
    MsgpackWriter out;
    out.array(fields);
    put_fields(out, statement);
    out.bin(statement.signature);
    return out.take();
}

std::string read_domain(MsgpackReader& in) {
    std::string_view name = in.str(limits::domain_bytes);
    if (in.ok() && !has_canonical_form(name)) in.fail(Reason::not_canonical, "a domain not in canonical form");
    return std::string(name);
}

// A statement grants something, and a field that is not understood might limit it: the count is exact.
void read_opening(MsgpackReader& in, std::size_t fields) {
    std::size_t count = in.array(16);
    std::uint64_t version = in.uint();
    if (in.ok() && version > format_version) in.fail(Reason::unsupported_version, "a newer version");
    if (in.ok() && (version != format_version || count != fields)) in.fail(Reason::malformed, "another form");
}

Result<void> check_times(WallTime not_before, WallTime not_after, WallTime now) {
    if (now + limits::record_clock_skew < not_before) return refuse(Reason::not_yet_valid);
    if (now - limits::record_clock_skew >= not_after) return refuse(Reason::expired);
    return {};
}

}  // namespace

WallTime read_time(MsgpackReader& in) {
    return wall_from_seconds(static_cast<std::int64_t>(in.uint(last_second)));
}

Certificate Certificate::issue(const SigningKey& domain_key, std::string domain, const PublicKey& node_key,
                               std::uint8_t roles, WallTime not_before, WallTime not_after) {
    PRESMESH_ASSERT(has_canonical_form(domain));
    Certificate out{std::move(domain), node_key, roles, whole_seconds(not_before), whole_seconds(not_after), {}};
    out.signature = domain_key.sign(certificate_purpose, signed_bytes(out, certificate_fields));
    return out;
}

Bytes Certificate::encode() const {
    return whole_bytes(*this, certificate_fields);
}

Result<Certificate> Certificate::decode(BytesView bytes) {
    MsgpackReader in(bytes);
    read_opening(in, certificate_fields);
    Certificate out;
    out.domain = read_domain(in);
    out.node_key = in.fixed<32>();
    out.roles = static_cast<std::uint8_t>(in.uint(UINT8_MAX));
    out.not_before = read_time(in);
    out.not_after = read_time(in);
    out.signature = in.fixed<64>();
    if (auto done = in.finish(); !done) return tl::make_unexpected(done.error());
    return out;
}

Result<void> Certificate::check_signature(const PublicKey& domain_key) const {
    if (verify(domain_key, certificate_purpose, signed_bytes(*this, certificate_fields), signature)) return {};
    return refuse(Reason::bad_signature, "certificate");
}

Result<void> Certificate::check_validity(WallTime now) const {
    return check_times(not_before, not_after, now);
}

Result<void> Certificate::check(const PublicKey& domain_key, WallTime now) const {
    if (auto valid = check_signature(domain_key); !valid) return valid;
    return check_validity(now);
}

Delegation Delegation::issue(const SigningKey& domain_key, std::string domain, std::string delegate,
                             WallTime not_before, WallTime not_after) {
    PRESMESH_ASSERT(has_canonical_form(domain) && has_canonical_form(delegate));
    Delegation out{std::move(domain), std::move(delegate), whole_seconds(not_before), whole_seconds(not_after), {}};
    out.signature = domain_key.sign(delegation_purpose, signed_bytes(out, delegation_fields));
    return out;
}

Bytes Delegation::encode() const {
    return whole_bytes(*this, delegation_fields);
}

Result<Delegation> Delegation::decode(BytesView bytes) {
    MsgpackReader in(bytes);
    read_opening(in, delegation_fields);
    Delegation out;
    out.domain = read_domain(in);
    out.delegate = read_domain(in);
    out.not_before = read_time(in);
    out.not_after = read_time(in);
    out.signature = in.fixed<64>();
    if (auto done = in.finish(); !done) return tl::make_unexpected(done.error());
    return out;
}

Result<void> Delegation::check_signature(const PublicKey& domain_key) const {
    if (verify(domain_key, delegation_purpose, signed_bytes(*this, delegation_fields), signature)) return {};
    return refuse(Reason::bad_signature, "delegation");
}

Result<void> Delegation::check_validity(WallTime now) const {
    return check_times(not_before, not_after, now);
}

Result<void> Delegation::check(const PublicKey& domain_key, WallTime now) const {
    if (auto valid = check_signature(domain_key); !valid) return valid;
    return check_validity(now);
}

}  // namespace presmesh::proto
