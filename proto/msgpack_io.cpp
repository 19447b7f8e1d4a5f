#include "proto/msgpack_io.hpp"

#include <unistr.h>

#include <msgpack/pack.hpp>

#include "proto/assert.hpp"

namespace presmesh::proto {

namespace {

// What msgpack::packer writes to.
struct Sink {
    Bytes& bytes;
    void write(const char* data, std::size_t size) {
        auto* first = reinterpret_cast<const std::uint8_t*>(data);
        bytes.insert(bytes.end(), first, first + size);
    }
};

std::uint32_t length32(std::size_t length) {
    PRESMESH_ASSERT(length <= UINT32_MAX);
    return static_cast<std::uint32_t>(length);
}

/// Nearly every string there is; the check of the others costs a call.
bool is_ascii(BytesView bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte < 0x80; });
}

template <typename Pack>
void pack(Bytes& bytes, Pack&& how) {
    Sink sink{bytes};
    msgpack::packer<Sink> packer(sink);
    how(packer);
}

}  // namespace

MsgpackWriter& MsgpackWriter::array(std::size_t count) {
    pack(bytes_, [&](auto& p) { p.pack_array(length32(count)); });
    return *this;
}

MsgpackWriter& MsgpackWriter::map(std::size_t count) {
    pack(bytes_, [&](auto& p) { p.pack_map(length32(count)); });
    return *this;
}

MsgpackWriter& MsgpackWriter::uint(std::uint64_t value) {
    pack(bytes_, [&](auto& p) { p.pack_uint64(value); });
    return *this;
}

MsgpackWriter& MsgpackWriter::sint(std::int64_t value) {
    pack(bytes_, [&](auto& p) { p.pack_int64(value); });
    return *this;
}

MsgpackWriter& MsgpackWriter::boolean(bool value) {
    pack(bytes_, [&](auto& p) { value ? p.pack_true() : p.pack_false(); });
    return *this;
}

MsgpackWriter& MsgpackWriter::nil() {
    pack(bytes_, [](auto& p) { p.pack_nil(); });
    return *this;
}

MsgpackWriter& MsgpackWriter::str(std::string_view text) {
    pack(bytes_, [&](auto& p) {
        p.pack_str(length32(text.size()));
        p.pack_str_body(text.data(), length32(text.size()));
    });
    return *this;
}

MsgpackWriter& MsgpackWriter::bin(BytesView bytes) {
    pack(bytes_, [&](auto& p) {
        p.pack_bin(length32(bytes.size()));
        p.pack_bin_body(as_text(bytes).data(), length32(bytes.size()));
    });
    return *this;
}

MsgpackWriter& MsgpackWriter::raw(BytesView encoded) {
    bytes_.insert(bytes_.end(), encoded.begin(), encoded.end());
    return *this;
}

MsgpackReader::Type MsgpackReader::peek() const {
    if (failed_ || rest_.empty()) return Type::none;
    std::uint8_t h = rest_[0];
    if (h <= 0x7f || (h >= 0xcc && h <= 0xcf)) return Type::uint;
    if (h >= 0xe0 || (h >= 0xd0 && h <= 0xd3)) return Type::negative;
    if (h <= 0x8f || h == 0xde || h == 0xdf) return Type::map;
    if (h <= 0x9f || h == 0xdc || h == 0xdd) return Type::array;
    if (h <= 0xbf || (h >= 0xd9 && h <= 0xdb)) return Type::str;
    if (h == 0xc0) return Type::nil;
    if (h == 0xc2 || h == 0xc3) return Type::boolean;
    if (h >= 0xc4 && h <= 0xc6) return Type::bin;
    return Type::none;
}

void MsgpackReader::fail(Reason reason, std::string_view detail) {
    if (failed_) return;
    failed_ = true;
    rest_ = {};
    error_ = Error{reason, std::string(detail)};
}

Result<void> MsgpackReader::status() const {
    if (failed_) return tl::make_unexpected(error_);
    return {};
}

Result<void> MsgpackReader::finish() {
    if (!at_end()) fail(Reason::malformed, "bytes after the end");
    return status();
}

std::uint8_t MsgpackReader::head() {
    if (rest_.empty()) {
        fail(Reason::malformed, "ends too early");
        return 0xc1;  // never used by msgpack
    }
    std::uint8_t h = rest_[0];
    rest_ = rest_.subspan(1);
    return h;
}

std::uint64_t MsgpackReader::big_endian(std::size_t width) {
    if (rest_.size() < width) {
        fail(Reason::malformed, "ends too early");
        return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | rest_[i];
    rest_ = rest_.subspan(width);
    return value;
}

std::uint64_t MsgpackReader::shortest(std::size_t width, std::uint64_t least) {
    std::uint64_t value = big_endian(width);
    if (!failed_ && value < least) fail(Reason::not_canonical, "a longer form than needed");
    return failed_ ? 0 : value;
}

std::uint64_t MsgpackReader::unsigned_after(std::uint8_t h) {
    if (h <= 0x7f) return h;
    switch (h) {
        case 0xcc:
            return shortest(1, 0x80);
        case 0xcd:
            return shortest(2, 0x100);
        case 0xce:
            return shortest(4, 0x10000);
        case 0xcf:
            return shortest(8, 0x100000000);
        default:
            fail(Reason::malformed, "not an unsigned integer");
            return 0;
    }
}

std::int64_t MsgpackReader::negative_after(std::uint8_t h) {
    std::int64_t value = 0;
    std::int64_t most = 0;  // the greatest value that needs this form
    switch (h) {
        case 0xd0:
            value = static_cast<std::int8_t>(big_endian(1)), most = -33;
            break;
        case 0xd1:
            value = static_cast<std::int16_t>(big_endian(2)), most = INT8_MIN - 1;
            break;
        case 0xd2:
            value = static_cast<std::int32_t>(big_endian(4)), most = INT16_MIN - 1;
            break;
        case 0xd3:
            value = static_cast<std::int64_t>(big_endian(8)), most = INT32_MIN - std::int64_t{1};
            break;
        default:
            return static_cast<std::int8_t>(h);
    }
    if (!failed_ && value > most) fail(Reason::not_canonical, "a longer form than needed");
    return failed_ ? 0 : value;
}

std::uint64_t MsgpackReader::uint(std::uint64_t max) {
    std::uint64_t value = unsigned_after(head());
    if (!failed_ && value > max) fail(Reason::malformed, "a number out of range");
    return failed_ ? 0 : value;
}

std::int64_t MsgpackReader::sint(std::int64_t min, std::int64_t max) {
    std::int64_t value = 0;
    if (peek() == Type::negative)
        value = negative_after(head());
    else
        value = static_cast<std::int64_t>(uint(INT64_MAX));
    if (!failed_ && (value < min || value > max)) fail(Reason::malformed, "a number out of range");
    return failed_ ? 0 : value;
}

bool MsgpackReader::boolean() {
    std::uint8_t h = head();
    if (h != 0xc2 && h != 0xc3) fail(Reason::malformed, "not a boolean");
    return !failed_ && h == 0xc3;
}

void MsgpackReader::nil() {
    if (head() != 0xc0) fail(Reason::malformed, "not nil");
}

bool MsgpackReader::try_nil() {
    if (peek() != Type::nil) return false;
    rest_ = rest_.subspan(1);
    return true;
}

std::size_t MsgpackReader::count(std::uint8_t fix, std::uint8_t wide16, std::size_t max, std::size_t bytes_each) {
    std::uint8_t h = head();
    std::uint64_t n = 0;
    if ((h & 0xf0) == fix)
        n = h & 0x0f;
    else if (h == wide16)
        n = shortest(2, 16);
    else if (h == wide16 + 1)
        n = shortest(4, 0x10000);
    else
        fail(Reason::malformed, "not an array or map");
    if (!failed_ && n > max) fail(Reason::too_large, "too many elements");
    if (!failed_ && n > rest_.size() / bytes_each) fail(Reason::malformed, "ends too early");
    return failed_ ? 0 : static_cast<std::size_t>(n);
}

std::size_t MsgpackReader::array(std::size_t max) {
    return count(0x90, 0xdc, max, 1);
}
std::size_t MsgpackReader::map(std::size_t max) {
    return count(0x80, 0xde, max, 2);
}

std::size_t MsgpackReader::str_length() {
    std::uint8_t h = head();
    if ((h & 0xe0) == 0xa0) return h & 0x1f;
    switch (h) {
        case 0xd9:
            return shortest(1, 32);
        case 0xda:
            return shortest(2, 0x100);
        case 0xdb:
            return shortest(4, 0x10000);
        default:
            fail(Reason::malformed, "not a string");
            return 0;
    }
}

std::size_t MsgpackReader::bin_length() {
    switch (head()) {
        case 0xc4:
            return shortest(1, 0);
        case 0xc5:
            return shortest(2, 0x100);
        case 0xc6:
            return shortest(4, 0x10000);
        default:
            fail(Reason::malformed, "not a byte string");
            return 0;
    }
}

BytesView MsgpackReader::take(std::size_t length, std::size_t max) {
    if (!failed_ && length > max) fail(Reason::too_large, "a longer string than allowed");
    if (!failed_ && length > rest_.size()) fail(Reason::malformed, "ends too early");
    if (failed_) return {};
    BytesView out = rest_.first(length);
    rest_ = rest_.subspan(length);
    return out;
}

std::string_view MsgpackReader::str(std::size_t max) {
    BytesView bytes = take(str_length(), max);
    if (failed_) return {};
    if (!is_ascii(bytes) && u8_check(bytes.data(), bytes.size()) != nullptr) {
        fail(Reason::malformed, "not UTF-8");
        return {};
    }
    return as_text(bytes);
}

BytesView MsgpackReader::bin(std::size_t max) {
    return take(bin_length(), max);
}

void MsgpackReader::skip_one(int depth) {
    if (depth <= 0) return fail(Reason::malformed, "nested too deep");
    switch (peek()) {
        case Type::nil:
            return nil();
        case Type::boolean:
            boolean();
            return;
        case Type::uint:
            uint();
            return;
        case Type::negative:
            sint();
            return;
        case Type::str:
            str(SIZE_MAX);
            return;
        case Type::bin:
            bin(SIZE_MAX);
            return;
        case Type::array:
            return skip(array(SIZE_MAX), depth - 1);
        case Type::map:
            return skip(2 * map(SIZE_MAX), depth - 1);
        case Type::none:
            return fail(Reason::malformed, at_end() ? "ends too early" : "a type we do not use");
    }
}

void MsgpackReader::skip(std::size_t count, int depth) {
    for (std::size_t i = 0; i < count && !failed_; ++i) skip_one(depth);
}

}  // namespace presmesh::proto
