// The shell on loopback, spoken to by plain sockets: what sofia-sip really sends and takes.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#include "proto/limits.hpp"
#include "tests/support/sip_node.hpp"
#include "tests/support/sip_talk.hpp"

using namespace presmesh;
using namespace presmesh::testing;

namespace {

/// A client's socket. Waits at most ten seconds for anything; a test that passes waits for nothing.
class Client {
  public:
    Client(int family, int type, std::uint16_t port) : family_(family), fd_(::socket(family, type, 0)) {
        sockaddr_storage address{};
        socklen_t size = 0;
        if (family == AF_INET) {
            auto* to = reinterpret_cast<sockaddr_in*>(&address);
            to->sin_family = AF_INET;
            to->sin_port = htons(port);
            to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            size = sizeof(*to);
        } else {
            auto* to = reinterpret_cast<sockaddr_in6*>(&address);
            to->sin6_family = AF_INET6;
            to->sin6_port = htons(port);
            to->sin6_addr = in6addr_loopback;
            size = sizeof(*to);
        }
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        sockaddr_in6 own{};
        size = sizeof(own);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin6_port);
        via_ = type == SOCK_STREAM ? "TCP" : "UDP";
    }
    ~Client() { ::close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    void send(const std::string& bytes) { REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0); }
    /// One datagram, or what has come of a stream up to a whole message.
    std::string receive() {
        for (;;) {
            if (const auto whole = cut_message(); !whole.empty()) return whole;
            pollfd wait{fd_, POLLIN, 0};
            if (::poll(&wait, 1, 10'000) <= 0) return "(nothing)";
            char buffer[65'536];
            const auto size = ::recv(fd_, buffer, sizeof(buffer), 0);
            if (size <= 0) return "(closed)";
            got_.append(buffer, static_cast<std::size_t>(size));
        }
    }
    std::string head(const std::string& method, const std::string& uri, const std::string& tag = "c1",
                     std::string branch = {}) {
        if (branch.empty()) branch = std::to_string(++count_);
        return method + " " + uri + " SIP/2.0\r\nVia: SIP/2.0/" + via_ + " " + host() + ":" + std::to_string(port_) +
               ";branch=z9hG4bK-" + branch + "\r\nFrom: <sip:alice@a.example>;tag=" + tag + "\r\nCall-ID: call-" +
               std::to_string(port_) + "-" + tag + "\r\nCSeq: " + std::to_string(++cseq_) + " " + method +
               "\r\nMax-Forwards: 70\r\nContact: <sip:alice@" + host() + ":" + std::to_string(port_) +
               (via_ == "TCP" ? ";transport=tcp" : "") + ">\r\n";
    }
    static std::string body(const std::string& text) {
        return "Content-Type: application/pidf+xml\r\nContent-Length: " + std::to_string(text.size()) + "\r\n\r\n" +
               text;
    }
    std::string publish(const std::string& note, const std::string& branch = {}) {
        return head("PUBLISH", "sip:alice@a.example", "p" + note, branch) +
               "To: <sip:alice@a.example>\r\nEvent: presence\r\nExpires: 600\r\n" + body(pidf_text("open", note));
    }
    std::string subscribe() {
        return head("SUBSCRIBE", "sip:alice@a.example", "s1") +
               "To: <sip:alice@a.example>\r\nEvent: presence\r\nExpires: 600\r\nAccept: application/pidf+xml\r\n"
               "Record-Route: <sip:" +
               host() + ":" + std::to_string(port_) + ";lr" + (via_ == "TCP" ? ";transport=tcp" : "") +
               ">\r\nContent-Length: 0\r\n\r\n";
    }
    /// The 200 a watcher answers a NOTIFY with.
    void answer(const std::string& notify) {
        std::string out = "SIP/2.0 200 OK\r\n";
        std::size_t at = 0;
        while (at < notify.size()) {
            const auto end = notify.find("\r\n", at);
            const auto line = notify.substr(at, end - at);
            if (line.empty()) break;
            for (const auto* name : {"Via:", "From:", "To:", "Call-ID:", "CSeq:"})
                if (line.rfind(name, 0) == 0) out += line + "\r\n";
            at = end + 2;
        }
        send(out + "Content-Length: 0\r\n\r\n");
    }

  private:
    std::string host() const { return family_ == AF_INET ? "127.0.0.1" : "[::1]"; }

    std::string cut_message() {
        const auto end = got_.find("\r\n\r\n");
        if (end == std::string::npos) return {};
        const auto at = got_.find("Content-Length: ");
        const std::size_t length = at < end ? std::stoul(got_.substr(at + 16)) : 0;
        if (got_.size() < end + 4 + length) return {};
        auto whole = got_.substr(0, end + 4 + length);
        got_.erase(0, whole.size());
        return whole;
    }

    int family_;
    int fd_;
    std::uint16_t port_ = 0;
    std::string via_;
    std::string got_;
    int count_ = 0;
    int cseq_ = 0;
};

translators::sip::SipSettings on(std::string listen) {
    auto settings = SipTalk::serving();
    settings.listen = {std::move(listen)};
    return settings;
}

std::string header(const std::string& message, const std::string& name) {
    const auto at = message.find("\r\n" + name + ": ");
    if (at == std::string::npos) return {};
    const auto start = at + name.size() + 4;
    return message.substr(start, message.find("\r\n", start) - start);
}

/// PUBLISH, then SUBSCRIBE, then a change, as a client sees them.
void converse(int family, int type, const std::string& listen) {
    SipNode node(on(listen));
    REQUIRE(node.start());
    Client client(family, type, node.port());
    client.send(client.publish("one"));
    const auto published = client.receive();
    CHECK_MESSAGE(has(published, "SIP/2.0 200 OK"), published);
    CHECK(header(published, "SIP-ETag") == "etag-1");
    CHECK(header(published, "Expires") == "600");

    client.send(client.subscribe());
    auto first = client.receive();
    auto second = client.receive();
    if (has(first, "NOTIFY ")) std::swap(first, second);  // two datagrams may overtake each other
    CHECK_MESSAGE(has(first, "SIP/2.0 200 OK"), first);
    CHECK(header(first, "Expires") == "600");
    CHECK(has(header(first, "Contact"), std::to_string(node.port())));
    CHECK(has(header(first, "Record-Route"), "lr"));
    CHECK_MESSAGE(has(second, "NOTIFY sip:alice@"), second);
    CHECK(has(header(second, "Route"), "lr"));
    CHECK(header(second, "Subscription-State") == "active;expires=600");
    CHECK(header(second, "Event") == "presence");
    CHECK(has(header(second, "To"), "tag=s1"));
    CHECK(header(second, "From") == header(first, "To"));
    CHECK(has(second, "one"));
    client.answer(second);

    client.send(client.publish("two"));
    first = client.receive();
    second = client.receive();
    if (has(first, "NOTIFY ")) std::swap(first, second);
    CHECK(has(first, "SIP/2.0 200 OK"));
    CHECK_MESSAGE(has(second, "two"), second);
    client.answer(second);
}

}  // namespace

TEST_CASE("PUBLISH, SUBSCRIBE, NOTIFY over UDP and IPv4") {
    converse(AF_INET, SOCK_DGRAM, "udp:127.0.0.1:0");
}
TEST_CASE("PUBLISH, SUBSCRIBE, NOTIFY over TCP and IPv4") {
    converse(AF_INET, SOCK_STREAM, "tcp:127.0.0.1:0");
}
TEST_CASE("PUBLISH, SUBSCRIBE, NOTIFY over UDP and IPv6") {
    converse(AF_INET6, SOCK_DGRAM, "udp:[::1]:0");
}
TEST_CASE("PUBLISH, SUBSCRIBE, NOTIFY over TCP and IPv6") {
    converse(AF_INET6, SOCK_STREAM, "tcp:[::1]:0");
}

namespace {

/// SUBSCRIBE to watcher information, a watcher, and the end of the subscription, as a user agent sees them.
void ask_who_watches(int family, int type, const std::string& listen) {
    SipNode node(on(listen));
    REQUIRE(node.start());
    node.run([&] {
        for (int i = 0; i < 300; ++i)
            node.host.set_watcher(SipNode::now(), alice,
                                  {uri("watcher" + std::to_string(i) + "@b.example"), tr::WatchState::active, {}, {}});
    });
    Client client(family, type, node.port());
    const auto subscribe = [&](const std::string& to, const std::string& expires) {
        client.send(client.head("SUBSCRIBE", "sip:alice@a.example", "w1") + "To: " + to +
                    "\r\nEvent: presence.winfo\r\nExpires: " + expires +
                    "\r\nAccept: application/watcherinfo+xml\r\nContent-Length: 0\r\n\r\n");
        auto first = client.receive();
        auto second = client.receive();
        if (has(first, "NOTIFY ")) std::swap(first, second);  // two datagrams may overtake each other
        CHECK_MESSAGE(has(first, "SIP/2.0 200 OK"), first);
        return std::pair{first, second};
    };
    const auto begun = subscribe("<sip:alice@a.example>", "600");
    auto notify = begun.second;
    CHECK_MESSAGE(has(notify, "NOTIFY sip:alice@"), notify);
    CHECK(header(notify, "Event") == "presence.winfo");
    CHECK(header(notify, "Content-Type") == "application/watcherinfo+xml");
    CHECK(header(notify, "Subscription-State") == "active;expires=600");
    CHECK(has(notify, "version=\"0\" state=\"full\""));
    // The rest of the list, up to the watcher with the last name in order.
    const auto hear_rest = [&] {
        for (int i = 0; i < 300; ++i) {
            CHECK(has(notify, "</watcher-list></watcherinfo>"));
            if (type == SOCK_DGRAM) CHECK(notify.size() <= proto::limits::sip_udp_message_bytes);
            client.answer(notify);
            if (has(notify, ">sip:watcher99@b.example</watcher>")) return;
            notify = client.receive();
            REQUIRE_MESSAGE(has(notify, "NOTIFY "), notify);
        }
    };
    hear_rest();
    notify = subscribe(header(begun.first, "To"), "0").second;
    CHECK(has(notify, "state=\"full\""));
    hear_rest();
    CHECK(header(notify, "Subscription-State") == "terminated;reason=timeout");

    auto other = client.head("SUBSCRIBE", "sip:ann@a.example", "w2") +
                 "To: <sip:ann@a.example>\r\nEvent: presence.winfo\r\nContent-Length: 0\r\n\r\n";
    client.send(other);
    CHECK(has(client.receive(), "SIP/2.0 403"));
    other.replace(other.find("w2"), 2, "w3").replace(other.find("branch="), 7, "branch=z9hG4bK-w3");
    other.replace(other.find("presence.winfo"), 14, "presence.winfo.winfo");
    client.send(other);
    const auto bad = client.receive();
    CHECK(has(bad, "SIP/2.0 489"));
    CHECK(header(bad, "Allow-Events") == "presence, presence.winfo");
}

}  // namespace

TEST_CASE("SUBSCRIBE to presence.winfo over UDP: a list of 300 watchers, in datagrams that fit") {
    ask_who_watches(AF_INET, SOCK_DGRAM, "udp:127.0.0.1:0");
}
TEST_CASE("SUBSCRIBE to presence.winfo over TCP") {
    ask_who_watches(AF_INET6, SOCK_STREAM, "tcp:[::1]:0");
}

TEST_CASE("a retransmitted PUBLISH is answered the same and published once") {
    SipNode node(on("udp:127.0.0.1:0"));
    REQUIRE(node.start());
    Client client(AF_INET, SOCK_DGRAM, node.port());
    const auto request = client.publish("one", "again");
    client.send(request);
    const auto first = client.receive();
    client.send(request);
    CHECK(client.receive() == first);
    std::uint64_t taken = 0;
    node.run([&] { taken = node.host.counters["sip_requests.PUBLISH"]; });
    CHECK(taken == 1);
}

TEST_CASE("what is not SIP, or not quite, is named or dropped, and the next request is served") {
    SipNode node(on("127.0.0.1:0"));
    REQUIRE(node.start());
    Client client(AF_INET, SOCK_DGRAM, node.port());
    const std::vector<std::string> garbage{"\r\n\r\n", "hello", "SIP/2.0 200 OK\r\n\r\n",
                                           std::string("\x00\x01\x02\xff garbage\r\n\r\n", 16)};
    for (const auto& bytes : garbage) client.send(bytes);
    const auto refused = [&](const std::string& from, const std::string& to) {
        auto request = client.publish("x");
        request.replace(request.find(from), from.size(), to);
        client.send(request);
        return client.receive();
    };
    CHECK(has(refused("CSeq: ", "CSeq: x"), "SIP/2.0 400"));
    CHECK(has(refused("Call-ID: ", "X-Call: "), "SIP/2.0 400"));
    CHECK(has(refused("Expires: 600", "Expires: soon"), "SIP/2.0 400"));
    CHECK(has(refused("SIP/2.0\r\n", "SIP/7.0\r\n"), "SIP/2.0 505"));
    CHECK(has(refused("Event: presence", "Event: nothing"), "SIP/2.0 489"));
    CHECK(has(refused("PUBLISH sip:alice@a.example", "PUBLISH sip:alice@other.example"), "SIP/2.0 404"));
    CHECK(has(refused("Expires: 600", "Expires: 5"), "Min-Expires: 60"));
    CHECK(has(refused("<presence", "<absence"), "SIP/2.0 400"));
    client.send(client.publish("fine"));
    CHECK(has(client.receive(), "SIP/2.0 200"));
    // One thread answers in order: whoever has the last answer finds the earlier ones counted.
    CHECK(node.counters().malformed >= 4);
}

TEST_CASE("an over-large body over TCP is 413") {
    SipNode node(on("tcp:127.0.0.1:0"));
    REQUIRE(node.start());
    Client client(AF_INET, SOCK_STREAM, node.port());
    client.send(client.head("PUBLISH", "sip:alice@a.example") + "To: <sip:alice@a.example>\r\nEvent: presence\r\n" +
                Client::body(std::string(400 * 1024, ' ')).substr(0, 60'000));
    CHECK(has(client.receive(), "SIP/2.0 413"));
}

TEST_CASE("too many from one address: the rest is dropped and counted") {
    auto settings = on("udp:127.0.0.1:0");
    settings.requests_per_second = 5;
    SipNode node(settings);
    REQUIRE(node.start());
    Client client(AF_INET, SOCK_DGRAM, node.port());
    for (int i = 0; i < 10; ++i) {
        client.send(client.publish("n" + std::to_string(i)));
        CHECK(has(client.receive(), "SIP/2.0 200"));
    }
    for (int i = 0; i < 50; ++i) client.send(client.publish("m" + std::to_string(i)));
    for (int i = 0; i < 100'000 && node.counters().rate_limited == 0; ++i) client.send(client.publish("more"));
    CHECK(node.counters().rate_limited > 0);
    CHECK(node.counters().requests < 40);
}

namespace {

/// A shell whose owner answers when the test says so, and not before.
class SlowOwner {
  public:
    SlowOwner(const translators::sip::SipSettings& settings, translators::sip::ShellBounds bounds)
        : shell_(
              io_, settings, [this](std::vector<translators::sip::Incoming> batch) { take(std::move(batch)); },
              bounds) {
        thread_ = std::thread([this] { io_.run(); });
        run([this] { REQUIRE(shell_.start()); });
    }
    ~SlowOwner() {
        run([this] { shell_.stop(); });
        busy_.reset();
        thread_.join();
    }

    /// Answers every request so far with 200; there must be so many.
    void answer(std::size_t requests) {
        run([&] {
            CHECK(waiting_.size() == requests);
            std::vector<translators::sip::Outgoing> answers;
            for (const auto& request : waiting_) answers.emplace_back(translators::sip::answer(request, 200));
            waiting_.clear();
            shell_.send(std::move(answers));
        });
    }
    translators::sip::ShellEndpoint::Counters counters() {
        translators::sip::ShellEndpoint::Counters all;
        run([&] { all = shell_.counters(); });
        return all;
    }
    std::uint16_t port() const { return shell_.port(); }

  private:
    void run(const std::function<void()>& work) {
        std::promise<void> done;
        boost::asio::post(io_, [&] {
            work();
            done.set_value();
        });
        done.get_future().get();
    }
    void take(std::vector<translators::sip::Incoming> batch) {
        for (auto& item : batch) waiting_.push_back(std::get<translators::sip::Request>(std::move(item)));
    }

    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
    std::vector<translators::sip::Request> waiting_;
    translators::sip::ShellEndpoint shell_;
    std::thread thread_;
};

}  // namespace

TEST_CASE("requests that the owner has not answered are bounded in number and in bytes, and answers make room") {
    translators::sip::ShellBounds bounds;
    SUBCASE("in number") {
        bounds.unanswered = 3;
    }
    // Two take 2 * (1024 + 2 * 20,000) bytes and what their headers add; three take more than this.
    SUBCASE("in bytes") {
        bounds.unanswered_bytes = 100'000;
    }
    SlowOwner owner(on("tcp:127.0.0.1:0"), bounds);
    Client client(AF_INET, SOCK_STREAM, owner.port());
    const auto large = [&] {
        return client.head("PUBLISH", "sip:alice@a.example") +
               "To: <sip:alice@a.example>\r\nEvent: presence\r\nExpires: 600\r\n" +
               Client::body(std::string(20'000, ' '));
    };
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 5; ++i) client.send(large());
        for (int i = 0; i < 2; ++i) {
            const auto refused = client.receive();
            CHECK_MESSAGE(has(refused, "SIP/2.0 503"), refused);
            CHECK(header(refused, "Retry-After") == "5");
        }
        const auto full = owner.counters();
        CHECK(full.unanswered == 3);
        CHECK(full.unanswered_bytes > 3 * 40'000);
        CHECK(full.unanswered_bytes < 3 * 45'000);
        owner.answer(3);
        for (int i = 0; i < 3; ++i) CHECK(has(client.receive(), "SIP/2.0 200"));
        CHECK(owner.counters().unanswered_bytes == 0);
    }
    CHECK(owner.counters().remembered == 6);
    CHECK(owner.counters().remembered_bytes > 6 * 200);  // a key and a place in three containers, each
    CHECK(owner.counters().sources == 1);
    CHECK(owner.counters().requests == 6);
    CHECK(owner.counters().rate_limited == 4);
}

TEST_CASE("listening where one cannot, or what is no address, is refused by name") {
    SipNode first(on("udp:127.0.0.1:0"));
    REQUIRE(first.start());
    SipNode second(on("udp:127.0.0.1:" + std::to_string(first.port())));
    const auto taken = second.start();
    REQUIRE(!taken);
    CHECK(taken.error().reason == proto::Reason::unavailable);
    SipNode third(on("udp:127.0.0.1"));
    const auto unread = third.start();
    REQUIRE(!unread);
    CHECK(unread.error().reason == proto::Reason::malformed);
}
