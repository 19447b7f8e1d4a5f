// The SIP translator alone behind real sockets, for trying it against real servers and load generators.
//
//   sip_harness serve  LISTEN DOMAIN              e.g. sip_harness serve 127.0.0.1:5080 a.example
//   sip_harness attach LISTEN DOMAIN SERVER       e.g. sip_harness attach udp:127.0.0.1:5080 a.example sip:127.0.0.1:5060
// Commands on standard input, one a line; ends with it:
//   want PRESENTITY WATCHER     unwant PRESENTITY WATCHER     show PRESENTITY open|closed|unknown NOTE     state
#include <iostream>
#include <sstream>

#include "tests/support/sip_node.hpp"
#include "tests/support/sip_talk.hpp"

using namespace presmesh;
using namespace presmesh::test;

namespace {

void obey(SipNode& node, const std::string& line) {
    std::istringstream words(line);
    std::string verb, presentity, argument, note;
    words >> verb >> presentity >> argument >> note;
    const auto now = SipNode::now();
    if (verb == "want") node.translator().wanted(now, uri(presentity), uri(argument));
    if (verb == "unwant") node.translator().unwanted(now, uri(presentity), uri(argument));
    if (verb == "show" && argument == "unknown")
        node.host.show(now, uri(presentity), tr::View{tr::WatchState::active, "", tr::Liveness::unknown, nullptr});
    else if (verb == "show")
        node.host.show(now, uri(presentity),
                       open_document(note, argument == "open" ? proto::Basic::open : proto::Basic::closed));
    if (verb != "state") return;
    for (const auto& [who, document] : node.host.documents)
        std::cout << "document " << who.pres() << " " << (!document ? "none" : document->presence.is_open() ? "open" : "closed")
                  << "\n";
    for (const auto& [pair, decision] : node.host.decisions)
        std::cout << "decision " << pair.first << " " << pair.second << " " << to_string(decision.first) << " "
                  << decision.second << "\n";
    for (const auto& [name, value] : node.host.counters) std::cout << "counter " << name << " " << value << "\n";
    std::cout << "subscriptions " << node.translator().subscriptions() << "\n" << std::flush;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() < 3) return 2;
    auto settings = words[0] == "attach" ? SipTalk::attached() : SipTalk::serving();
    settings.listen = {words[1]};
    settings.domains = {words[2]};
    settings.requests_per_second = 0;
    settings.rate.interval = std::chrono::milliseconds{0};
    if (words.size() > 3) settings.server = words[3];
    settings.watcher = "sip:presmesh@" + words[2];
    SipNode node(settings);
    node.host.domains = {words[2]};
    if (const auto started = node.start(); !started) {
        std::cerr << started.error().detail << "\n";
        return 1;
    }
    for (const auto& address : node.endpoint().addresses()) std::cout << "listening " << address << "\n" << std::flush;
    for (std::string line; std::getline(std::cin, line);) node.run([&] { obey(node, line); });
    node.stop();
    return 0;
}
