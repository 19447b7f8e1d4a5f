#include "node/daemon/tokens.hpp"

#include <doctest/doctest.h>

using namespace presmesh;
using daemon::Access;
using daemon::Tokens;

TEST_CASE("tokens are found with what they allow") {
    const auto tokens = Tokens::parse(
        "# who may\n"
        "aaaaaaaaaaaaaaaaaaaa sip:Alice@A.example  # her phone\n"
        "\n"
        "bbbbbbbbbbbbbbbbbbbb\t* \r\n"
        "cccccccccccccccccccc bob@a.example read");
    REQUIRE(tokens);
    CHECK(tokens->size() == 3);
    const auto* alice = tokens->find("aaaaaaaaaaaaaaaaaaaa");
    REQUIRE(alice);
    CHECK(alice->access == Access::write);
    CHECK(alice->user->canonical() == "alice@a.example");
    CHECK(!alice->may_act_for(proto::PresentityUri::parse("bob@a.example").value()));
    CHECK(tokens->find("bbbbbbbbbbbbbbbbbbbb")->access == Access::admin);
    CHECK(tokens->find("bbbbbbbbbbbbbbbbbbbb")->may_act_for(*alice->user));
    CHECK(tokens->find("cccccccccccccccccccc")->access == Access::read);
    CHECK(tokens->find("") == nullptr);
    CHECK(tokens->find("aaaaaaaaaaaaaaaaaaa") == nullptr);
    CHECK(tokens->find("aaaaaaaaaaaaaaaaaaaaa") == nullptr);
}

TEST_CASE("every bad line is named") {
    const auto tokens = Tokens::parse(
        "short alice@a.example\n"
        "aaaaaaaaaaaaaaaaaaaa\n"
        "aaaaaaaaaaaaaaaaaaaa alice\n"
        "# fine\n"
        "aaaaaaaaaaaaaaaaaaaa * everything\n"
        "aaaaaaaaaaaaaaaaa:aa *\n"
        "aaaaaaaaaaaaaaaaaaaa * read more\n");
    REQUIRE(!tokens);
    std::vector<int> lines;
    for (const auto& fault : tokens.error()) lines.push_back(fault.line);
    CHECK(lines == std::vector<int>{1, 2, 3, 5, 6, 7});
}
