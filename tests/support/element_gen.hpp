// Arbitrary XML elements for rapidcheck: nesting, several namespaces, none, attributes in and out of one, awkward text.
#pragma once

#include <rapidcheck.h>

#include "translators/xml_element.hpp"

namespace presmesh::testing {

/// At most so deep.
rc::Gen<translators::Element> element_gen(int depth);

}  // namespace presmesh::testing

namespace rc {
template <>
struct Arbitrary<presmesh::translators::Element> {
    static Gen<presmesh::translators::Element> arbitrary() { return presmesh::testing::element_gen(3); }
};
}  // namespace rc
