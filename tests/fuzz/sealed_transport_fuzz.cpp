// Arbitrary datagrams at a node, alone and as changes of a real handshake on its way: never a crash, never a session
// that both ends did not prove.
#include <cstdint>
#include <cstdlib>

#include "overlay/handshake.hpp"
#include "overlay/sealed_transport.hpp"
#include "tests/support/federation_kit.hpp"

using namespace presmesh;
using namespace presmesh::overlay;

namespace {

struct Kits {
    testing::FederationKit federation{1};
    testing::NodeKit alice;
    testing::NodeKit bob;
    Kits() : alice(admit("a.example")), bob(admit("b.example")) {}
    testing::NodeKit admit(const std::string& domain) {
        federation.add_domain(domain);
        return federation.node(domain);
    }
};

const proto::Endpoint alice_at = proto::Endpoint::v4(0x0a000001, 4000);
const proto::Endpoint bob_at = proto::Endpoint::v4(0x0a000002, 4000);

void expect(bool holds) {
    if (!holds) std::abort();
}

/// The decoders by themselves: what they accept has the size that its parts ask for.
void decode_alone(proto::BytesView bytes) {
    if (const auto hello = Hello::decode(bytes)) expect(!hello->verify(bytes) || bytes.size() > 140);
    if (const auto welcome = Welcome::decode(bytes)) (void)welcome->verify(bytes, {});
    if (const auto cookie = decode_cookie(bytes)) {
        const auto again = encode(*cookie);
        expect(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
    }
    if (const auto unknown = decode_unknown(bytes)) {
        const auto again = encode_unknown(*unknown);
        expect(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
    }
}

/// Two nodes exchange datagrams; the input says which of them are changed, dropped or doubled on the way.
void mutated_handshake(const Kits& kits, proto::BytesView script) {
    proto::SeededRandom dice_a(1), dice_b(2);
    const auto federation = kits.federation.share();
    SealedTransport alice(kits.alice.key, kits.alice.certificate, federation, dice_a);
    SealedTransport bob(kits.bob.key, kits.bob.certificate, federation, dice_b);
    proto::Now now{proto::SteadyTime{std::chrono::seconds{100}}, proto::wall_from_seconds(testing::kit_epoch_s)};
    std::size_t at = 0;
    const auto next = [&]() -> std::uint8_t { return at < script.size() ? script[at++] : 0; };
    const proto::Bytes said{'s', 'a', 'i', 'd'};
    (void)alice.send_to(now, bob_at, 8, 8, said);
    for (int turn = 0; turn < 16; ++turn) {
        now.steady += std::chrono::milliseconds{300};
        now.wall += std::chrono::milliseconds{300};
        for (auto [from, to, from_at] : {std::tuple{&alice, &bob, alice_at}, std::tuple{&bob, &alice, bob_at}}) {
            from->handle_timeout(now);
            while (auto datagram = from->poll_output()) {
                const std::uint8_t what = next();
                if (what == 1) continue;
                if (what == 2 && !datagram->bytes.empty()) {
                    const std::size_t place = (next() << 8 | next()) % datagram->bytes.size();
                    datagram->bytes[place] ^= next();
                }
                if (what == 3) datagram->bytes.resize(next());
                to->handle_input(now, from_at, datagram->bytes);
                if (what == 4) to->handle_input(now, from_at, datagram->bytes);
            }
            while (auto event = to->poll_event()) {
                if (const auto* received = std::get_if<Received>(&*event)) expect(received->bytes == said);
            }
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Kits kits = [] {
        proto::crypto_init();
        return Kits{};
    }();
    const proto::BytesView bytes(data, size);
    decode_alone(bytes);
    proto::SeededRandom dice(3);
    SealedTransport node(kits.bob.key, kits.bob.certificate, kits.federation.share(), dice);
    const proto::Now now{proto::SteadyTime{std::chrono::seconds{100}}, proto::wall_from_seconds(testing::kit_epoch_s)};
    node.handle_input(now, alice_at, bytes);
    expect(node.peers().empty());
    int answers = 0;
    while (node.poll_output()) ++answers;
    expect(answers <= 1);
    if (size < 64) mutated_handshake(kits, bytes);
    return 0;
}
