// The same SIP load for every presence server: publish a change, take the NOTIFY it causes, measure the time between.
// Plain UDP and hand-written messages, so that the load costs little beside the servers it measures.
//
//   sip_load --publish PORT --subscribe PORT --domain a.example --watcher-domain a.example
//            --presentities 64 --changes 4000 --in-flight 1
// Prints one JSON object: changes, lost, seconds, p50_ms, p99_ms, mean_ms.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    int publish_port = 0;
    int subscribe_port = 0;
    std::string domain = "a.example";
    std::string watcher_domain = "a.example";
    int presentities = 64;
    int changes = 2000;
    int in_flight = 1;
    int warmup = 200;
    int rest = 0;        ///< s before the changes that are measured: for what a server does about new users afterwards
    int users = 0;       ///< in the names of the presentities; 0: our port
    int expires = 3600;  ///< of publications and subscriptions, s; none is refreshed or ended
};

struct Presentity {
    std::string etag;
    int change = -1;  ///< the number its NOTIFY must carry
    bool subscribed = false;
    int refusals = 0;  ///< of its SUBSCRIBE
    bool notified = true;
    bool confirmed = true;
    Clock::time_point sent;
    bool idle() const { return notified && confirmed; }
};

std::string_view header(std::string_view message, std::string_view name) {
    std::size_t at = 0;
    while ((at = message.find("\r\n", at)) != std::string_view::npos) {
        at += 2;
        if (message.substr(at, 2) == "\r\n") return {};
        if (message.size() > at + name.size() && message[at + name.size()] == ':' &&
            strncasecmp(message.data() + at, name.data(), name.size()) == 0) {
            auto value = message.substr(at + name.size() + 1);
            value = value.substr(0, value.find("\r\n"));
            while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
            return value;
        }
    }
    return {};
}

class Load {
  public:
    explicit Load(Options options) : options_(std::move(options)), people_(options_.presentities) {
        socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
        int size = 8 << 20;
        setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof own;
        if (bind(socket_, reinterpret_cast<sockaddr*>(&own), length) != 0) fail("bind");
        getsockname(socket_, reinterpret_cast<sockaddr*>(&own), &length);
        port_ = ntohs(own.sin_port);
    }
    ~Load() { close(socket_); }

    int run() {
        for (int i = 0; i < options_.presentities; ++i) prepare(i);
        measure(options_.warmup);
        wait(options_.rest * 1000, [] { return false; });  // what comes meanwhile is answered
        latencies_.clear();
        auto begin = Clock::now();
        measure(options_.changes);
        double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        report(seconds);
        return lost_ == 0 ? 0 : 1;
    }

  private:
    [[noreturn]] static void fail(const char* what) {
        std::perror(what);
        std::exit(2);
    }

    void send(int to_port, const std::string& text) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(static_cast<std::uint16_t>(to_port));
        sendto(socket_, text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }

    std::string request(const char* method, int i, const std::string& from, const std::string& to, int cseq,
                        const std::string& call, const std::string& more, const std::string& body) const {
        char head[1024];
        std::snprintf(head, sizeof head,
                      "%s sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%s%d.%d\r\nMax-Forwards: 70\r\n"
                      "From: <sip:%s>;tag=t%d\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: %d %s\r\n"
                      "Contact: <sip:load@127.0.0.1:%d>\r\nEvent: presence\r\n",
                      method, to.c_str(), port_, method, i, cseq, from.c_str(), i, to.c_str(), call.c_str(), cseq,
                      method, port_);
        return head + more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

    std::string name(int i) const {
        return "p" + std::to_string(options_.users != 0 ? options_.users : port_) + "x" + std::to_string(i) + "@" +
               options_.domain;
    }

    static std::string document(const std::string& who, int i, int change) {
        return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" "
               "entity=\"pres:" +
               who +
               "\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\">"
               "<tuple id=\"t" +
               std::to_string(i) + "\"><status><basic>open</basic></status><contact priority=\"0.8\">sip:" + who +
               "</contact><note>change-" + std::to_string(change) +
               "-end</note></tuple>"
               "<dm:person id=\"p" +
               std::to_string(i) + "\"><rpid:activities><rpid:" + (change % 2 ? "away" : "busy") +
               "/></rpid:activities></dm:person></presence>";
    }

    void publish(int i, int change) {
        auto& p = people_[i];
        p.change = change;
        p.notified = p.confirmed = false;
        std::string more =
            "Expires: " + std::to_string(options_.expires) + "\r\nContent-Type: application/pidf+xml\r\n";
        if (!p.etag.empty()) more += "SIP-If-Match: " + p.etag + "\r\n";
        auto who = name(i);
        auto text = request("PUBLISH", i, who, who, ++cseq_, "pub" + std::to_string(i) + "." + std::to_string(port_),
                            more, document(who, i, change));
        p.sent = Clock::now();
        send(options_.publish_port, text);
    }

    void subscribe(int i) {
        auto watcher = "w" + std::to_string(i) + "@" + options_.watcher_domain;
        send(options_.subscribe_port,
             request("SUBSCRIBE", i, watcher, name(i), ++cseq_, "sub" + std::to_string(i) + "." + std::to_string(port_),
                     "Expires: " + std::to_string(options_.expires) + "\r\nAccept: application/pidf+xml\r\n", ""));
    }

    /// First state published, then watched, and the first NOTIFY with it taken.
    void prepare(int i) {
        publish(i, change_number_);
        ++change_number_;
        people_[i].notified = true;
        if (!wait(5000, [&] { return people_[i].confirmed; })) {
            std::fprintf(stderr, "no answer to PUBLISH of %s\n", name(i).c_str());
            std::exit(1);
        }
        people_[i].notified = false;
        subscribe(i);
        if (!wait(15000, [&] { return people_[i].subscribed && people_[i].notified; })) {
            std::fprintf(stderr, "no first NOTIFY for %s\n", name(i).c_str());
            std::exit(1);
        }
    }

    template <typename Condition>
    bool wait(int milliseconds, Condition condition) {
        auto deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
        while (!condition()) {
            auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            if (left <= 0) return false;
            pollfd p{socket_, POLLIN, 0};
            if (poll(&p, 1, static_cast<int>(left)) > 0) take();
        }
        return true;
    }

    void measure(int changes) {
        int begun = 0, flying = 0, next = 0;
        auto refill = [&] {
            while (begun < changes && flying < options_.in_flight) {
                int i = next++ % options_.presentities;
                if (!people_[i].idle()) continue;
                publish(i, change_number_++);
                flight_.push_back(i);
                ++begun, ++flying;
            }
        };
        auto land = [&] {
            auto before = flight_.size();
            std::erase_if(flight_, [&](int i) { return people_[i].idle(); });
            flying -= static_cast<int>(before - flight_.size());
            return before != flight_.size();
        };
        refill();
        while (flying > 0) {
            if (!wait(4000, [&] { return land(); })) {
                for (int i : flight_) people_[i].notified = people_[i].confirmed = true, ++lost_;
            }
            refill();
        }
    }

    void take() {
        char buffer[65536];
        for (;;) {
            sockaddr_in from{};
            socklen_t length = sizeof from;
            auto n =
                recvfrom(socket_, buffer, sizeof buffer, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&from), &length);
            if (n <= 0) return;
            std::string_view message(buffer, static_cast<std::size_t>(n));
            if (message.starts_with("NOTIFY "))
                notified(message, from);
            else if (message.starts_with("SIP/2.0 "))
                answered(message);
        }
    }

    void notified(std::string_view message, const sockaddr_in& from) {
        auto now = Clock::now();
        std::string answer = "SIP/2.0 200 OK\r\n";
        std::size_t at = 0;
        while ((at = message.find("\r\nVia:", at)) != std::string_view::npos) {
            at += 2;
            answer += message.substr(at, message.find("\r\n", at) - at + 2);
        }
        for (const char* name : {"From", "To", "Call-ID", "CSeq"})
            answer += std::string(name) + ": " + std::string(header(message, name)) + "\r\n";
        answer += "Contact: <sip:load@127.0.0.1:" + std::to_string(port_) + ">\r\nContent-Length: 0\r\n\r\n";
        sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<const sockaddr*>(&from), sizeof from);

        auto call = header(message, "Call-ID");
        if (!call.starts_with("sub")) return;
        int i = std::atoi(call.data() + 3);
        if (i < 0 || i >= options_.presentities) return;
        auto mark = message.find("change-");
        if (mark == std::string_view::npos) return;
        auto& p = people_[i];
        if (std::atoi(message.data() + mark + 7) != p.change || p.notified) return;
        p.notified = true;
        latencies_.push_back(std::chrono::duration<double, std::milli>(now - p.sent).count());
    }

    void answered(std::string_view message) {
        int status = std::atoi(message.data() + 8);
        if (status < 200) return;
        auto call = header(message, "Call-ID");
        if (call.size() < 4) return;
        int i = std::atoi(call.data() + 3);
        if (i < 0 || i >= options_.presentities) return;
        // Kamailio on SQLite may find its file locked while it gets ready; that is not what is measured.
        if (status >= 500 && call.starts_with("sub") && !people_[i].subscribed && ++people_[i].refusals <= 5)
            return subscribe(i);
        // It may also be locked for longer than it waits for: that change is lost, and counted.
        if (status >= 500 && call.starts_with("pub") && std::ranges::find(flight_, i) != flight_.end() &&
            !people_[i].idle()) {
            people_[i].notified = people_[i].confirmed = true, ++lost_;
            return;
        }
        if (status >= 300) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(std::min<std::size_t>(message.size(), 200)),
                         message.data());
            std::exit(1);
        }
        if (call.starts_with("sub")) people_[i].subscribed = true;
        if (call.starts_with("pub")) {
            people_[i].etag = header(message, "SIP-ETag");
            people_[i].confirmed = true;
        }
    }

    void report(double seconds) {
        std::sort(latencies_.begin(), latencies_.end());
        auto at = [&](double share) {
            return latencies_.empty()
                       ? 0.0
                       : latencies_[static_cast<std::size_t>(share * static_cast<double>(latencies_.size() - 1))];
        };
        double sum = 0;
        for (double l : latencies_) sum += l;
        std::printf(
            "{\"changes\": %zu, \"lost\": %d, \"seconds\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"mean_ms\": "
            "%.4f}\n",
            latencies_.size(), lost_, seconds, at(0.5), at(0.99),
            latencies_.empty() ? 0.0 : sum / static_cast<double>(latencies_.size()));
    }

    Options options_;
    std::vector<Presentity> people_;
    std::vector<int> flight_;
    std::vector<double> latencies_;
    int socket_ = -1;
    int port_ = 0;
    int cseq_ = 0;
    int change_number_ = 100000;
    int lost_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    for (int i = 1; i + 1 < argc; i += 2) {
        std::string key = argv[i];
        const char* value = argv[i + 1];
        if (key == "--publish")
            options.publish_port = std::atoi(value);
        else if (key == "--subscribe")
            options.subscribe_port = std::atoi(value);
        else if (key == "--domain")
            options.domain = value;
        else if (key == "--watcher-domain")
            options.watcher_domain = value;
        else if (key == "--presentities")
            options.presentities = std::atoi(value);
        else if (key == "--changes")
            options.changes = std::atoi(value);
        else if (key == "--in-flight")
            options.in_flight = std::atoi(value);
        else if (key == "--warmup")
            options.warmup = std::atoi(value);
        else if (key == "--rest")
            options.rest = std::atoi(value);
        else if (key == "--users")
            options.users = std::atoi(value);
        else if (key == "--expires")
            options.expires = std::atoi(value);
        else {
            std::fprintf(stderr, "sip_load: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    if (!options.publish_port || !options.subscribe_port) {
        std::fprintf(
            stderr,
            "usage: sip_load --publish PORT --subscribe PORT [--domain D] [--watcher-domain D] [--presentities N] "
            "[--changes N] [--in-flight N] [--warmup N] [--rest S] [--users N] [--expires S]\n");
        return 2;
    }
    return Load(options).run();
}
