// One function object out of several, for std::visit.
#pragma once

namespace presmesh::overlay {

template <class... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace presmesh::overlay
