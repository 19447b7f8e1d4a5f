// Whether the tests are built with the address or the thread sanitizer.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PRESMESH_TESTS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define PRESMESH_TESTS_SANITIZED true
#endif
#endif
#ifndef PRESMESH_TESTS_SANITIZED
#define PRESMESH_TESTS_SANITIZED false
#endif

namespace presmesh::testing {

inline constexpr bool sanitized = PRESMESH_TESTS_SANITIZED;

}  // namespace presmesh::testing
