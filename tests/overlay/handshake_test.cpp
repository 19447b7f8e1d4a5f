// The datagrams between nodes, byte for byte: fixed keys and fixed randomness give golden ones.
#include "overlay/handshake.hpp"

#include <doctest/doctest.h>

#include "tests/support/golden.hpp"
#include "tests/support/record_world.hpp"

using namespace presmesh;
using namespace presmesh::overlay;
using proto::Bytes;
using proto::to_hex;
using testing::golden;

namespace {

class OneByte final : public proto::Random {
  public:
    explicit OneByte(std::uint8_t byte) : byte_(byte) {}
    void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), byte_); }

  private:
    std::uint8_t byte_;
};

/// The node of a.example begins a session with that of b.example, and says something.
struct Conversation {
    testing::RecordWorld keys;
    OneByte a_random{0x21};
    OneByte b_random{0x22};
    Exchange a{a_random};
    Exchange b{b_random};
    Cookie cookie{};
    Bytes hello;
    Bytes welcome;

    Conversation() {
        cookie.fill(0xc0);
        Hello first;
        first.session = 0x0a0a0a0a0a0a0a0a;
        first.instance = 0x1a1a1a1a1a1a1a1a;
        first.exchange = a.public_key();
        first.timestamp_us = 1'800'000'000'000'000;
        first.certificate = keys.a_certificate;
        hello = encode_hello(first, keys.a_node);
        set_cookie(hello, cookie);
        Welcome second;
        second.receiver = first.session;
        second.session = 0x0b0b0b0b0b0b0b0b;
        second.instance = 0x1b1b1b1b1b1b1b1b;
        second.exchange = b.public_key();
        second.certificate = keys.b_certificate;
        welcome = encode_welcome(second, keys.b_node, hello_digest(hello));
    }

    /// The end that began it, or the other; `instance` of a remote plays no part in the bytes.
    Session session(bool initiator) const {
        const auto transcript = transcript_of(hello_digest(hello), welcome);
        const auto derived = (initiator ? a : b).derive((initiator ? b : a).public_key(), transcript, initiator);
        REQUIRE(derived);
        Remote remote;
        remote.session = initiator ? 0x0b0b0b0b0b0b0b0b : 0x0a0a0a0a0a0a0a0a;
        return {initiator ? 0x0a0a0a0a0a0a0a0aU : 0x0b0b0b0b0b0b0b0bU, remote, *derived, initiator, {}};
    }
};

}  // namespace

TEST_CASE("golden HELLO and WELCOME of version 1 stay readable, and stay what is written") {
    const Conversation talk;
    CHECK(to_hex(talk.hello) == to_hex(golden("hello_v1.hex")));
    CHECK(to_hex(talk.welcome) == to_hex(golden("welcome_v1.hex")));
    const auto hello = Hello::decode(golden("hello_v1.hex"));
    REQUIRE(hello);
    CHECK(hello->verify(golden("hello_v1.hex")));
    CHECK(hello->certificate == talk.keys.a_certificate);
    CHECK(hello->cookie == talk.cookie);
    const auto welcome = Welcome::decode(golden("welcome_v1.hex"));
    REQUIRE(welcome);
    CHECK(welcome->verify(golden("welcome_v1.hex"), hello_digest(golden("hello_v1.hex"))));
    CHECK(welcome->session == 0x0b0b0b0b0b0b0b0b);
}

TEST_CASE("golden DATA of version 1, under the keys that the golden handshake gives") {
    const Conversation talk;
    const Bytes said{'h', 'e', 'r', 'e'};
    auto sender = talk.session(true);
    CHECK(to_hex(sender.seal(8, 8, said)) == to_hex(golden("data_v1.hex")));
    auto receiver = talk.session(false);
    const auto opened = receiver.open(golden("data_v1.hex"));
    REQUIRE(opened);
    CHECK(opened->bytes == said);
    CHECK(opened->peer_port == 8);
    CHECK(opened->own_port == 8);
}

TEST_CASE("golden COOKIE and UNKNOWN of version 1") {
    const Conversation talk;
    CHECK(to_hex(encode(CookieMessage{0x0a0a0a0a0a0a0a0a, talk.cookie})) == to_hex(golden("cookie_v1.hex")));
    CHECK(decode_cookie(golden("cookie_v1.hex")).value().cookie == talk.cookie);
    CHECK(to_hex(encode_unknown(0x0b0b0b0b0b0b0b0b)) == to_hex(golden("unknown_v1.hex")));
    CHECK(decode_unknown(golden("unknown_v1.hex")) == 0x0b0b0b0b0b0b0b0bU);
}
