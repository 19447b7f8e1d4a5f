#include "translators/sip/md5.hpp"

#include <bit>
#include <cmath>

#include "proto/bytes.hpp"

namespace presmesh::translators::sip {
namespace {

using Words = std::array<std::uint32_t, 4>;

/// floor(2^32 * |sin(i + 1)|), RFC 1321 section 3.4.
std::array<std::uint32_t, 64> sines() {
    std::array<std::uint32_t, 64> table{};
    for (std::size_t i = 0; i < 64; ++i)
        table[i] =
            static_cast<std::uint32_t>(std::floor(std::fabs(std::sin(static_cast<double>(i + 1))) * 4294967296.0));
    return table;
}

std::uint32_t little_endian(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(at[0]) | static_cast<std::uint32_t>(at[1]) << 8 |
           static_cast<std::uint32_t>(at[2]) << 16 | static_cast<std::uint32_t>(at[3]) << 24;
}

struct Step {
    std::uint32_t mixed;
    std::size_t word;
};

Step step_of(std::size_t i, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    if (i < 16) return {(b & c) | (~b & d), i};
    if (i < 32) return {(d & b) | (~d & c), (5 * i + 1) % 16};
    if (i < 48) return {b ^ c ^ d, (3 * i + 5) % 16};
    return {c ^ (b | ~d), (7 * i) % 16};
}

void absorb(Words& state, const std::uint8_t* block) {
    static const auto table = sines();
    static constexpr int rotations[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    auto [a, b, c, d] = state;
    for (std::size_t i = 0; i < 64; ++i) {
        const auto [mixed, word] = step_of(i, b, c, d);
        const auto sum = a + mixed + table[i] + little_endian(block + 4 * word);
        a = d;
        d = c;
        c = b;
        b += std::rotl(sum, rotations[i / 16][i % 4]);
    }
    state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d};
}

std::string padded(std::string_view text) {
    std::string out(text);
    out.push_back('\x80');
    while (out.size() % 64 != 56) out.push_back('\0');
    const std::uint64_t bits = static_cast<std::uint64_t>(text.size()) * 8;
    for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(bits >> (8 * i) & 0xff));
    return out;
}

}  // namespace

std::array<std::uint8_t, 16> md5(std::string_view text) {
    Words state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    const auto bytes = padded(text);
    for (std::size_t at = 0; at < bytes.size(); at += 64)
        absorb(state, reinterpret_cast<const std::uint8_t*>(bytes.data()) + at);
    std::array<std::uint8_t, 16> digest{};
    for (std::size_t i = 0; i < 16; ++i) digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (8 * (i % 4)) & 0xff);
    return digest;
}

std::string md5_hex(std::string_view text) {
    return proto::to_hex(md5(text));
}

}  // namespace presmesh::translators::sip
