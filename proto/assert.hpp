// Assertions for bugs of ours, on in every build. Never on anything a peer, a client or an operator can bring about.
#pragma once

namespace presmesh::proto {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);
}

#define PRESMESH_ASSERT(expression) \
    ((expression) ? static_cast<void>(0) : ::presmesh::proto::assertion_failed(#expression, __FILE__, __LINE__))
