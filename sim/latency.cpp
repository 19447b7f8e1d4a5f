#include "sim/scenario.hpp"

namespace presmesh::sim {

namespace {

constexpr std::string_view allowed =
    "latency: constant:50ms, uniform:10ms-70ms, lognormal:median=40ms,sigma=0.6, exponential:50ms, "
    "coordinates[:side=80ms,least=2ms] or matrix:FILE";

tl::unexpected<proto::Error> refused(std::string_view text) {
    return proto::refuse(proto::Reason::malformed, "'" + std::string(text) + "' is no " + std::string(allowed));
}

proto::Result<void> read_coordinates(std::string_view parameters, Latency& out) {
    while (!parameters.empty()) {
        const auto comma = parameters.find(',');
        const auto part = parameters.substr(0, comma);
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) return refused(part);
        const auto value = parse_duration(part.substr(equals + 1));
        if (!value) return tl::make_unexpected(value.error());
        const auto name = part.substr(0, equals);
        if (name != "side" && name != "least") return refused(part);
        (name == "side" ? out.side : out.least) = *value;
        parameters = comma == std::string_view::npos ? std::string_view() : parameters.substr(comma + 1);
    }
    return {};
}

}  // namespace

proto::Result<Latency> Latency::parse(std::string_view text, const std::filesystem::path& folder) {
    Latency out;
    out.text = text;
    const auto colon = text.find(':');
    const auto kind = text.substr(0, colon);
    const auto parameters = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    if (kind == "matrix") {
        if (parameters.empty()) return refused(text);
        out.kind = Kind::matrix;
        out.matrix = folder / std::filesystem::path(parameters);
        return out;
    }
    if (kind == "coordinates") {
        out.kind = Kind::coordinates;
        if (auto read = read_coordinates(parameters, out); !read) return tl::make_unexpected(read.error());
        return out;
    }
    auto distribution = Distribution::parse(text);
    if (!distribution)
        return proto::refuse(proto::Reason::malformed,
                             distribution.error().detail + "; or coordinates[:side=80ms,least=2ms], matrix:FILE");
    out.distribution = std::move(*distribution);
    return out;
}

}  // namespace presmesh::sim
