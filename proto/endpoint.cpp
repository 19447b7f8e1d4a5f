#include "proto/endpoint.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace presmesh::proto {

namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool read_port(std::string_view text, std::uint16_t& port) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool read_address(const std::string& text, bool v6, Endpoint& out) {
    if (v6) return inet_pton(AF_INET6, text.c_str(), out.address.data()) == 1;
    std::copy(v4_prefix.begin(), v4_prefix.end(), out.address.begin());
    return inet_pton(AF_INET, text.c_str(), out.address.data() + 12) == 1;
}

}  // namespace

bool Endpoint::is_v4() const {
    return std::equal(v4_prefix.begin(), v4_prefix.end(), address.begin());
}

Endpoint Endpoint::v4(std::uint32_t address_host_order, std::uint16_t port) {
    Endpoint out;
    std::copy(v4_prefix.begin(), v4_prefix.end(), out.address.begin());
    for (std::size_t i = 0; i < 4; ++i)
        out.address[12 + i] = static_cast<std::uint8_t>(address_host_order >> (24 - 8 * i));
    out.port = port;
    return out;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
    std::size_t colon = text.rfind(':');
    Endpoint out;
    if (colon == std::string_view::npos || !read_port(text.substr(colon + 1), out.port))
        return refuse(Reason::malformed, "no port after the address");
    std::string_view host = text.substr(0, colon);
    bool v6 = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (v6) host = host.substr(1, host.size() - 2);
    if (host.find('\0') != std::string_view::npos || !read_address(std::string(host), v6, out))
        return refuse(Reason::malformed, "not an IP address");
    return out;
}

std::string Endpoint::to_string() const {
    char buffer[INET6_ADDRSTRLEN];
    if (is_v4())
        return std::string(inet_ntop(AF_INET, address.data() + 12, buffer, sizeof(buffer))) + ":" +
               std::to_string(port);
    return "[" + std::string(inet_ntop(AF_INET6, address.data(), buffer, sizeof(buffer))) + "]:" + std::to_string(port);
}

}  // namespace presmesh::proto

std::size_t std::hash<presmesh::proto::Endpoint>::operator()(const presmesh::proto::Endpoint& e) const noexcept {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, e.address.data(), 8);
    std::memcpy(&low, e.address.data() + 8, 8);
    return (high * 0x9e3779b97f4a7c15ULL ^ low) * 0xff51afd7ed558ccdULL + e.port;
}
