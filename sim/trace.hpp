// What makes two runs equal: every delivery in order. The hash says whether, a file of fixed-size entries says where.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "proto/bytes.hpp"
#include "proto/result.hpp"
#include "proto/time.hpp"
#include "sim/scenario.hpp"

namespace presmesh::sim {

/// One datagram that arrived, or (from == to, size 0) one thing that happened to a node.
struct TraceEntry {
    std::int64_t time_us = 0;  ///< since the world's start
    NodeIndex from = 0;
    NodeIndex to = 0;
    std::uint32_t size = 0;
    std::uint32_t kind = 0;     ///< the traffic's class; for happenings: see World
    std::uint64_t content = 0;  ///< hash of the bytes
    bool operator==(const TraceEntry&) const = default;
};
inline constexpr std::size_t trace_entry_bytes = 32;  ///< in a file, little-endian, in the order of the fields

std::string to_string(const TraceEntry& entry);

class TraceSink {
  public:
    virtual ~TraceSink() = default;
    virtual void see(const TraceEntry& entry) = 0;
};

/// BLAKE2b over the entries, with and without their content.
class TraceHash {
  public:
    TraceHash();
    ~TraceHash();
    void see(const TraceEntry& entry);
    std::string hash() const;   ///< hex, 32 bytes
    std::string shape() const;  ///< without content
  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Writes entries to a file; not_found when it cannot be made.
class TraceFile final : public TraceSink {
  public:
    static proto::Result<std::unique_ptr<TraceFile>> create(const std::filesystem::path& path);
    void see(const TraceEntry& entry) override;
    /// Once all was seen: is all of it in the file? not_found, with the system's reason.
    proto::Result<void> finish();

  private:
    std::ofstream out_;
    std::filesystem::path path_;
    int failed_ = 0;  ///< errno of the first write that failed
};

/// The first entry in which two trace files differ; none on either side: that file ended there.
struct Difference {
    std::uint64_t number = 0;  ///< from 0
    std::optional<TraceEntry> left;
    std::optional<TraceEntry> right;
};
/// No difference: nullopt. not_found, malformed.
proto::Result<std::optional<Difference>> diff(const std::filesystem::path& left, const std::filesystem::path& right);

}  // namespace presmesh::sim
