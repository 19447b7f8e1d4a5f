// Conversations as text. A transcript is a list of steps; each starts a line with two signs:
//
//   >> HEAD        what the client sends, then headers, an empty line, and a body (all optional)
//   << HEAD        what the node must answer, in the same form; `<< nothing`: it must have nothing more to say
//   .. 5s          time passes (ms, s, m, h)
//   !! WORDS       something happens elsewhere; the test that runs the transcript knows the words
//   ## TEXT        a heading, shown when a step fails
//
// A line that starts with # alone is a comment. What HEAD and the headers mean is up to the test.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "proto/time.hpp"

namespace presmesh::testing {

struct TranscriptStep {
    enum class Kind { send, expect, wait, event, heading };
    Kind kind = Kind::heading;
    int line = 0;
    std::string head;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;

    /// Empty when there is none.
    std::string header(std::string_view name) const {
        for (const auto& [key, value] : headers)
            if (key == name) return value;
        return {};
    }
    proto::Duration wait() const {
        std::size_t used = 0;
        const auto amount = std::stoll(head, &used);
        const auto unit = head.substr(used);
        if (unit == "ms") return std::chrono::milliseconds{amount};
        if (unit == "s") return std::chrono::seconds{amount};
        if (unit == "m") return std::chrono::minutes{amount};
        if (unit == "h") return std::chrono::hours{amount};
        throw std::runtime_error("transcript: time unit in line " + std::to_string(line));
    }
};

/// Throws when the file cannot be read, or a line cannot.
inline std::vector<TranscriptStep> read_transcript(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("transcript: cannot read " + path);
    std::vector<TranscriptStep> steps;
    bool in_body = false;
    int number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        const auto sign = line.substr(0, 2);
        using Kind = TranscriptStep::Kind;
        const auto kind = sign == ">>"   ? Kind::send
                          : sign == "<<" ? Kind::expect
                          : sign == ".." ? Kind::wait
                          : sign == "!!" ? Kind::event
                                         : Kind::heading;
        if (kind != Kind::heading || sign == "##") {
            steps.push_back({kind, number, line.size() > 3 ? line.substr(3) : "", {}, {}});
            in_body = false;
        } else if (!line.empty() && line.front() == '#' && !in_body) {
            continue;
        } else if (steps.empty()) {
            if (!line.empty()) throw std::runtime_error(path + ": text before the first step");
        } else if (in_body) {
            steps.back().body += line + "\n";
        } else if (line.empty()) {
            in_body = true;
        } else {
            const auto colon = line.find(": ");
            if (colon == std::string::npos)
                throw std::runtime_error(path + ":" + std::to_string(number) + ": not a header");
            steps.back().headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
        }
    }
    for (auto& step : steps)
        while (!step.body.empty() && step.body.back() == '\n') step.body.pop_back();
    return steps;
}

/// Does `text` have the form of `pattern`, where * stands for anything?
inline bool is_like(std::string_view text, std::string_view pattern) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return text == pattern;
    if (text.substr(0, star) != pattern.substr(0, star)) return false;
    const auto rest = pattern.substr(star + 1);
    for (auto at = star; at <= text.size(); ++at)
        if (is_like(text.substr(at), rest)) return true;
    return false;
}

}  // namespace presmesh::testing
