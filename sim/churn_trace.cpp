#include "sim/churn_trace.hpp"

#include <charconv>
#include <sstream>

#include "sim/distribution.hpp"
#include "sim/inputs.hpp"

namespace presmesh::sim {

using proto::Reason;
using proto::refuse;
using proto::Result;

namespace {

constexpr std::size_t longest_line = 256;
constexpr std::string_view allowed = "a line must be a time, a node, and join, leave or crash, such as 12.5s 17 leave";

std::vector<std::string_view> words_of(std::string_view line) {
    line = line.substr(0, line.find('#'));
    std::vector<std::string_view> words;
    while (true) {
        const auto begin = line.find_first_not_of(" \t,\r");
        if (begin == std::string_view::npos) return words;
        line.remove_prefix(begin);
        const auto end = std::min(line.find_first_of(" \t,\r"), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
}

std::string quoted(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

Result<NodeIndex> read_node(std::string_view text, std::uint32_t nodes) {
    NodeIndex node = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node);
    if (error != std::errc() || end != text.data() + text.size() || node >= nodes)
        return refuse(Reason::malformed,
                      quoted(text) + " is no node; they are numbered 0 to " + std::to_string(nodes - 1));
    return node;
}

Result<proto::Duration> read_at(std::string_view text) {
    const bool plain = text.find_first_not_of("0123456789.") == std::string_view::npos;
    return parse_duration(plain ? std::string(text) + "s" : std::string(text));
}

Result<void> read_line(const std::vector<std::string_view>& words, std::uint32_t nodes, ChurnTrace& trace) {
    if (words.size() != 3) return refuse(Reason::malformed, std::string(allowed));
    const auto at = read_at(words[0]);
    if (!at) return tl::make_unexpected(at.error());
    const auto node = read_node(words[1], nodes);
    if (!node) return tl::make_unexpected(node.error());
    const bool join = words[2] == "join", crash = words[2] == "crash";
    if (!join && !crash && words[2] != "leave")
        return refuse(Reason::malformed, quoted(words[2]) + " is not join, leave or crash");
    auto& life = trace[*node];
    if (!life.empty() && *at <= life.back().at)
        return refuse(Reason::malformed, "the times of node " + std::string(words[1]) + " must rise");
    if (!life.empty() && life.back().online == join)
        return refuse(Reason::malformed,
                      "node " + std::string(words[1]) + (join ? " is there already" : " is gone already"));
    life.push_back({*at, join, crash});
    return {};
}

}  // namespace

Result<ChurnTrace> read_churn_trace(std::istream& in, const std::string& name, std::uint32_t nodes) {
    ChurnTrace trace;
    std::string line;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
        const auto where = name + ":" + std::to_string(number) + ": ";
        if (line.size() > longest_line) return refuse(Reason::malformed, where + "a line has at most 256 bytes");
        const auto words = words_of(line);
        if (words.empty()) continue;
        if (const auto read = read_line(words, nodes, trace); !read)
            return refuse(Reason::malformed, where + read.error().detail);
    }
    // What was meant to come and go would be there all the time, and nobody would notice.
    if (trace.empty()) return refuse(Reason::malformed, name + ": nobody comes or goes in it; " + std::string(allowed));
    return trace;
}

Result<ChurnTrace> read_churn_trace(const std::filesystem::path& path, std::uint32_t nodes) {
    auto text = read_input(path);
    if (!text) return tl::make_unexpected(text.error());
    std::istringstream in(std::move(*text));
    return read_churn_trace(in, path.string(), nodes);
}

}  // namespace presmesh::sim
