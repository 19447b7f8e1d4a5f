// MD5 (RFC 1321), which digest authentication still asks for and libsodium rightly does not have. For nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace presmesh::translators::sip {

std::array<std::uint8_t, 16> md5(std::string_view text);
/// 32 lower-case hexadecimal digits.
std::string md5_hex(std::string_view text);

}  // namespace presmesh::translators::sip
