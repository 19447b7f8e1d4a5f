// The same XMPP load for every way presence can take: one user changes status, a contact on another connection sees it.
// Plain sockets and string search instead of an XMPP library, so that the load costs little beside what it measures.
//
//   xmpp_load --from-port P --from juliet@x.example --to-port P --to romeo@x.example --password secret --changes 1000
// Both accounts exist already; the contact asks for a subscription and the user approves. Prints one JSON object as
// sip_load does.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

std::string base64(std::string_view in) {
    static const char* const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < in.size(); i += 3) {
        unsigned v = 0;
        for (std::size_t j = 0; j < 3; ++j)
            v = v << 8 | (i + j < in.size() ? static_cast<unsigned char>(in[i + j]) : 0);
        for (std::size_t j = 0; j < 4; ++j) out += i + j <= in.size() ? letters[v >> (18 - 6 * j) & 63] : '=';
    }
    return out;
}

class Client {
  public:
    Client(int port, std::string jid, const std::string& password) : jid_(std::move(jid)) {
        socket_ = socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(static_cast<std::uint16_t>(port));
        if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) die("connect");
        int one = 1;
        setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        auto user = jid_.substr(0, jid_.find('@'));
        open_stream();
        send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" +
             base64(std::string("\0", 1) + user + std::string("\0", 1) + password) + "</auth>");
        expect("<success");
        open_stream();
        send(
            "<iq type='set' id='b'><bind "
            "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>");
        expect("<jid>");
        send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>");
        expect("id='r'");
        input_.clear();
    }
    ~Client() { close(socket_); }

    void send(const std::string& text) {
        if (::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size())) die("send");
    }

    /// Reads until `text` is in what has come since the last expect; false after the time.
    bool wait(std::string_view text, int milliseconds) {
        auto deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
        for (;;) {
            auto at = input_.find(text);
            if (at != std::string::npos) {
                input_.erase(0, at + text.size());
                return true;
            }
            auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            pollfd p{socket_, POLLIN, 0};
            if (left <= 0 || poll(&p, 1, static_cast<int>(left)) <= 0) return false;
            char buffer[16384];
            auto n = recv(socket_, buffer, sizeof buffer, 0);
            if (n <= 0) die("connection closed by the server");
            input_.append(buffer, static_cast<std::size_t>(n));
        }
    }

    void expect(std::string_view text, int milliseconds = 10000) {
        if (!wait(text, milliseconds)) {
            std::fprintf(stderr, "%s: waited for %.*s, had: %.300s\n", jid_.c_str(), static_cast<int>(text.size()),
                         text.data(), input_.c_str());
            std::exit(1);
        }
    }
    const std::string& jid() const { return jid_; }

  private:
    [[noreturn]] static void die(const char* what) {
        std::perror(what);
        std::exit(1);
    }
    void open_stream() {
        input_.clear();
        send("<?xml version='1.0'?><stream:stream to='" + jid_.substr(jid_.find('@') + 1) +
             "' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>");
        expect("</stream:features>");
    }

    std::string jid_;
    int socket_ = -1;
    std::string input_;
};

}  // namespace

int main(int argc, char** argv) {
    int from_port = 0, to_port = 0, changes = 500;
    std::string from, to, password = "secret";
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string key = argv[i];
        const char* value = argv[i + 1];
        if (key == "--from-port")
            from_port = std::atoi(value);
        else if (key == "--to-port")
            to_port = std::atoi(value);
        else if (key == "--from")
            from = value;
        else if (key == "--to")
            to = value;
        else if (key == "--password")
            password = value;
        else if (key == "--changes")
            changes = std::atoi(value);
        else
            return std::fprintf(stderr, "xmpp_load: unknown option %s\n", argv[i]), 2;
    }
    if (!from_port || !to_port || from.empty() || to.empty())
        return std::fprintf(stderr, "see the head of xmpp_load.cpp\n"), 2;

    Client user(from_port, from, password), contact(to_port, to, password);
    user.send("<presence><status>here</status></presence>");
    contact.send("<presence/>");
    contact.send("<presence type='subscribe' to='" + from + "'/>");
    // Whoever ran before with these two has left them subscribed: then nobody is asked.
    if (user.wait("type='subscribe'", 1500)) user.send("<presence type='subscribed' to='" + to + "'/>");
    contact.expect(">here<", 20000);

    std::vector<double> latencies;
    int lost = 0;
    auto begin = Clock::now();
    for (int i = 0; i < changes; ++i) {
        auto mark = "change-" + std::to_string(i) + "-end";
        auto sent = Clock::now();
        user.send(std::string("<presence><show>") + (i % 2 ? "away" : "dnd") + "</show><status>" + mark +
                  "</status></presence>");
        if (contact.wait(mark, 4000))
            latencies.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
        else
            ++lost;
    }
    double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    std::sort(latencies.begin(), latencies.end());
    auto at = [&](double share) {
        return latencies.empty()
                   ? 0.0
                   : latencies[static_cast<std::size_t>(share * static_cast<double>(latencies.size() - 1))];
    };
    std::printf("{\"changes\": %zu, \"lost\": %d, \"seconds\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f}\n",
                latencies.size(), lost, seconds, at(0.5), at(0.99));
    return lost == 0 ? 0 : 1;
}
