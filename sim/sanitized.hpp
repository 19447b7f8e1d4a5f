// Whether this is built with the address or the thread sanitizer, which g++ and clang say in different ways.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PRESMESH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PRESMESH_SANITIZED 1
#endif
#endif
#ifndef PRESMESH_SANITIZED
#define PRESMESH_SANITIZED 0
#endif

namespace presmesh::sim {

inline constexpr bool sanitized = PRESMESH_SANITIZED == 1;

}  // namespace presmesh::sim
