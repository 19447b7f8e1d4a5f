// Records, summaries and datagrams per second on one core, each beside the bare cryptography it cannot do without.
// tests/bench/run pairs the names.
#include <benchmark/benchmark.h>
#include <sodium.h>

#include <array>
#include <memory>
#include <vector>

#include "overlay/sealed_transport.hpp"
#include "proto/federation.hpp"
#include "proto/identity.hpp"
#include "proto/limits.hpp"
#include "proto/record.hpp"
#include "proto/verification_cache.hpp"

using namespace presmesh::proto;

namespace {

constexpr WallTime today = wall_from_seconds(1'800'000'000);

struct World {
    SeededRandom random{1};
    SigningKey domain = SigningKey::generate(random);
    SigningKey node = SigningKey::generate(random);
    Certificate certificate = Certificate::issue(domain, "a.example", node.public_key(), role_store | role_publish,
                                                 today - std::chrono::hours(1), today + std::chrono::hours(24 * 365));
    std::shared_ptr<Federation> federation = std::make_shared<Federation>();
    SymmetricKey content_key{};
    Record record;

    World() {
        crypto_init();
        random.fill(federation->key);
        Member member;
        member.domain = "a.example";
        member.key = domain.public_key();
        federation->add(member);
        record.presentity = presentity_key(federation->key, *PresentityUri::parse("alice@a.example"));
        record.domain = "a.example";
        record.sequence = {1, 1};
        record.issued = today;
        record.expires = today + std::chrono::hours(24);
        record.endpoints = {Endpoint::v4(0x7f000001, 4000)};
        record.sealed_summary =
            seal_summary(Summary{Basic::open, Show::away, {"away"}, "back at three", 5}, content_key, random);
        (void)sign(record, node, certificate);
    }
};

World& world() {
    static World the_world;
    return the_world;
}

void record_sign(benchmark::State& state) {
    auto& w = world();
    Record record = w.record;
    for (auto _ : state) benchmark::DoNotOptimize(sign(record, w.node, w.certificate));
}
BENCHMARK(record_sign);

/// Versions of a record, more than a cache remembers: whoever reads them in turn always reads a new one. (A processor
/// soon foresees every branch of verifying the same signature again: 4% faster.)
const std::vector<Bytes>& wires() {
    static const std::vector<Bytes> made = [] {
        std::vector<Bytes> out;
        Record record = world().record;
        for (std::uint64_t i = 1; i <= limits::records_verified + 500; ++i) {
            record.sequence.counter = i;
            (void)sign(record, world().node, world().certificate);
            out.push_back(record.wire);
        }
        return out;
    }();
    return made;
}

/// Reads each record `copies` times in a row.
void read_records(benchmark::State& state, VerificationCache* cache, std::size_t copies) {
    std::size_t read = 0;
    for (auto _ : state) {
        auto result =
            read_record(wires()[read++ / copies % wires().size()], *world().federation, today, nullptr, cache);
        if (!result) state.SkipWithError("refused");
        benchmark::DoNotOptimize(result);
    }
}

void record_verify_new_certificate(benchmark::State& state) {
    read_records(state, nullptr, 1);
}
BENCHMARK(record_verify_new_certificate);

/// Records that are new to the node; the certificate of their source's node is known after the first.
void record_verify(benchmark::State& state) {
    VerificationCache cache;
    read_records(state, &cache, 1);
}
BENCHMARK(record_verify);

/// As a look-up brings them: from each of eight nodes.
void record_verify_8_copies(benchmark::State& state) {
    VerificationCache cache;
    read_records(state, &cache, 8);
}
BENCHMARK(record_verify_8_copies);

void summary_seal(benchmark::State& state) {
    auto& w = world();
    Summary summary{Basic::open, Show::away, {"away"}, "back at three", 5};
    for (auto _ : state) benchmark::DoNotOptimize(seal_summary(summary, w.content_key, w.random));
}
BENCHMARK(summary_seal);

void summary_open(benchmark::State& state) {
    auto& w = world();
    for (auto _ : state) benchmark::DoNotOptimize(open_summary(w.record.sealed_summary, w.content_key));
}
BENCHMARK(summary_open);

void ed25519_sign(benchmark::State& state) {
    unsigned char pk[32], sk[64], sig[64], message[450] = {};
    crypto_sign_keypair(pk, sk);
    for (auto _ : state) crypto_sign_detached(sig, nullptr, message, sizeof message, sk);
}
BENCHMARK(ed25519_sign);

/// As many signatures as there are records, over messages as long as what a record's is over.
void ed25519_verify(benchmark::State& state) {
    std::array<unsigned char, crypto_sign_PUBLICKEYBYTES> pk{};
    std::array<unsigned char, crypto_sign_SECRETKEYBYTES> sk{};
    crypto_sign_keypair(pk.data(), sk.data());
    std::vector<Signature> signatures(wires().size());
    std::vector<Bytes> messages;
    for (std::size_t i = 0; i < wires().size(); ++i) {
        messages.push_back(signed_message("presmesh record 1", BytesView(wires()[i]).first(wires()[i].size() - 66)));
        crypto_sign_detached(signatures[i].data(), nullptr, messages[i].data(), messages[i].size(), sk.data());
    }
    for (std::size_t next = 0; auto _ : state) {
        const auto& message = messages[next];
        if (crypto_sign_verify_detached(signatures[next].data(), message.data(), message.size(), pk.data()) != 0)
            state.SkipWithError("refused");
        next = (next + 1) % messages.size();
    }
}
BENCHMARK(ed25519_verify);

void xchacha20poly1305_seal(benchmark::State& state) {
    unsigned char key[32] = {}, nonce[24] = {}, plain[96] = {}, sealed[96 + 16];
    for (auto _ : state)
        crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, nullptr, plain, sizeof plain, nullptr, 0, nullptr, nonce,
                                                   key);
}
BENCHMARK(xchacha20poly1305_seal);

void xchacha20poly1305_open(benchmark::State& state) {
    unsigned char key[32] = {}, nonce[24] = {}, plain[96] = {}, sealed[96 + 16];
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, nullptr, plain, sizeof plain, nullptr, 0, nullptr, nonce, key);
    for (auto _ : state)
        benchmark::DoNotOptimize(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, nullptr, nullptr, sealed,
                                                                            sizeof sealed, nullptr, 0, nonce, key));
}
BENCHMARK(xchacha20poly1305_open);

void chacha20poly1305_seal_open(benchmark::State& state) {
    unsigned char key[32] = {}, nonce[12] = {}, plain[600] = {}, sealed[616];
    for (auto _ : state) {
        crypto_aead_chacha20poly1305_ietf_encrypt(sealed, nullptr, plain, sizeof plain, nullptr, 0, nullptr, nonce,
                                                  key);
        benchmark::DoNotOptimize(crypto_aead_chacha20poly1305_ietf_decrypt(plain, nullptr, nullptr, sealed,
                                                                           sizeof sealed, nullptr, 0, nonce, key));
    }
}
BENCHMARK(chacha20poly1305_seal_open);

void datagram_seal_open(benchmark::State& state) {
    using namespace presmesh::overlay;
    auto& w = world();
    auto key_b = SigningKey::generate(w.random);
    auto certificate_b = Certificate::issue(w.domain, "a.example", key_b.public_key(), role_store,
                                            today - std::chrono::hours(1), today + std::chrono::hours(1));
    SealedTransport a(w.node, w.certificate, w.federation, w.random), b(key_b, certificate_b, w.federation, w.random);
    auto at_a = Endpoint::v4(0x7f000001, 8000), at_b = Endpoint::v4(0x7f000001, 8008);
    Now now{SteadyTime{std::chrono::seconds(1)}, today};
    auto settle = [&] {
        for (bool moved = true; moved;) {
            moved = false;
            while (auto d = a.poll_output()) b.handle_input(now, at_a, d->bytes), moved = true;
            while (auto d = b.poll_output()) a.handle_input(now, at_b, d->bytes), moved = true;
        }
    };
    a.connect(now, at_b);
    settle();
    Bytes bytes(600);
    NodeId to = node_id(key_b.public_key());
    for (auto _ : state) {
        if (!a.send(now, to, channel_port, channel_port, bytes)) state.SkipWithError("no session");
        settle();
        while (auto e = b.poll_event()) benchmark::DoNotOptimize(e);
    }
}
BENCHMARK(datagram_seal_open);

}  // namespace
