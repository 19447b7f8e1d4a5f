#include "tests/support/element_gen.hpp"

#include "tests/support/presence_gen.hpp"

namespace presmesh::testing {

rc::Gen<translators::Element> element_gen(int depth) {
    using translators::Attribute;
    using translators::Element;
    const auto ns =
        rc::gen::element<std::string>("", "urn:a", "urn:b&<\"", "jabber:client", "http://jabber.org/protocol/caps");
    const auto name = rc::gen::element<std::string>("a", "b-c", "_d.1", "Status");
    const auto attribute_ns = rc::gen::element<std::string>("", "", "urn:a", "urn:q", std::string(translators::ns_xml));
    const auto attribute = rc::gen::construct<Attribute>(name, attribute_ns, text_gen());
    const auto children = depth == 0 ? rc::gen::just(std::vector<Element>{})
                                     : few(rc::gen::lazy([depth] { return element_gen(depth - 1); }));
    auto made = rc::gen::build<Element>(
        rc::gen::set(&Element::name, name), rc::gen::set(&Element::ns, ns),
        rc::gen::set(&Element::attributes, few(attribute)), rc::gen::set(&Element::text, text_gen()),
        rc::gen::set(&Element::children, children), rc::gen::set(&Element::tail, text_gen()));
    return rc::gen::map(std::move(made), [](Element e) {
        std::vector<Attribute> unique;
        for (auto& a : e.attributes) {
            const auto same = [&a](const Attribute& other) { return a.name == other.name && a.ns == other.ns; };
            if (std::none_of(unique.begin(), unique.end(), same)) unique.push_back(std::move(a));
        }
        e.attributes = std::move(unique);
        return e;
    });
}

}  // namespace presmesh::testing
