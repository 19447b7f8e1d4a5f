#include "sim/trace.hpp"

#include <sodium.h>

#include <cerrno>
#include <cstring>

namespace presmesh::sim {

namespace {

constexpr std::size_t shape_bytes = 24;  ///< all but the content

using Packed = std::array<std::uint8_t, trace_entry_bytes>;

void put(std::uint64_t value, std::size_t bytes, std::uint8_t* out) {
    for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t get(const std::uint8_t* in, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) value = value << 8 | in[i];
    return value;
}

Packed pack(const TraceEntry& entry) {
    Packed out;
    put(static_cast<std::uint64_t>(entry.time_us), 8, &out[0]);
    put(entry.from, 4, &out[8]);
    put(entry.to, 4, &out[12]);
    put(entry.size, 4, &out[16]);
    put(entry.kind, 4, &out[20]);
    put(entry.content, 8, &out[24]);
    return out;
}

TraceEntry unpack(const Packed& in) {
    return {static_cast<std::int64_t>(get(&in[0], 8)),   static_cast<NodeIndex>(get(&in[8], 4)),
            static_cast<NodeIndex>(get(&in[12], 4)),     static_cast<std::uint32_t>(get(&in[16], 4)),
            static_cast<std::uint32_t>(get(&in[20], 4)), get(&in[24], 8)};
}

std::string finish(const crypto_generichash_state& running) {
    auto state = running;
    std::array<std::uint8_t, 32> digest;
    crypto_generichash_final(&state, digest.data(), digest.size());
    std::array<char, 65> hex;
    sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
    return hex.data();
}

std::optional<TraceEntry> read(std::istream& in) {
    Packed packed;
    if (!in.read(reinterpret_cast<char*>(packed.data()), packed.size())) return std::nullopt;
    return unpack(packed);
}

}  // namespace

std::string to_string(const TraceEntry& entry) {
    const auto micros = std::to_string(entry.time_us % 1'000'000);
    return std::to_string(entry.time_us / 1'000'000) + "." + std::string(6 - micros.size(), '0') + micros +
           " s: node " + std::to_string(entry.from) + " -> node " + std::to_string(entry.to) + ", kind " +
           std::to_string(entry.kind) + ", " + std::to_string(entry.size) + " bytes, content " +
           std::to_string(entry.content);
}

struct TraceHash::State {
    crypto_generichash_state all;
    crypto_generichash_state shape;
};

TraceHash::TraceHash() : state_(std::make_unique<State>()) {
    crypto_generichash_init(&state_->all, nullptr, 0, 32);
    crypto_generichash_init(&state_->shape, nullptr, 0, 32);
}
TraceHash::~TraceHash() = default;

void TraceHash::see(const TraceEntry& entry) {
    const Packed packed = pack(entry);
    crypto_generichash_update(&state_->all, packed.data(), packed.size());
    crypto_generichash_update(&state_->shape, packed.data(), shape_bytes);
}

std::string TraceHash::hash() const {
    return finish(state_->all);
}
std::string TraceHash::shape() const {
    return finish(state_->shape);
}

proto::Result<std::unique_ptr<TraceFile>> TraceFile::create(const std::filesystem::path& path) {
    std::unique_ptr<TraceFile> made(new TraceFile);
    made->out_.open(path, std::ios::binary | std::ios::trunc);
    if (!made->out_)
        return proto::refuse(proto::Reason::not_found, path.string() + " cannot be written: " + std::strerror(errno));
    made->path_ = path;
    return made;
}

void TraceFile::see(const TraceEntry& entry) {
    const Packed packed = pack(entry);
    if (!out_) return;
    out_.write(reinterpret_cast<const char*>(packed.data()), packed.size());
    if (!out_) failed_ = errno;
}

proto::Result<void> TraceFile::finish() {
    if (out_ && !out_.flush()) failed_ = errno;
    if (out_) return {};
    return proto::refuse(proto::Reason::not_found,
                         path_.string() + " is not whole, it cannot be written: " + std::strerror(failed_));
}

proto::Result<std::optional<Difference>> diff(const std::filesystem::path& left, const std::filesystem::path& right) {
    for (const auto& path : {left, right}) {
        std::error_code failed;
        const auto size = std::filesystem::file_size(path, failed);
        if (failed)
            return proto::refuse(proto::Reason::not_found, path.string() + " cannot be read: " + failed.message());
        if (size % trace_entry_bytes != 0)
            return proto::refuse(
                proto::Reason::malformed,
                path.string() + " is no trace: its length is no multiple of " + std::to_string(trace_entry_bytes));
    }
    std::ifstream a(left, std::ios::binary);
    std::ifstream b(right, std::ios::binary);
    for (std::uint64_t number = 0;; ++number) {
        const auto from_a = read(a);
        const auto from_b = read(b);
        if (!from_a && !from_b) return std::optional<Difference>();
        if (from_a != from_b) return std::optional(Difference{number, from_a, from_b});
    }
}

}  // namespace presmesh::sim
