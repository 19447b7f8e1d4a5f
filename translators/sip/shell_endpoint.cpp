// sofia-sip's magic types come first: its headers ask for them.
namespace presmesh::translators::sip {
struct SofiaAgentOwner;
struct SofiaRequestOwner;
}  // namespace presmesh::translators::sip
#define NTA_AGENT_MAGIC_T presmesh::translators::sip::SofiaAgentOwner
#define NTA_OUTGOING_MAGIC_T presmesh::translators::sip::SofiaRequestOwner

#include "translators/sip/shell_endpoint.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <unordered_map>

#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su.h>
#include <sofia-sip/su_log.h>
#include <sofia-sip/su_wait.h>
#include <sofia-sip/tport_tag.h>
#include <sofia-sip/url.h>

#include "proto/limits.hpp"
#include "translators/sip/server_transactions.hpp"
#include "translators/sip/shell_messages.hpp"
#include "translators/sip/source_rates.hpp"

namespace presmesh::translators::sip {
namespace {

namespace limits = proto::limits;

constexpr auto tcp_idle_ms = static_cast<unsigned>(std::chrono::milliseconds{limits::sip_tcp_idle}.count());
constexpr auto tcp_partial_ms = static_cast<unsigned>(std::chrono::milliseconds{limits::sip_tcp_partial}.count());
/// sofia-sip's timers are of half a second and more, and it has some run out at once after each message: setting the
/// kernel's timer for each would cost as much as reading the message.
constexpr auto timer_grain = std::chrono::milliseconds{10};

proto::SteadyTime steady_now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return proto::SteadyTime{std::chrono::duration_cast<proto::Duration>(since)};
}

/// "udp:127.0.0.1:5060", "tcp:[::1]:5060", "127.0.0.1:5060".
struct ListenAddress {
    std::string transport;  ///< empty: UDP and TCP
    std::string host;
    std::string port;
};

proto::Result<ListenAddress> read_listen(std::string_view text) {
    ListenAddress out;
    const auto whole = std::string(text);
    for (const std::string_view transport : {"udp", "tcp"})
        if (text.substr(0, 4) == std::string(transport) + ":") {
            out.transport = transport;
            text.remove_prefix(4);
            break;
        }
    const auto colon = text.rfind(':');
    const auto port = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    const bool digits =
        !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits || colon == 0) return proto::refuse(proto::Reason::malformed, "listen address " + whole);
    out.host = std::string(text.substr(0, colon));
    out.port = port == "0" ? "*" : std::string(port);
    return out;
}

bool is_v6_uri(std::string_view uri) {
    return uri.find('[') != std::string_view::npos;
}

/// What a received message takes up: its bytes, and about as much again for what was parsed of them.
std::size_t kept_bytes(const msg_t* message) {
    return 1'024 + 2 * msg_size(message);
}

void no_log(void*, const char*, va_list) {}

/// The epoll instance in which sofia-sip waits for `fd`. It has no name for it; the kernel lists what each one waits
/// for.
int epoll_that_waits_for(int fd) {
    std::error_code failed;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fdinfo", failed)) {
        std::ifstream lines(entry.path());
        for (std::string word; lines >> word;)
            if (int waited = -1; word == "tfd:" && lines >> waited && waited == fd)
                return std::atoi(entry.path().filename().c_str());
    }
    return -1;
}

}  // namespace

/// A request of ours on its way; sofia-sip hands it back with the answer.
struct SofiaRequestOwner {
    SofiaAgentOwner* engine = nullptr;
    TransactionId transaction = 0;
    nta_outgoing_t* outgoing = nullptr;
};

struct SofiaAgentOwner {
    SofiaAgentOwner(boost::asio::io_context& io, SipSettings with, ShellEndpoint::Receive to_owner, ShellBounds within)
        : settings(std::move(with)), bounds(within), deliver(std::move(to_owner)), readable(io), timer(io) {}

    const SipSettings settings;
    const ShellBounds bounds;
    const ShellEndpoint::Receive deliver;
    boost::asio::posix::stream_descriptor readable;  ///< sofia-sip's epoll instance; sofia-sip owns it
    boost::asio::steady_timer timer;                 ///< for sofia-sip's timers
    std::optional<std::chrono::steady_clock::time_point> armed;
    std::vector<Incoming> received;  ///< since the owner had them last
    ShellEndpoint::Counters counted;
    std::vector<std::string> addresses;

    su_root_t* root = nullptr;
    nta_agent_t* agent = nullptr;
    ServerTransactions transactions{limits::sip_transactions, limits::sip_transaction_bytes};
    SourceRates rates{settings.requests_per_second, limits::sip_sources};
    std::unordered_map<TransactionId, msg_t*> unanswered;
    std::size_t unanswered_bytes = 0;
    std::unordered_map<const SofiaRequestOwner*, std::unique_ptr<SofiaRequestOwner>> under_way;

    proto::Result<void> open();
    proto::Result<void> listen_on(const std::string& text);
    proto::Result<void> find_epoll();
    void close();
    void list_addresses();

    void wait_readable();
    void work();
    void step();
    bool has_more();
    void arm(su_duration_t until_timer);
    void hand_over();

    void receive(msg_t* message, const sip_t* sip);
    void receive_request(msg_t* message, const sip_t* sip);
    bool is_flooding(msg_t* message, proto::SteadyTime now);

    void send(Response response);
    void reply(msg_t* request, const Response& response);
    void send(Request request);
    void finish(SofiaRequestOwner* owner, const sip_t* sip, int status);
    const std::string& contact_for(bool tcp, bool v6) const;
    std::uint64_t malformed() const;
};

namespace {

int on_message(SofiaAgentOwner* engine, nta_agent_t*, msg_t* message, sip_t* sip) {
    engine->receive(message, sip);
    return 0;
}

int on_response(SofiaRequestOwner* owner, nta_outgoing_t* outgoing, const sip_t* sip) {
    const int status = nta_outgoing_status(outgoing);
    if (status >= 200) owner->engine->finish(owner, sip, status);
    return 0;
}

int on_nothing(su_root_magic_t*, su_wait_t*, su_wakeup_arg_t*) {
    return 0;
}

}  // namespace

proto::Result<void> SofiaAgentOwner::open() {
    su_init();
    su_log_redirect(nullptr, no_log, nullptr);  // it would print bytes from outside
    su_log_set_level(nullptr, 0);
    root = su_root_create(nullptr);
    if (root == nullptr) return proto::refuse(proto::Reason::unavailable, "sofia-sip does not start");
    if (auto found = find_epoll(); !found) return found;
    agent = nta_agent_create(root, reinterpret_cast<const url_string_t*>(-1), on_message, this,
                             NTATAG_MAXSIZE(limits::sip_message_bytes), NTATAG_USE_NAPTR(0), NTATAG_EXTRA_100(0),
                             NTATAG_UA(1), TPTAG_UDP_RMEM(limits::sip_udp_buffer),
                             TPTAG_UDP_WMEM(limits::sip_udp_buffer), TPTAG_QUEUESIZE(limits::sip_tcp_queue),
                             TPTAG_IDLE(tcp_idle_ms), TPTAG_TIMEOUT(tcp_partial_ms), TAG_END());
    if (agent == nullptr) return proto::refuse(proto::Reason::unavailable, "sofia-sip does not start");
    for (const auto& text : settings.listen)
        if (auto listening = listen_on(text); !listening) return listening;
    list_addresses();
    if (addresses.empty()) return proto::refuse(proto::Reason::malformed, "no listen address");
    wait_readable();
    arm(0);
    return {};
}

/// With a descriptor of ours registered for a moment, to know it by.
proto::Result<void> SofiaAgentOwner::find_epoll() {
    const int mark = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    su_wait_t wait[1] = {SU_WAIT_INIT};
    const int registered = mark < 0 || su_wait_create(wait, mark, SU_WAIT_IN) < 0
                               ? -1
                               : su_root_register(root, wait, on_nothing, nullptr, 0);
    const int found = registered < 0 ? -1 : epoll_that_waits_for(mark);
    if (registered >= 0) su_root_deregister(root, registered);
    if (mark >= 0) ::close(mark);
    if (found < 0) return proto::refuse(proto::Reason::unavailable, "sofia-sip does not start: is /proc mounted?");
    readable.assign(found);
    return {};
}

proto::Result<void> SofiaAgentOwner::listen_on(const std::string& text) {
    const auto at = read_listen(text);
    if (!at) return tl::make_unexpected(at.error());
    const auto& shown = settings.advertised.empty() ? at->host : settings.advertised;
    // A list of transports in the URL crashes the packaged sofia-sip; none means both.
    const auto transport = at->transport.empty() ? std::string() : ";transport=" + at->transport;
    const auto url = "sip:" + shown + ":" + at->port + transport + ";maddr=" + at->host;
    if (nta_agent_add_tport(agent, reinterpret_cast<const url_string_t*>(url.c_str()), TAG_END()) < 0)
        return proto::refuse(proto::Reason::unavailable, "cannot listen on " + text);
    return {};
}

void SofiaAgentOwner::list_addresses() {
    for (const auto* via = nta_agent_via(agent); via != nullptr; via = via->v_next) {
        const bool tcp = std::string_view(via->v_protocol).find("TCP") != std::string_view::npos;
        addresses.push_back("sip:" + std::string(via->v_host) +
                            (via->v_port == nullptr ? "" : ":" + std::string(via->v_port)) +
                            ";transport=" + (tcp ? "tcp" : "udp"));
    }
}

void SofiaAgentOwner::close() {
    for (auto& [transaction, message] : unanswered) msg_destroy(message);
    unanswered.clear();
    for (const auto& [at, owner] : under_way) nta_outgoing_destroy(owner->outgoing);
    under_way.clear();
    received.clear();
    timer.cancel();
    if (readable.is_open()) readable.release();
    if (agent != nullptr) nta_agent_destroy(agent);
    if (root != nullptr) {
        su_root_destroy(root);
        su_deinit();
    }
    agent = nullptr;
    root = nullptr;
}

void SofiaAgentOwner::wait_readable() {
    readable.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
        if (error) return;
        work();
        wait_readable();
    });
}

/// What waits in the sockets goes to the owner at once: one turn, one commit.
void SofiaAgentOwner::work() {
    if (root == nullptr) return;  // stopped, when this was on its way
    for (int i = 0; i < limits::sip_messages_per_wake && (i == 0 || has_more()); ++i) step();
    hand_over();
}

/// Takes one message of each socket that has one, and runs the timers that are due.
void SofiaAgentOwner::step() {
    arm(su_root_step(root, 0));
}

bool SofiaAgentOwner::has_more() {
    pollfd waiting{readable.native_handle(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

void SofiaAgentOwner::arm(su_duration_t until_timer) {
    if (until_timer == static_cast<su_duration_t>(SU_WAIT_FOREVER)) return;
    const auto at = std::chrono::steady_clock::now() +
                    std::max<std::chrono::milliseconds>(std::chrono::milliseconds{until_timer}, timer_grain);
    if (armed && *armed <= at) return;
    armed = at;
    timer.expires_at(at);
    timer.async_wait([this](boost::system::error_code error) {
        if (error) return;
        armed.reset();
        work();
    });
}

void SofiaAgentOwner::hand_over() {
    if (received.empty()) return;
    std::vector<Incoming> batch;
    batch.swap(received);
    deliver(std::move(batch));
}

std::uint64_t SofiaAgentOwner::malformed() const {
    usize_t bad = 0;
    if (agent != nullptr) nta_agent_get_stats(agent, NTATAG_S_BAD_REQUEST_REF(bad), TAG_END());
    return bad;
}

void SofiaAgentOwner::receive(msg_t* message, const sip_t* sip) {
    const bool is_request = sip != nullptr && sip->sip_request != nullptr;
    if (!is_request || sip->sip_request->rq_method == sip_method_ack) return msg_destroy(message);
    receive_request(message, sip);
}

bool SofiaAgentOwner::is_flooding(msg_t* message, proto::SteadyTime now) {
    if (unanswered.size() >= bounds.unanswered || unanswered_bytes >= bounds.unanswered_bytes) return true;
    const auto source = source_of(message);
    return !settings.is_server(source) && !rates.take(now, source);
}

void SofiaAgentOwner::receive_request(msg_t* message, const sip_t* sip) {
    const auto now = steady_now();
    if (is_flooding(message, now)) {
        ++counted.rate_limited;
        if (!is_tcp(sip)) return msg_destroy(message);
        nta_msg_treply(agent, message, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR("5"), TAG_END());
        return;
    }
    const auto seen = transactions.see(now, transaction_key(sip));
    if (seen.verdict != ServerTransactions::Verdict::fresh) {
        ++counted.retransmitted;
        if (seen.verdict == ServerTransactions::Verdict::in_work) return msg_destroy(message);
        return reply(message, *seen.response);
    }
    ++counted.requests;
    auto request = read_request(message, sip);
    request.transaction = seen.transaction;
    unanswered[seen.transaction] = message;
    unanswered_bytes += kept_bytes(message);
    received.emplace_back(std::move(request));
}

void SofiaAgentOwner::send(Response response) {
    const auto found = unanswered.find(response.transaction);
    if (found == unanswered.end()) return;
    auto* request = found->second;
    unanswered.erase(found);
    unanswered_bytes -= kept_bytes(request);
    const auto* sip = sip_object(request);
    // A To tag of our making, so that a retransmission gets the same one.
    if (response.to_tag.empty() && sip->sip_to->a_tag == nullptr)
        response.to_tag = "r" + std::to_string(response.transaction);
    if (response.with_contact) response.contact = contact_for(is_tcp(sip), !source_of(request).is_v4());
    transactions.answered(response.transaction, response);
    reply(request, response);
}

void SofiaAgentOwner::reply(msg_t* request, const Response& response) {
    auto* message = nta_msg_create(agent, 0);
    const auto* sip = sip_object(request);
    if (sip->sip_to->a_tag == nullptr && !response.to_tag.empty()) {
        auto* to = sip_to_dup(msg_home(message), sip->sip_to);
        sip_to_tag(msg_home(message), to, response.to_tag.c_str());
        msg_header_insert(message, reinterpret_cast<msg_pub_t*>(sip_object(message)),
                          reinterpret_cast<msg_header_t*>(to));
    }
    const bool good = write_response(message, response);
    const char* phrase = response.phrase.empty() ? sip_status_phrase(response.status) : response.phrase.c_str();
    nta_msg_mreply(agent, message, sip_object(message), good ? response.status : 500,
                   good && phrase != nullptr ? phrase : "Server Internal Error", request, TAG_END());
}

const std::string& SofiaAgentOwner::contact_for(bool tcp, bool v6) const {
    const std::string* best = &addresses.front();
    int best_score = -1;
    for (const auto& address : addresses) {
        const int score = (is_v6_uri(address) == v6 ? 2 : 0) + (names_tcp(address) == tcp ? 1 : 0);
        if (score > best_score) {
            best = &address;
            best_score = score;
        }
    }
    return *best;
}

void SofiaAgentOwner::send(Request request) {
    const auto& hop = hop_of(request);
    if (request.contact.empty()) request.contact = contact_for(names_tcp(hop), is_v6_uri(hop));
    auto owner = std::make_unique<SofiaRequestOwner>();
    owner->engine = this;
    owner->transaction = request.transaction;
    auto* message = nta_msg_create(agent, 0);
    const bool good = write_request(message, request);
    const auto* route = request.routes.empty() && !request.next_hop.empty() ? request.next_hop.c_str() : nullptr;
    if (good)
        owner->outgoing = nta_outgoing_mcreate(agent, on_response, owner.get(),
                                               reinterpret_cast<const url_string_t*>(route), message, TAG_END());
    if (owner->outgoing == nullptr) {
        if (!good) msg_destroy(message);
        Response unsent;
        unsent.transaction = request.transaction;
        unsent.status = 503;
        unsent.local = true;
        received.emplace_back(std::move(unsent));
        return;
    }
    const auto* at = owner.get();
    under_way.emplace(at, std::move(owner));
}

void SofiaAgentOwner::finish(SofiaRequestOwner* owner, const sip_t* sip, int status) {
    auto response = read_response(sip, status, sip == nullptr || nta_sip_is_internal(const_cast<sip_t*>(sip)) != 0);
    response.transaction = owner->transaction;
    nta_outgoing_destroy(owner->outgoing);
    under_way.erase(owner);
    received.emplace_back(std::move(response));
}

// ---- the face

struct ShellEndpoint::Engine {
    SofiaAgentOwner sofia;
};

ShellEndpoint::ShellEndpoint(boost::asio::io_context& io, const SipSettings& settings, Receive receive,
                             ShellBounds bounds)
    : engine_(new Engine{{io, settings, std::move(receive), bounds}}) {}

ShellEndpoint::~ShellEndpoint() {
    stop();
}

proto::Result<void> ShellEndpoint::start() {
    auto opened = engine_->sofia.open();
    if (!opened) stop();
    return opened;
}

void ShellEndpoint::send(std::vector<Outgoing> messages) {
    auto& sofia = engine_->sofia;
    if (messages.empty() || sofia.agent == nullptr) return;
    for (auto& item : messages) std::visit([&](auto& message) { sofia.send(std::move(message)); }, item);
    sofia.arm(0);  // what was sent may have set timers, and what could not be sent has its answer already
}

void ShellEndpoint::stop() {
    engine_->sofia.close();
}

std::vector<std::string> ShellEndpoint::addresses() const {
    return engine_->sofia.addresses;
}

std::uint16_t ShellEndpoint::port() const {
    const auto& all = engine_->sofia.addresses;
    if (all.empty()) return 0;
    const auto& first = all.front();
    const auto end = first.find(";transport");
    const auto colon = first.rfind(':', end);
    const auto digits = first.substr(colon + 1, end - colon - 1);
    return digits.find_first_not_of("0123456789") == std::string::npos
               ? static_cast<std::uint16_t>(std::atoi(digits.c_str()))
               : 5060;
}

ShellEndpoint::Counters ShellEndpoint::counters() const {
    const auto& sofia = engine_->sofia;
    auto counted = sofia.counted;
    counted.malformed = sofia.malformed();
    counted.unanswered = sofia.unanswered.size();
    counted.unanswered_bytes = sofia.unanswered_bytes;
    counted.remembered = sofia.transactions.size();
    counted.remembered_bytes = sofia.transactions.bytes();
    counted.sources = sofia.rates.sources();
    return counted;
}

}  // namespace presmesh::translators::sip
