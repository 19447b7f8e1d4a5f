// Canonical msgpack, the one encoding everything of ours travels in (FORMAT.md: canonical msgpack): shortest form of
// every length and integer, no floats, no extension types. What is read is untrusted: nothing is allocated here, views
// point into the input.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "proto/bytes.hpp"
#include "proto/result.hpp"

namespace presmesh::proto {

class MsgpackWriter {
  public:
    MsgpackWriter& array(std::size_t count);
    MsgpackWriter& map(std::size_t count);
    MsgpackWriter& uint(std::uint64_t value);
    /// Zero and above are written as uint() writes them, as the shortest form asks.
    MsgpackWriter& sint(std::int64_t value);
    MsgpackWriter& boolean(bool value);
    MsgpackWriter& nil();
    MsgpackWriter& str(std::string_view text);  ///< UTF-8
    MsgpackWriter& bin(BytesView bytes);
    MsgpackWriter& raw(BytesView encoded);  ///< already msgpack

    std::size_t size() const { return bytes_.size(); }
    const Bytes& bytes() const { return bytes_; }
    Bytes take() { return std::move(bytes_); }

  private:
    Bytes bytes_;
};

/// A cursor over canonical msgpack. The first failure sticks: from then on every call answers zero or empty (so loops
/// over array() end at once), and status() and finish() say what was wrong. Check status() before believing what was
/// read.
class MsgpackReader {
  public:
    enum class Type : std::uint8_t { none, nil, boolean, uint, negative, str, bin, array, map };

    explicit MsgpackReader(BytesView bytes) : rest_(bytes) {}

    /// What comes next; `none` at the end, after a failure, and for what canonical msgpack has not (floats,
    /// extensions).
    Type peek() const;

    /// The element counts. More than `max`, or more than bytes are left to hold them, is too_large or malformed.
    std::size_t array(std::size_t max);
    std::size_t map(std::size_t max);  ///< pairs; the order of keys is the caller's to check
    std::uint64_t uint(std::uint64_t max = UINT64_MAX);
    std::int64_t sint(std::int64_t min = INT64_MIN, std::int64_t max = INT64_MAX);
    bool boolean();
    void nil();
    /// Valid UTF-8 of at most `max` bytes; longer is too_large.
    std::string_view str(std::size_t max);
    BytesView bin(std::size_t max);
    /// A bin of exactly N bytes.
    template <std::size_t N>
    std::array<std::uint8_t, N> fixed() {
        std::array<std::uint8_t, N> out{};
        auto found = bin(N);
        if (failed_) return out;
        if (found.size() == N)
            std::copy(found.begin(), found.end(), out.begin());
        else
            fail(Reason::malformed, "a field of another length");
        return out;
    }
    /// Consumes nil and answers true, or leaves what is there and answers false. For optional fields.
    bool try_nil();

    /// Passes over `count` whole values, checking their form: fields of a later minor version. Nesting up to `depth`.
    void skip(std::size_t count = 1, int depth = 8);

    /// The bytes not yet read, and how many of the input's bytes were.
    BytesView rest() const { return rest_; }
    bool at_end() const { return rest_.empty(); }

    bool ok() const { return !failed_; }
    /// Makes the reader fail for a reason of the caller's; an earlier failure stays.
    [[gnu::cold]] void fail(Reason reason, std::string_view detail);
    Result<void> status() const;
    /// status(), and malformed when bytes are left over.
    Result<void> finish();

  private:
    std::uint8_t head();
    std::uint64_t big_endian(std::size_t width);
    std::uint64_t shortest(std::size_t width, std::uint64_t least);
    std::uint64_t unsigned_after(std::uint8_t head);
    std::int64_t negative_after(std::uint8_t head);
    std::size_t count(std::uint8_t fix, std::uint8_t wide16, std::size_t max, std::size_t bytes_each);
    std::size_t str_length();
    std::size_t bin_length();
    BytesView take(std::size_t length, std::size_t max);
    void skip_one(int depth);

    BytesView rest_;
    bool failed_ = false;
    Error error_{Reason::malformed, {}};
};

}  // namespace presmesh::proto
