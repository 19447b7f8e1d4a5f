#include "sim/inputs.hpp"

#include <sodium.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim/churn_trace.hpp"
#include "sim/delay_matrix.hpp"

namespace presmesh::sim {

using proto::Reason;
using proto::refuse;
using proto::Result;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t hash_digits_in_name = 16;
constexpr std::string_view trace_kind = "trace", matrix_kind = "matrix";

bool names_matrix(const Scenario& scenario) {
    return scenario.network.latency.kind == Latency::Kind::matrix;
}

Result<Input> read_one(std::string_view kind, const std::string& said, const fs::path& path) {
    auto text = read_input(path);
    if (!text) return refuse(text.error().reason, said + text.error().detail);
    auto hash = hash_of_input(*text);
    auto copy = std::string(kind) + "-" + hash.substr(0, hash_digits_in_name) + ".txt";
    return Input{std::move(copy), std::move(hash), std::make_shared<const std::string>(std::move(*text))};
}

}  // namespace

// Streams would read a folder as if it were empty, and keep the reason to themselves.
Result<std::string> read_input(const fs::path& path) {
    const auto failed = [&] {
        return refuse(Reason::not_found, path.string() + " cannot be read: " + std::strerror(errno));
    };
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
    if (!file) return failed();
    std::string text;
    std::array<char, 65536> part;
    while (const auto got = std::fread(part.data(), 1, part.size(), file.get())) text.append(part.data(), got);
    if (std::ferror(file.get()) != 0) return failed();
    return text;
}

std::string hash_of_input(std::string_view text) {
    std::array<unsigned char, 32> digest;
    crypto_generichash(digest.data(), digest.size(), reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                       nullptr, 0);
    std::array<char, 65> hex;
    sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
    return hex.data();
}

std::vector<std::string> input_faults(const Scenario& scenario) {
    std::vector<std::string> faults;
    if (names_matrix(scenario)) {
        const auto matrix = DelayMatrix::load(scenario.network.latency.matrix);
        if (!matrix) faults.push_back(scenario.network.said + matrix.error().detail);
    }
    if (!scenario.churn.trace.empty()) {
        const auto trace = read_churn_trace(scenario.churn.trace, scenario.nodes);
        if (!trace) faults.push_back(scenario.churn.said + trace.error().detail);
    }
    return faults;
}

Result<std::vector<Input>> read_inputs(const Scenario& scenario) {
    std::vector<Input> inputs;
    if (names_matrix(scenario)) {
        auto input = read_one(matrix_kind, scenario.network.said, scenario.network.latency.matrix);
        if (!input) return tl::make_unexpected(input.error());
        inputs.push_back(std::move(*input));
    }
    if (!scenario.churn.trace.empty()) {
        auto input = read_one(trace_kind, scenario.churn.said, scenario.churn.trace);
        if (!input) return tl::make_unexpected(input.error());
        inputs.push_back(std::move(*input));
    }
    return inputs;
}

Scenario with_copies(Scenario scenario, const std::vector<Input>& inputs, const fs::path& folder) {
    for (const auto& input : inputs)
        (input.copy.starts_with(matrix_kind) ? scenario.network.latency.matrix : scenario.churn.trace) =
            folder / input.copy;
    return scenario;
}

}  // namespace presmesh::sim
