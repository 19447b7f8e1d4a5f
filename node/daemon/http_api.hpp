// What the HTTP interface answers (node/CONFIG.md), apart from sockets: requests and a time in, responses and events
// out. A translator like the others: it publishes, watches and is authorized through the same door.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "node/daemon/http_message.hpp"
#include "node/daemon/http_slots.hpp"
#include "node/daemon/http_target.hpp"
#include "node/daemon/node_report.hpp"
#include "node/daemon/tokens.hpp"
#include "node/presence_service.hpp"
#include "translators/translator.hpp"

namespace presmesh::daemon {

struct HttpApiSettings {
    bool open_metrics = true;  ///< /metrics without a token: while only this machine can ask
    proto::Duration heartbeat = std::chrono::seconds{15};
};

class HttpApi final : public translators::Translator {
  public:
    /// `service` must outlive it; `report` is asked for /v1/node and /metrics.
    HttpApi(HttpApiSettings settings, node::PresenceService& service, std::function<NodeReport()> report);
    ~HttpApi() override;

    /// Event streams and waiting fetches that are open.
    std::size_t streams() const { return readers_.size(); }

    // ---- within a turn
    /// What a token that is gone, or grants less, had opened ends here and now.
    void set_tokens(proto::Now now, Tokens tokens);
    void handle_request(proto::Now now, ExchangeId exchange, const HttpRequest& request);
    /// The client is gone; nothing more is told about the exchange.
    void handle_closed(proto::Now now, ExchangeId exchange);
    /// Counts what the server answered by itself.
    void server_refused(unsigned status, std::string_view reason);
    /// Only after the turn's end: what was saved is committed before anything is confirmed.
    std::optional<HttpOutput> poll_output();

    // ---- translators::Translator
    std::string_view name() const override { return "http"; }
    void start(proto::Now now, translators::Host& host) override;
    void stop(proto::Now now) override;
    void view_changed(proto::Now now, translators::WatchId watch, const translators::View& view) override;
    bool attends(const proto::PresentityUri&) const override { return false; }
    void wanted(proto::Now, const proto::PresentityUri&, const proto::PresentityUri&) override {}
    void unwanted(proto::Now, const proto::PresentityUri&, const proto::PresentityUri&) override {}
    void handle_timeout(proto::Now now) override;
    proto::SteadyTime next_timeout() const override;

  private:
    /// One request being answered.
    struct Call {
        proto::Now now;
        ExchangeId exchange;
        const HttpRequest& request;
        Target target;
        const Grant* grant = nullptr;
        proto::Digest token{};  ///< its digest, when there is a grant
        proto::PresentityUri presentity;
    };
    struct Reader {
        ExchangeId exchange = 0;
        proto::Digest token{};  ///< the digest of the one that opened it
        proto::PresentityUri watcher;
        proto::PresentityUri presentity;
        bool streaming = false;
        std::string_view media;  ///< of a fetch's answer
        proto::SteadyTime asked{};
        proto::SteadyTime deadline{};  ///< of a fetch: answered with what is known then
        std::uint64_t events = 0;
    };
    struct Chosen {
        std::string slot;
        std::string etag;          ///< empty: a new publication
        bool conditional = false;  ///< the client named it (If-Match)
    };
    using Handler = void (HttpApi::*)(Call&);
    struct Method {
        std::string_view name;
        Access access;
        Handler handler;
        std::string_view parameters = {};  ///< the names it takes, a space between
    };

    void route(Call& call);
    void route_presentity(Call& call);
    void dispatch(Call& call, std::initializer_list<Method> methods);
    bool authorize(Call& call, Access wanted);
    bool takes_parameters(Call& call, std::string_view known);

    void get_health(Call& call);
    void get_metrics(Call& call);
    void get_node(Call& call);
    void get_presence(Call& call);
    void put_presence(Call& call);
    void delete_presence(Call& call);
    void get_events(Call& call);
    void get_rules(Call& call);
    void put_rules(Call& call);
    void get_watchers(Call& call);
    void post_watchers(Call& call);

    proto::Result<Chosen> choose(const Call& call) const;
    proto::Result<proto::PresentityUri> watcher_of(const Call& call) const;
    void start_reader(Call& call, Reader reader);
    bool still_granted(const Reader& reader) const;
    Reader take_reader(proto::Now now, translators::WatchId watch);
    void end_reader(const Reader& reader, const proto::Error& why);
    void answer_fetch(proto::Now now, translators::WatchId watch, const translators::View& view);
    void check_fetches(proto::Now now);
    void send_heartbeats(proto::Now now);
    void send_event(Reader& reader, const translators::View& view);

    void respond(ExchangeId exchange, HttpResponse response);
    void respond_json(const Call& call, std::string json);
    void refuse(const Call& call, const proto::Error& error);

    HttpApiSettings settings_;
    node::PresenceService& service_;
    std::function<NodeReport()> report_;
    Tokens tokens_;
    HttpSlots slots_;
    std::map<translators::WatchId, Reader> readers_;
    std::map<ExchangeId, translators::WatchId> watch_of_;
    std::size_t fetches_ = 0;  ///< readers that do not stream
    proto::SteadyTime fetch_check_{};
    proto::SteadyTime next_heartbeat_ = proto::never;
    proto::SteadyTime next_sweep_ = proto::never;
    std::deque<HttpOutput> outputs_;
};

}  // namespace presmesh::daemon
