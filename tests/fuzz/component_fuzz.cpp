// What an attached XMPP server may send, from the stream header on, through the whole translator: never a crash, and
// never a stanza of type error in answer to one. The first bytes choose what the host does meanwhile.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/support/xmpp_world.hpp"

using namespace presmesh;
using namespace presmesh::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2 || size > 16384) return 0;
    XmppWorld world;
    world.host.allow_by_default = (data[0] & 1) != 0;
    if (data[0] & 2)
        world.connect();
    else
        world.connect(1);
    if (data[0] & 4) world.wanted("juliet@x.example", "alice@a.example");
    const auto cut = std::min<std::size_t>(size - 2, data[1]);
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    world.feed(0, bytes.substr(0, cut));
    if (data[0] & 8) world.wait(std::chrono::seconds{12});
    world.feed(0, bytes.substr(cut));
    if (data[0] & 16) world.unwanted("juliet@x.example", "alice@a.example");
    if (data[0] & 32) world.drop();
    world.wait(std::chrono::seconds{3});
    if (data[0] & 64) world.boot();
    world.translator->stop(world.now);
    world.end_turn();
    if (world.sent.size() > 10 * size) std::abort();  // no amplification worth the name
    return 0;
}
