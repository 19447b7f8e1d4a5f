// sofia-sip's magic types come first: its headers ask for them.
namespace presmesh::translators::sip {
struct SofiaAgentOwner;
struct SofiaRequestOwner;
}  // namespace presmesh::translators::sip
#define NTA_AGENT_MAGIC_T presmesh::translators::sip::SofiaAgentOwner
#define NTA_OUTGOING_MAGIC_T presmesh::translators::sip::SofiaRequestOwner

#include "translators/sip/shell_endpoint.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
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

proto::SteadyTime steady_now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return proto::SteadyTime{std::chrono::duration_cast<proto::Duration>(since)};
}

/// What crosses to the owner, and whether a visit is on its way already.
struct Inbox {
    std::mutex lock;
    std::vector<Incoming> waiting;
    bool is_posted = false;
    bool is_closed = false;
    ShellEndpoint::Receive receive;

    void deliver() {
        std::vector<Incoming> batch;
        {
            const std::lock_guard hold(lock);
            batch.swap(waiting);
            is_posted = false;
            if (is_closed) return;
        }
        receive(std::move(batch));
    }
};

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
bool is_tcp_uri(std::string_view uri) {
    return uri.find("transport=tcp") != std::string_view::npos;
}

/// What a received message takes up: its bytes, and about as much again for what was parsed of them.
std::size_t kept_bytes(const msg_t* message) {
    return 1'024 + 2 * msg_size(message);
}

void no_log(void*, const char*, va_list) {}

}  // namespace

/// A request of ours on its way; sofia-sip hands it back with the answer.
struct SofiaRequestOwner {
    SofiaAgentOwner* engine = nullptr;
    TransactionId transaction = 0;
    nta_outgoing_t* outgoing = nullptr;
};

/// Lives in sofia-sip's thread, but for what is marked.
struct SofiaAgentOwner {
    SofiaAgentOwner(SipSettings with, ShellBounds within, ShellEndpoint::Post to_owner, std::shared_ptr<Inbox> into)
        : settings(std::move(with)), bounds(within), post(std::move(to_owner)), inbox(std::move(into)) {}

    // ---- any thread
    const SipSettings settings;
    const ShellBounds bounds;
    const ShellEndpoint::Post post;
    const std::shared_ptr<Inbox> inbox;
    std::mutex outbox_lock;
    std::vector<Outgoing> outbox;
    bool is_woken = false;
    bool is_stopping = false;
    int wake_fd = -1;
    std::atomic<std::uint64_t> requests{0}, malformed{0}, rate_limited{0}, retransmitted{0};
    std::atomic<std::uint64_t> unanswered_now{0}, unanswered_bytes_now{0}, remembered{0}, remembered_bytes{0};
    std::atomic<std::uint64_t> sources{0};
    std::vector<std::string> addresses;  // written before start() returns

    void wake() const {
        const std::uint64_t one = 1;
        static_cast<void>(!::write(wake_fd, &one, sizeof(one)));
    }

    // ---- sofia-sip's thread
    su_root_t* root = nullptr;
    nta_agent_t* agent = nullptr;
    ServerTransactions transactions{limits::sip_transactions, limits::sip_transaction_bytes};
    SourceRates rates{settings.requests_per_second, limits::sip_sources};
    std::unordered_map<TransactionId, msg_t*> unanswered;
    std::size_t unanswered_bytes = 0;
    std::unordered_map<const SofiaRequestOwner*, std::unique_ptr<SofiaRequestOwner>> under_way;
    std::vector<std::string> exempt;  ///< addresses of the attached server, bare
    bool is_done = false;

    void run(std::promise<proto::Result<void>> started);
    proto::Result<void> open();
    proto::Result<void> listen_on(const std::string& text);
    void close();
    void list_addresses();

    void receive(msg_t* message, const sip_t* sip);
    void receive_request(msg_t* message, const sip_t* sip);
    bool is_flooding(msg_t* message, proto::SteadyTime now);
    void hand_over(Incoming item);

    void drain();
    void send(Response response);
    void reply(msg_t* request, const Response& response);
    void send(Request request);
    void finish(SofiaRequestOwner* owner, const sip_t* sip, int status);
    const std::string& contact_for(bool tcp, bool v6) const;
    void count_malformed();
    void tell_sizes();
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

int on_wake(su_root_magic_t*, su_wait_t*, su_wakeup_arg_t* argument) {
    reinterpret_cast<SofiaAgentOwner*>(argument)->drain();
    return 0;
}

}  // namespace

void SofiaAgentOwner::run(std::promise<proto::Result<void>> started) {
    auto opened = open();
    const bool is_open = opened.has_value();
    started.set_value(std::move(opened));
    while (is_open && !is_done) su_root_step(root, 60'000);
    close();
}

proto::Result<void> SofiaAgentOwner::open() {
    su_init();
    su_log_redirect(nullptr, no_log, nullptr);  // it would print bytes from outside
    su_log_set_level(nullptr, 0);
    root = su_root_create(nullptr);
    if (root == nullptr) return proto::refuse(proto::Reason::unavailable, "sofia-sip does not start");
    su_wait_t wait[1] = {SU_WAIT_INIT};
    if (su_wait_create(wait, wake_fd, SU_WAIT_IN) < 0 ||
        su_root_register(root, wait, on_wake, reinterpret_cast<su_wakeup_arg_t*>(this), 0) < 0)
        return proto::refuse(proto::Reason::unavailable, "sofia-sip does not start");
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
    if (url_t* server = url_make(nullptr, settings.server.c_str()); server != nullptr) {
        if (server->url_host != nullptr) exempt.emplace_back(server->url_host);
        su_free(nullptr, server);
    }
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
    if (agent != nullptr) nta_agent_destroy(agent);
    if (root != nullptr) su_root_destroy(root);
    agent = nullptr;
    root = nullptr;
    su_deinit();
}

void SofiaAgentOwner::count_malformed() {
    usize_t bad = 0;
    nta_agent_get_stats(agent, NTATAG_S_BAD_REQUEST_REF(bad), TAG_END());
    malformed = bad;
}

void SofiaAgentOwner::tell_sizes() {
    unanswered_now = unanswered.size();
    unanswered_bytes_now = unanswered_bytes;
    remembered = transactions.size();
    remembered_bytes = transactions.bytes();
    sources = rates.sources();
}

void SofiaAgentOwner::receive(msg_t* message, const sip_t* sip) {
    const bool is_request = sip != nullptr && sip->sip_request != nullptr;
    if (!is_request || sip->sip_request->rq_method == sip_method_ack) return msg_destroy(message);
    receive_request(message, sip);
}

bool SofiaAgentOwner::is_flooding(msg_t* message, proto::SteadyTime now) {
    const auto source = source_of(message);
    if (unanswered.size() >= bounds.unanswered || unanswered_bytes >= bounds.unanswered_bytes) return true;
    if (rates.take(now, source)) return false;
    const auto text = source.to_string();
    const auto host = text.substr(0, text.rfind(':'));
    return std::find(exempt.begin(), exempt.end(), host) == exempt.end();
}

void SofiaAgentOwner::receive_request(msg_t* message, const sip_t* sip) {
    const auto now = steady_now();
    if (is_flooding(message, now)) {
        ++rate_limited;
        if (!is_tcp(sip)) return msg_destroy(message);
        nta_msg_treply(agent, message, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR("5"), TAG_END());
        return;
    }
    const auto seen = transactions.see(now, transaction_key(sip));
    if (seen.verdict != ServerTransactions::Verdict::fresh) {
        ++retransmitted;
        if (seen.verdict == ServerTransactions::Verdict::in_work) return msg_destroy(message);
        return reply(message, *seen.response);
    }
    ++requests;
    auto request = read_request(message, sip);
    request.transaction = seen.transaction;
    unanswered[seen.transaction] = message;
    unanswered_bytes += kept_bytes(message);
    tell_sizes();
    hand_over(std::move(request));
}

void SofiaAgentOwner::hand_over(Incoming item) {
    {
        const std::lock_guard hold(inbox->lock);
        inbox->waiting.push_back(std::move(item));
        if (inbox->is_posted) return;
        inbox->is_posted = true;
    }
    post([to = inbox] { to->deliver(); });
}

void SofiaAgentOwner::drain() {
    std::uint64_t woken = 0;
    static_cast<void>(!::read(wake_fd, &woken, sizeof(woken)));
    std::vector<Outgoing> batch;
    {
        const std::lock_guard hold(outbox_lock);
        batch.swap(outbox);
        is_woken = false;
        is_done = is_stopping;
    }
    for (auto& item : batch) std::visit([this](auto& message) { send(std::move(message)); }, item);
    count_malformed();
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
    tell_sizes();
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
        const int score = (is_v6_uri(address) == v6 ? 2 : 0) + (is_tcp_uri(address) == tcp ? 1 : 0);
        if (score > best_score) {
            best = &address;
            best_score = score;
        }
    }
    return *best;
}

void SofiaAgentOwner::send(Request request) {
    const auto& hop = !request.routes.empty()     ? request.routes.front()
                      : !request.next_hop.empty() ? request.next_hop
                                                  : request.uri;
    if (request.contact.empty()) request.contact = contact_for(is_tcp_uri(hop), is_v6_uri(hop));
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
        return hand_over(std::move(unsent));
    }
    const auto* at = owner.get();
    under_way.emplace(at, std::move(owner));
}

void SofiaAgentOwner::finish(SofiaRequestOwner* owner, const sip_t* sip, int status) {
    auto response = read_response(sip, status, sip == nullptr || nta_sip_is_internal(const_cast<sip_t*>(sip)) != 0);
    response.transaction = owner->transaction;
    nta_outgoing_destroy(owner->outgoing);
    under_way.erase(owner);
    hand_over(std::move(response));
}

// ---- the owner's side

struct ShellEndpoint::Engine {
    Engine(const SipSettings& settings, Post post, Receive receive, ShellBounds bounds)
        : inbox(std::make_shared<Inbox>()), sofia(settings, bounds, std::move(post), inbox) {
        inbox->receive = std::move(receive);
    }
    std::shared_ptr<Inbox> inbox;
    SofiaAgentOwner sofia;
    std::thread thread;
};

ShellEndpoint::ShellEndpoint(const SipSettings& settings, Post post, Receive receive, ShellBounds bounds)
    : engine_(std::make_unique<Engine>(settings, std::move(post), std::move(receive), bounds)) {}

ShellEndpoint::~ShellEndpoint() {
    stop();
}

proto::Result<void> ShellEndpoint::start() {
    auto& sofia = engine_->sofia;
    sofia.wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sofia.wake_fd < 0) return proto::refuse(proto::Reason::unavailable, "no eventfd");
    std::promise<proto::Result<void>> started;
    auto outcome = started.get_future();
    engine_->thread = std::thread([&sofia, promise = std::move(started)]() mutable { sofia.run(std::move(promise)); });
    auto result = outcome.get();
    if (!result) stop();
    return result;
}

void ShellEndpoint::send(std::vector<Outgoing> messages) {
    auto& sofia = engine_->sofia;
    if (messages.empty() || !engine_->thread.joinable()) return;
    {
        const std::lock_guard hold(sofia.outbox_lock);
        if (sofia.outbox.empty())
            sofia.outbox = std::move(messages);
        else
            std::move(messages.begin(), messages.end(), std::back_inserter(sofia.outbox));
        if (sofia.is_woken) return;
        sofia.is_woken = true;
    }
    sofia.wake();
}

void ShellEndpoint::stop() {
    auto& sofia = engine_->sofia;
    if (!engine_->thread.joinable()) return;
    {
        const std::lock_guard hold(sofia.outbox_lock);
        sofia.is_stopping = true;
    }
    sofia.wake();
    engine_->thread.join();
    ::close(sofia.wake_fd);
    sofia.wake_fd = -1;
    const std::lock_guard hold(engine_->inbox->lock);
    engine_->inbox->is_closed = true;
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
    return {sofia.requests,      sofia.malformed,        sofia.rate_limited,
            sofia.retransmitted, sofia.unanswered_now,   sofia.unanswered_bytes_now,
            sofia.remembered,    sofia.remembered_bytes, sofia.sources};
}

}  // namespace presmesh::translators::sip
