#include "translators/sip/shell_messages.hpp"

#include <netinet/in.h>

#include <cstring>

#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/su_tag.h>
#include <sofia-sip/url.h>

#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {
namespace {

std::string text_of(const char* text) {
    return text == nullptr ? std::string() : std::string(text);
}

std::string text_of(const url_t* url) {
    std::array<char, 512> buffer{};
    const auto size = url_e(buffer.data(), buffer.size(), url);
    if (size < 0) return {};
    if (static_cast<std::size_t>(size) < buffer.size()) return {buffer.data(), static_cast<std::size_t>(size)};
    std::string large(static_cast<std::size_t>(size) + 1, '\0');
    url_e(large.data(), large.size(), url);
    large.pop_back();
    return large;
}

void add_parameters(std::string& out, const msg_param_t* parameters) {
    for (; parameters != nullptr && *parameters != nullptr; ++parameters) out.append(";").append(*parameters);
}

Method method_of(const sip_request_t* line) {
    switch (line->rq_method) {
        case sip_method_publish:
            return Method::publish;
        case sip_method_subscribe:
            return Method::subscribe;
        case sip_method_notify:
            return Method::notify;
        case sip_method_options:
            return Method::options;
        default:
            return Method::other;
    }
}

Party party_of(const sip_addr_t* address) {
    return {text_of(address->a_url), text_of(address->a_tag)};
}

std::vector<std::string> accept_of(const sip_accept_t* accept) {
    std::vector<std::string> out;
    for (; accept != nullptr; accept = accept->ac_next)
        if (accept->ac_type != nullptr) out.push_back(lower_case(accept->ac_type));
    return out;
}

std::vector<std::string> items_of(const msg_list_t* list) {
    std::vector<std::string> out;
    for (auto* items = list != nullptr ? list->k_items : nullptr; items != nullptr && *items != nullptr; ++items)
        out.emplace_back(*items);
    return out;
}

std::string first_item(const msg_list_t* list) {
    const bool has = list != nullptr && list->k_items != nullptr && list->k_items[0] != nullptr;
    return has ? std::string(list->k_items[0]) : std::string();
}

std::vector<std::string> routes_of(const sip_record_route_t* route) {
    std::vector<std::string> out;
    for (; route != nullptr; route = route->r_next) {
        auto text = "<" + text_of(route->r_url) + ">";
        add_parameters(text, route->r_params);
        out.push_back(std::move(text));
    }
    return out;
}

std::vector<std::string> auth_of(const msg_auth_t* auth) {
    std::vector<std::string> out;
    for (; auth != nullptr; auth = auth->au_next) {
        auto text = text_of(auth->au_scheme);
        const char* between = " ";
        for (auto* at = auth->au_params; at != nullptr && *at != nullptr; ++at, between = ", ")
            text.append(between).append(*at);
        out.push_back(std::move(text));
    }
    return out;
}

void read_events(Request& out, const sip_t* sip) {
    if (sip->sip_event != nullptr) {
        out.event = text_of(sip->sip_event->o_type);
        add_parameters(out.event, sip->sip_event->o_params);
    }
    if (sip->sip_subscription_state != nullptr) {
        out.subscription_state = text_of(sip->sip_subscription_state->ss_substate);
        add_parameters(out.subscription_state, sip->sip_subscription_state->ss_params);
    }
    if (sip->sip_expires != nullptr)
        out.expires = static_cast<std::uint32_t>(std::min<unsigned long>(sip->sip_expires->ex_delta, 0xffffffff));
    if (sip->sip_if_match != nullptr) out.if_match = std::string(trimmed(text_of(sip->sip_if_match->g_string)));
    if (sip->sip_accept != nullptr) out.accept = accept_of(sip->sip_accept);
}

void read_body(Request& out, const sip_t* sip) {
    if (sip->sip_content_type != nullptr) out.content_type = lower_case(text_of(sip->sip_content_type->c_type));
    out.content_language = first_item(sip->sip_content_language);
    out.content_encoding = lower_case(first_item(sip->sip_content_encoding));
    if (sip->sip_payload != nullptr && sip->sip_payload->pl_len > 0)
        out.body = std::make_shared<const std::string>(sip->sip_payload->pl_data, sip->sip_payload->pl_len);
}

/// Makes headers of texts and says whether all of them could be.
class Writer {
  public:
    explicit Writer(msg_t* message) : message_(message), sip_(sip_object(message)) {}

    void add(msg_hclass_t* kind, const std::string& value) {
        if (value.empty()) return;
        good_ = good_ && msg_header_add_make(message_, reinterpret_cast<msg_pub_t*>(sip_), kind, value.c_str()) == 0;
    }
    void add(msg_hclass_t* kind, const std::vector<std::string>& values) {
        for (const auto& value : values) add(kind, value);
    }
    void add(msg_hclass_t* kind, std::optional<std::uint32_t> value) {
        if (value) add(kind, std::to_string(*value));
    }
    void add_header(void* header) {
        good_ =
            good_ && header != nullptr &&
            msg_header_insert(message_, reinterpret_cast<msg_pub_t*>(sip_), static_cast<msg_header_t*>(header)) == 0;
    }
    su_home_t* home() const { return msg_home(message_); }
    bool is_good() const { return good_; }

  private:
    msg_t* message_;
    sip_t* sip_;
    bool good_ = true;
};

std::string address_text(const Party& party) {
    auto out = "<" + party.uri + ">";
    if (!party.tag.empty()) out += ";tag=" + party.tag;
    return out;
}

std::string in_brackets(const std::string& uri) {
    return uri.empty() ? uri : "<" + uri + ">";
}

sip_method_t sofia_method(Method method) {
    switch (method) {
        case Method::publish:
            return sip_method_publish;
        case Method::subscribe:
            return sip_method_subscribe;
        case Method::notify:
            return sip_method_notify;
        default:
            return sip_method_options;
    }
}

std::string joined(const std::optional<std::vector<std::string>>& values) {
    std::string out;
    if (values)
        for (const auto& value : *values) out += (out.empty() ? "" : ", ") + value;
    return out;
}

void write_body(Writer& writer, const Request& request) {
    if (!request.body) return;
    writer.add(sip_content_type_class, request.content_type);
    writer.add_header(sip_payload_create(writer.home(), request.body->data(), request.body->size()));
}

}  // namespace

proto::Endpoint source_of(msg_t* message) {
    const auto* address = msg_addr(message);
    if (address->su_family == AF_INET)
        return proto::Endpoint::v4(ntohl(address->su_sin.sin_addr.s_addr), ntohs(address->su_port));
    proto::Endpoint out;
    if (address->su_family == AF_INET6) {
        std::memcpy(out.address.data(), &address->su_sin6.sin6_addr, out.address.size());
        out.port = ntohs(address->su_port);
    }
    return out;
}

bool is_tcp(const sip_t* sip) {
    return sip->sip_via != nullptr && sip->sip_via->v_protocol != nullptr &&
           std::string_view(sip->sip_via->v_protocol).find("TCP") != std::string_view::npos;
}

Request read_request(msg_t* message, const sip_t* sip) {
    Request out;
    out.method = method_of(sip->sip_request);
    out.uri = text_of(sip->sip_request->rq_url);
    out.from = party_of(sip->sip_from);
    out.to = party_of(sip->sip_to);
    out.call_id = text_of(sip->sip_call_id->i_id);
    out.cseq = sip->sip_cseq->cs_seq;
    read_events(out, sip);
    read_body(out, sip);
    out.require = items_of(sip->sip_require);
    if (sip->sip_contact != nullptr) out.contact = text_of(sip->sip_contact->m_url);
    out.routes = routes_of(sip->sip_record_route);
    out.authorization = auth_of(sip->sip_authorization);
    out.proxy_authorization = auth_of(sip->sip_proxy_authorization);
    out.source = source_of(message);
    out.transport = is_tcp(sip) ? Transport::tcp : Transport::udp;
    return out;
}

Response read_response(const sip_t* sip, int status, bool local) {
    Response out;
    out.status = status;
    out.local = local;
    if (sip == nullptr) return out;
    if (sip->sip_to != nullptr) out.to_tag = text_of(sip->sip_to->a_tag);
    if (sip->sip_expires != nullptr)
        out.expires = static_cast<std::uint32_t>(std::min<unsigned long>(sip->sip_expires->ex_delta, 0xffffffff));
    if (sip->sip_min_expires != nullptr)
        out.min_expires =
            static_cast<std::uint32_t>(std::min<unsigned long>(sip->sip_min_expires->me_delta, 0xffffffff));
    if (sip->sip_retry_after != nullptr)
        out.retry_after =
            static_cast<std::uint32_t>(std::min<unsigned long>(sip->sip_retry_after->af_delta, 0xffffffff));
    if (sip->sip_contact != nullptr) out.contact = text_of(sip->sip_contact->m_url);
    out.record_routes = routes_of(sip->sip_record_route);
    out.www_authenticate = auth_of(sip->sip_www_authenticate);
    out.proxy_authenticate = auth_of(sip->sip_proxy_authenticate);
    return out;
}

bool write_request(msg_t* message, const Request& request) {
    Writer writer(message);
    const auto method = sofia_method(request.method);
    const std::string name(to_string(request.method));
    auto* url = url_make(writer.home(), request.uri.c_str());
    if (url == nullptr) return false;
    writer.add_header(
        sip_request_create(writer.home(), method, name.c_str(), reinterpret_cast<url_string_t*>(url), nullptr));
    writer.add(sip_max_forwards_class, std::string("70"));
    writer.add(sip_from_class, address_text(request.from));
    writer.add(sip_to_class, address_text(request.to));
    writer.add(sip_call_id_class, request.call_id);
    writer.add_header(sip_cseq_create(writer.home(), request.cseq, method, name.c_str()));
    writer.add(sip_route_class, request.routes);
    writer.add(sip_contact_class, in_brackets(request.contact));
    writer.add(sip_event_class, request.event);
    writer.add(sip_subscription_state_class, request.subscription_state);
    writer.add(sip_expires_class, request.expires);
    writer.add(sip_accept_class, joined(request.accept));
    writer.add(sip_authorization_class, request.authorization);
    writer.add(sip_proxy_authorization_class, request.proxy_authorization);
    write_body(writer, request);
    return writer.is_good();
}

bool write_response(msg_t* message, const Response& response) {
    Writer writer(message);
    writer.add(sip_etag_class, response.etag);
    writer.add(sip_expires_class, response.expires);
    writer.add(sip_min_expires_class, response.min_expires);
    writer.add(sip_retry_after_class, response.retry_after);
    writer.add(sip_allow_events_class, response.allow_events);
    writer.add(sip_allow_class, response.allow);
    writer.add(sip_accept_class, response.accept);
    writer.add(sip_unsupported_class, response.unsupported);
    writer.add(sip_contact_class, in_brackets(response.contact));
    writer.add(sip_www_authenticate_class, response.www_authenticate);
    return writer.is_good();
}

std::string transaction_key(const sip_t* sip) {
    const auto* via = sip->sip_via;
    std::string out;
    for (const char* part : {via->v_branch, via->v_host, via->v_port, sip->sip_from->a_tag, sip->sip_call_id->i_id,
                             sip->sip_request->rq_method_name})
        out.append(part == nullptr ? "" : part).push_back('\n');
    return out + std::to_string(sip->sip_cseq->cs_seq);
}

}  // namespace presmesh::translators::sip
