#include "translators/sip/subscription.hpp"

#include <charconv>
#include <optional>

#include "translators/sip/header_text.hpp"

namespace presmesh::translators::sip {
namespace {

constexpr std::string_view form = "subscription 3";
constexpr std::string_view form_without_package = "subscription 2";
constexpr std::string_view form_without_rate = "subscription 1";

class Lines {
  public:
    explicit Lines(std::string_view text) : rest_(text) {}

    std::optional<std::string> next() {
        const auto end = rest_.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        std::string line(rest_.substr(0, end));
        if (line.find('\r') != std::string::npos) return std::nullopt;  // never written
        rest_.remove_prefix(end + 1);
        return line;
    }
    bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

/// Header values hold no line ends (sofia-sip unfolds them); one that does anyway is cut there, never let out of its
/// line.
void add_line(std::string& out, std::string_view line) {
    out.append(line.substr(0, line.find_first_of("\r\n")));
    out.push_back('\n');
}

bool read_into(Lines& lines, std::string& out) {
    auto line = lines.next();
    if (line) out = std::move(*line);
    return line.has_value();
}

template <typename Number>
bool read_into(Lines& lines, Number& out) {
    const auto line = lines.next();
    if (!line) return false;
    const auto* end = line->data() + line->size();
    const auto [at, error] = std::from_chars(line->data(), end, out);
    return error == std::errc() && at == end && std::to_string(out) == *line;
}

bool read_into(Lines& lines, proto::PresentityUri& out) {
    const auto line = lines.next();
    if (!line) return false;
    auto uri = proto::PresentityUri::parse(*line);
    if (!uri || uri->pres() != *line) return false;
    out = std::move(*uri);
    return true;
}

bool read_rate(Lines& lines, AskedRate& rate) {
    ParameterizedValue event;
    if (!read_into(lines, event.parameters["max-rate"]) || !read_into(lines, event.parameters["min-rate"]))
        return false;
    auto read = AskedRate::read(event);
    if (read) rate = std::move(*read);
    return read.has_value();
}

bool read_package(Lines& lines, Package& package) {
    const auto line = lines.next();
    for (const auto known : {Package::presence, Package::winfo})
        if (line && *line == event_of(known)) {
            package = known;
            return true;
        }
    return false;
}

bool read_routes(Lines& lines, std::vector<std::string>& routes) {
    std::uint32_t count = 0;
    if (!read_into(lines, count) || count > 64) return false;
    routes.resize(count);
    for (auto& route : routes)
        if (!read_into(lines, route)) return false;
    return true;
}

}  // namespace

std::string_view event_of(Package package) {
    return package == Package::winfo ? winfo_event : presence_event;
}
std::string_view media_type_of(Package package) {
    return package == Package::winfo ? winfo_type : pidf_type;
}

Request next_request(Dialog& dialog, Method method) {
    Request request;
    request.method = method;
    request.uri = dialog.target;
    request.from = dialog.local;
    request.to = dialog.remote;
    request.call_id = dialog.call_id;
    request.cseq = ++dialog.local_cseq;
    request.routes = dialog.routes;
    return request;
}

proto::Bytes SavedSubscription::encode() const {
    std::string out;
    for (const auto line :
         {form, event_of(package), std::string_view(dialog.call_id), std::string_view(dialog.local.uri),
          std::string_view(dialog.local.tag), std::string_view(dialog.remote.uri), std::string_view(dialog.remote.tag),
          std::string_view(dialog.target)})
        add_line(out, line);
    add_line(out, std::to_string(dialog.local_cseq));
    add_line(out, std::to_string(dialog.remote_cseq));
    add_line(out, event_id);
    add_line(out, watcher.pres());
    add_line(out, presentity.pres());
    add_line(out, std::to_string(proto::to_seconds(expires)));
    add_line(out, body_sent ? "1" : "0");
    add_line(out, rate.max_rate);
    add_line(out, rate.min_rate);
    add_line(out, std::to_string(dialog.routes.size()));
    for (const auto& route : dialog.routes) add_line(out, route);
    const auto bytes = proto::as_bytes(out);
    return {bytes.begin(), bytes.end()};
}

proto::Result<SavedSubscription> SavedSubscription::decode(proto::BytesView bytes) {
    Lines lines(proto::as_text(bytes));
    const auto first = lines.next();
    if (!first || first->rfind("subscription ", 0) != 0) return proto::refuse(proto::Reason::malformed);
    const bool has_rate = *first != form_without_rate;
    const bool has_package = has_rate && *first != form_without_package;
    if (has_package && *first != form) return proto::refuse(proto::Reason::unsupported_version);
    SavedSubscription out;
    std::int64_t expires = 0;
    std::uint32_t body_sent = 0;
    auto& d = out.dialog;
    const bool read =
        (!has_package || read_package(lines, out.package)) && read_into(lines, d.call_id) &&
        read_into(lines, d.local.uri) && read_into(lines, d.local.tag) && read_into(lines, d.remote.uri) &&
        read_into(lines, d.remote.tag) && read_into(lines, d.target) && read_into(lines, d.local_cseq) &&
        read_into(lines, d.remote_cseq) && read_into(lines, out.event_id) && read_into(lines, out.watcher) &&
        read_into(lines, out.presentity) && read_into(lines, expires) && read_into(lines, body_sent) &&
        body_sent <= 1 && (!has_rate || read_rate(lines, out.rate)) && read_routes(lines, d.routes) && lines.at_end();
    constexpr std::int64_t last_second = 9'000'000'000'000;  // beyond, microseconds would overflow
    if (!read || expires < 0 || expires > last_second) return proto::refuse(proto::Reason::malformed);
    out.expires = proto::wall_from_seconds(expires);
    out.body_sent = body_sent == 1;
    return out;
}

}  // namespace presmesh::translators::sip
