// Arbitrary documents for rapidcheck: every field, every bound near, text in several scripts with the awkward
// characters. Compiled once: they take a compiler as long as a whole folder of the project.
#pragma once

#include <rapidcheck.h>

#include "proto/presence.hpp"

namespace presmesh::testing {

rc::Gen<std::string> text_gen();
rc::Gen<proto::WallTime> wall_time_gen();
/// Ids are unique in the document.
rc::Gen<proto::Presence> presence_gen();

template <typename T>
rc::Gen<std::vector<T>> few(rc::Gen<T> gen) {
    return rc::gen::mapcat(rc::gen::inRange(0, 4), [gen](int n) { return rc::gen::container<std::vector<T>>(n, gen); });
}
template <typename T>
rc::Gen<std::optional<T>> perhaps(rc::Gen<T> gen) {
    return rc::gen::oneOf(rc::gen::just(std::optional<T>{}),
                          rc::gen::map(gen, [](T v) { return std::optional<T>(std::move(v)); }));
}

}  // namespace presmesh::testing

namespace rc {
template <>
struct Arbitrary<presmesh::proto::Presence> {
    static Gen<presmesh::proto::Presence> arbitrary() { return presmesh::testing::presence_gen(); }
};
}  // namespace rc
