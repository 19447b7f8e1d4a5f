#include "proto/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace presmesh::proto {

void assertion_failed(const char* expression, const char* file, int line) {
    std::fprintf(stderr, "presmesh: bug: %s does not hold (%s:%d)\n", expression, file, line);
    std::abort();
}

}  // namespace presmesh::proto
