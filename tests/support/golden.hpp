// Files of tests/proto/golden: bytes as hexadecimal text, lines that begin with '#' left out.
#pragma once

#include <fstream>
#include <string>

#include "proto/bytes.hpp"

namespace presmesh::testing {

inline proto::Bytes golden(const std::string& name) {
    std::ifstream in(std::string(TESTS_DIR) + "/proto/golden/" + name);
    std::string hex;
    for (std::string line; std::getline(in, line);)
        if (!line.empty() && line[0] != '#') hex += line;
    return proto::from_hex(hex);
}

}  // namespace presmesh::testing
