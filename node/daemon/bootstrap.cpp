#include "node/daemon/bootstrap.hpp"

#include <algorithm>

#include "node/daemon/asio_endpoint.hpp"

namespace presmesh::daemon {

namespace asio = boost::asio;
using asio::ip::udp;

namespace {

constexpr auto again_when_all_is_well = std::chrono::minutes{10};
constexpr auto again_when_something_is_missing = std::chrono::seconds{15};

}  // namespace

proto::Result<std::pair<std::string, std::uint16_t>> split_host_port(std::string_view text) {
    const auto colon = text.rfind(':');
    const auto bad = [&] {
        return proto::refuse(proto::Reason::malformed, "\"" + std::string(text) + "\" is not host:port");
    };
    if (colon == std::string_view::npos || colon == 0) return bad();
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string_view::npos)
        return bad();
    const int port = std::stoi(std::string(digits));
    if (port < 1 || port > 65535) return bad();
    if (host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad();
    }
    if (host.empty()) return bad();
    return std::pair(std::string(host), static_cast<std::uint16_t>(port));
}

Bootstrap::Bootstrap(asio::io_context& io, Found found, Failed failed)
    : resolver_(io), timer_(io), found_(std::move(found)), failed_(std::move(failed)) {}

void Bootstrap::set(const proto::Federation& federation, std::vector<proto::Endpoint> own) {
    // A name that is listed still keeps its addresses until the resolver knows better, which may take a while.
    const auto known = std::exchange(entries_, {});
    for (const auto& [domain, member] : federation.members) {
        for (const auto& entry : member.bootstrap) {
            const auto found = known.find(entry);
            entries_[entry] = found != known.end() ? found->second : std::vector<proto::Endpoint>{};
        }
    }
    own_ = std::move(own);
    resolver_.cancel();
    round();
}

void Bootstrap::stop() {
    stopped_ = true;
    resolver_.cancel();
    timer_.cancel();
}

void Bootstrap::round() {
    missing_ = false;
    for (auto& [entry, addresses] : entries_) {
        // An address needs no resolver.
        if (auto direct = proto::Endpoint::parse(entry)) {
            addresses = {*direct};
        } else {
            resolve(entry);
        }
    }
    tell();
    const bool unknown = std::any_of(entries_.begin(), entries_.end(), [](const auto& e) { return e.second.empty(); });
    timer_.expires_after(unknown || missing_
                             ? std::chrono::duration_cast<std::chrono::seconds>(again_when_something_is_missing)
                             : std::chrono::duration_cast<std::chrono::seconds>(again_when_all_is_well));
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !stopped_) round();
    });
}

void Bootstrap::resolve(const std::string& entry) {
    const auto parts = split_host_port(entry);
    if (!parts) return failed_(entry, parts.error().detail);
    resolver_.async_resolve(parts->first, std::to_string(parts->second), udp::resolver::numeric_service,
                            [this, entry](const boost::system::error_code& error, const Resolved& results) {
                                resolved(entry, error, results);
                            });
}

void Bootstrap::resolved(const std::string& entry, const boost::system::error_code& error, const Resolved& results) {
    const auto at = entries_.find(entry);
    if (stopped_ || error == asio::error::operation_aborted || at == entries_.end()) return;
    if (error) {
        missing_ = true;
        return failed_(entry, error.message());  // what was known before stays good
    }
    at->second.clear();
    for (const auto& result : results) at->second.push_back(from_asio(result.endpoint()));
    tell();
}

void Bootstrap::tell() {
    std::vector<proto::Endpoint> all;
    for (const auto& [entry, addresses] : entries_) {
        for (const auto& address : addresses) {
            if (std::find(own_.begin(), own_.end(), address) == own_.end()) all.push_back(address);
        }
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    if (all == told_) return;
    told_ = all;
    found_(std::move(all));
}

}  // namespace presmesh::daemon
