#include "proto/uri.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "proto/limits.hpp"

using namespace presmesh::proto;

namespace {

PresentityUri uri(std::string_view text) {
    auto found = PresentityUri::parse(text);
    REQUIRE_MESSAGE(found.has_value(), text);
    return *found;
}

PresentityUri user(std::string_view name) {
    return uri(std::string(name) + "@x.example");
}

Reason refusal(const Result<PresentityUri>& result) {
    REQUIRE(!result.has_value());
    return result.error().reason;
}

// 128 names: every ASCII character that is no letter, digit or control alone between letters (33), doubled and at both
// ends (32 each, the space only where it may stand), and 31 that have broken gateways.
std::vector<std::string> awkward_names() {
    std::vector<std::string> names;
    for (int c = ' '; c < 0x7f; ++c) {
        if (std::isalnum(c)) continue;
        std::string one(1, static_cast<char>(c));
        names.push_back("a" + one + "b");
        if (c == ' ') continue;
        names.push_back("a" + one + one + "2f");
        names.push_back(one + "a" + one);
    }
    for (const char* name : {"\\26",
                             "\\27",
                             "\\2f",
                             "\\5c",
                             "\\5c26",
                             "\\5c5c26",
                             "\\20x",
                             "x\\20",
                             "\\",
                             "\\\\",
                             "\\3",
                             "\\zz",
                             "a\\40b",
                             "%",
                             "%25",
                             "%2525",
                             "%40",
                             "50%off",
                             "o'malley",
                             "d'artagnan/guest",
                             "f\xc3\xbc",
                             "tsch\xc3\xbcss",
                             "\xd7\x90\xd7\x91",
                             "\xe4\xb8\xad\xe6\x96\x87",
                             "\xf0\x9f\x98\x80",
                             "e\xcc\x81",
                             "q\xcc\xa3\xcc\x87",
                             "call me \"ishmael\"",
                             "space cadet",
                             "a b c",
                             "user@other.example"})
        names.emplace_back(name);
    return names;
}

const std::vector<std::string> fragments{"a",
                                         "Z",
                                         "0",
                                         "\\",
                                         "\\26",
                                         "\\5c",
                                         "%",
                                         "%41",
                                         "@",
                                         "/",
                                         "'",
                                         "&",
                                         ":",
                                         "<",
                                         ">",
                                         "\"",
                                         " ",
                                         "#",
                                         "?",
                                         ";",
                                         "=",
                                         ",",
                                         ".",
                                         "(",
                                         "]",
                                         "|",
                                         "\xc3\x84",
                                         "\xc3\x9f",
                                         "\xce\xa3",
                                         "\xcf\x82",
                                         "\xcc\x81",
                                         "\xcc\xa7",
                                         "\xc4\xb0",
                                         "\xe1\xbe\x88",
                                         "\xef\xbc\xa1",
                                         "\xe2\x84\xab",
                                         "\xf0\x90\x90\x80"};

std::string any_user() {
    auto parts = *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(fragments));
    std::string out;
    for (const auto& part : parts) out += part;
    return out;
}

}  // namespace

TEST_CASE("128 awkward names survive every spelling") {
    auto names = awkward_names();
    CHECK(names.size() == 128);
    for (const auto& name : names) {
        CAPTURE(name);
        PresentityUri there = user(name);
        CHECK(PresentityUri::from_sip(there.sip()).value() == there);
        CHECK(PresentityUri::from_jid(there.jid()).value() == there);
        CHECK(PresentityUri::parse(there.pres()).value() == there);
        CHECK(PresentityUri::from_canonical(there.canonical()).value() == there);
        CHECK(PresentityUri::from_jid(there.jid() + "/phone@home").value() == there);
    }
}

TEST_CASE("any name that is accepted survives every spelling, and is its own canonical form") {
    CHECK(rc::check("round trips", [] {
        auto there = PresentityUri::parse(any_user() + "@x.example");
        if (!there) return;
        RC_ASSERT(PresentityUri::from_canonical(there->canonical()).value() == *there);
        RC_ASSERT(PresentityUri::from_sip(there->sip()).value() == *there);
        RC_ASSERT(PresentityUri::from_jid(there->jid()).value() == *there);
        RC_ASSERT(PresentityUri::parse(there->pres()).value() == *there);
    }));
}

TEST_CASE("RFC 7247 section 6.4, SIP to XMPP") {
    CHECK(PresentityUri::from_sip("sip:f%C3%BC@sip.example").value().jid() == "f\xc3\xbc@sip.example");
    CHECK(PresentityUri::from_sip("sip:o'malley@sip.example").value().jid() == "o\\27malley@sip.example");
    CHECK(PresentityUri::from_sip("sip:foo@sip.example;gr=bar").value().jid() == "foo@sip.example");
}

TEST_CASE("RFC 7247 section 6.5, XMPP to SIP") {
    CHECK(PresentityUri::from_jid("m\\26m@xmpp.example").value().sip() == "sip:m&m@xmpp.example");
    CHECK(PresentityUri::from_jid("tsch\xc3\xbcss@xmpp.example").value().sip() == "sip:tsch%C3%BCss@xmpp.example");
    CHECK(PresentityUri::from_jid("baz@xmpp.example/qux").value().sip() == "sip:baz@xmpp.example");
    CHECK(user("a#%[\\]^`{|}b").sip() == "sip:a%23%25%5B%5C%5D%5E%60%7B%7C%7Db@x.example");
    CHECK(user("(a),;[\\]").pres() == "pres:%28a%29%2C%3B%5B%5C%5D@x.example");
}

TEST_CASE("XEP-0106: the ten characters, and a backslash only where it would read as an escape") {
    CHECK(user("a \"&'/:<>@b").jid() == "a\\20\\22\\26\\27\\2f\\3a\\3c\\3e\\40b@x.example");
    CHECK(user("c:\\cool stuff").jid() == "c\\3a\\cool\\20stuff@x.example");
    CHECK(user("c:\\5commas").jid() == "c\\3a\\5c5commas@x.example");
    CHECK(user("\\2plus\\2is\\4").jid() == "\\2plus\\2is\\4@x.example");
    CHECK(PresentityUri::from_jid("a\\2Fb@x.example").value().user() == "a/b");
    CHECK(refusal(PresentityUri::from_jid("a&b@x.example")) == Reason::malformed);
    CHECK(refusal(PresentityUri::from_jid("\\20a@x.example")) == Reason::malformed);
}

TEST_CASE("all schemes name one presentity") {
    for (const char* spelling :
         {"alice@a.example", "pres:alice@a.example", "sip:alice@a.example", "SIPS:Alice@A.EXAMPLE",
          "im:alice@a.example?subject=x", "xmpp:alice@a.example", "xmpp:alice@a.example/desk?message#f",
          "xmpp://guest@b.example/alice@a.example", "sip:alice@a.example.:5060;transport=tcp?x=y",
          "sip:alice:secret@a.example", "sip:alice@a.example;tag=1", "pres:a%6Cice@a.example"})
        CHECK_MESSAGE(uri(spelling).canonical() == "alice@a.example", spelling);
}

TEST_CASE("a URI of another scheme is not taken for a name, and a name may still begin like one") {
    for (const char* text :
         {"mailto:alice@a.example", "MailTo:alice@a.example", "tel:+1@a.example", "acct:alice@a.example",
          "https://alice@a.example", "h323:alice@a.example", "urn:x:alice@a.example"}) {
        const auto found = PresentityUri::parse(text);
        CHECK_MESSAGE(refusal(found) == Reason::malformed, text);
        CHECK_MESSAGE(found.error().detail.find("names no presentity") != std::string::npos, text);
    }
    const auto odd = PresentityUri::parse("pres:mailto%3Aalice@a.example").value();
    CHECK(odd.user() == "mailto:alice");
    CHECK(PresentityUri::parse(odd.pres()).value() == odd);
    CHECK(user("mail:alice").user() == "mail:alice");
}

TEST_CASE("a header's value names the presentity inside it") {
    for (const char* value :
         {"<sip:alice@a.example;lr>;tag=1", "\"Alice \\\"<x>\\\" @home\" <sip:alice@a.example>;tag=9",
          "Alice <sip:%61lice@a.example>", " sip:alice@a.example;tag=2 ", "<pres:alice@a.example>"})
        CHECK_MESSAGE(PresentityUri::from_sip(value).value().canonical() == "alice@a.example", value);
    for (const char* value : {"<>", "mailto:a@a.example"})
        CHECK_MESSAGE(refusal(PresentityUri::from_sip(value)) == Reason::malformed, value);
}

TEST_CASE("case is folded and composed once and for all") {
    CHECK(user("STRA\xc3\x9f"
               "E")
              .user() ==
          "stra\xc3\x9f"
          "e");
    CHECK(user("E\xcc\x81").user() == "\xc3\xa9");
    CHECK(user("\xc3\x84").user() == "\xc3\xa4");
}

TEST_CASE("letters of their own stay, though other forms fold them") {
    CHECK(user("gro\xc3\x9f").user() == "gro\xc3\x9f");
    CHECK(user("\xcf\x83\xce\xb1\xcf\x82").user() == "\xcf\x83\xce\xb1\xcf\x82");
    CHECK(user("\xe2\x84\xab").user() == "\xc3\xa5");  // the sign for Angstrom is that letter in NFC already
}

TEST_CASE("what is no name is refused by reason") {
    for (std::string_view text : {"",
                                  "alice",
                                  "@a.example",
                                  "alice@",
                                  "sip:a.example",
                                  "sip:@a.example",
                                  "sip:alice@",
                                  "sip:%zz@a.example",
                                  "sip:a%@a.example",
                                  "sip:a%4@a.example",
                                  "sip:%ff@a.example",
                                  "sip:a%00b@a.example",
                                  "sip:a%0ab@a.example",
                                  "a\tb@x.example",
                                  "\xff@a.example",
                                  "sip:%20@a.example",
                                  " a@a.example",

                                  "sip:a@a.example:port",
                                  "sip:a@192.0.2.1",
                                  "sip:a@[2001:db8::1]",
                                  "a@b@",
                                  "a@-b.example",
                                  "a@b..example",
                                  "a@b_c.example",
                                  "a@a.example/res",
                                  "a\xe2\x80\x8b"
                                  "b@x.example",
                                  "a\xc2\xa0"
                                  "b@x.example",
                                  "sip:a%E2%80%AEb@a.example",
                                  "\xef\xbd\x81lice@x.example",
                                  "\xef\xbc\xa1lice@x.example",
                                  "\xef\xac\x81n@x.example",
                                  "a\xc2\xb2@x.example",
                                  "xmpp:a%E2%91%A0@x.example",
                                  "/\xcc\x87@x.example",
                                  "xmpp:a%26b@x.example",
                                  "xmpp://guest@b.example"})
        CHECK_MESSAGE(refusal(PresentityUri::parse(text)) == Reason::malformed, text);
    CHECK(refusal(PresentityUri::from_canonical("Alice@a.example")) == Reason::not_canonical);
    CHECK(refusal(PresentityUri::from_canonical("alice@A.example")) == Reason::not_canonical);
    CHECK(refusal(PresentityUri::from_canonical("a\\5c26@xn--bcherple")) == Reason::malformed);  // found by the fuzzer
}

TEST_CASE("lengths are bounded, and the longest name survives") {
    std::string longest;
    while (longest.size() < 254) longest += "\xc3\xa9";
    PresentityUri there = user(longest + "a");
    CHECK(PresentityUri::parse(there.pres()).value() == there);
    CHECK(PresentityUri::from_jid(there.jid()).value() == there);
    CHECK(refusal(PresentityUri::parse(longest + "ab@x.example")) == Reason::too_large);
    CHECK(refusal(PresentityUri::parse(std::string(5000, 'a') + "@x.example")) == Reason::too_large);
    CHECK(canonical_domain(std::string(64, 'a') + ".example").error().reason == Reason::malformed);
    std::string label(63, 'a');
    std::string domain = label + "." + label + "." + label + "." + std::string(61, 'b');
    CHECK(canonical_domain(domain).value() == domain);
    CHECK(canonical_domain(domain + "b").error().reason == Reason::too_large);
}

TEST_CASE("domains: lower case, A-labels, no trailing dot") {
    CHECK(canonical_domain("A.Example.").value() == "a.example");
    CHECK(canonical_domain("localhost").value() == "localhost");
    CHECK(canonical_domain("b\xc3\xbc"
                           "cher.example")
              .value() == "xn--bcher-kva.example");
    CHECK(canonical_domain("B\xc3\x9c"
                           "CHER.example")
              .value() == "xn--bcher-kva.example");
    CHECK(canonical_domain("XN--BCHER-KVA.example").value() == "xn--bcher-kva.example");
    CHECK(canonical_domain("fa\xc3\x9f.example").value() ==
          "xn--fa-hia.example");  // not transitional: the sharp s stays
    CHECK(canonical_domain("a\xe3\x80\x82"
                           "example")
              .value() == "a.example");  // an ideographic full stop
    CHECK(uri("pres:a@b%C3%BCcher.example").domain() == "xn--bcher-kva.example");
    for (std::string_view bad : {"", ".", "a..b", "-a.example", "a-.example", "a b", "a_b", "\xff\xfe", "xn--\xc3\xbc",
                                 "10.0.0.1", "[::1]", "a@b", "xn--bcherple"})
        CHECK_MESSAGE(!canonical_domain(bad).has_value(), bad);
    CHECK_FALSE(canonical_domain(std::string_view("a\0b", 3)).has_value());
}

TEST_CASE("JIDs have domains in U-labels, all else in A-labels") {
    const auto there = uri("sip:a@b%C3%BCcher.example");
    CHECK(there.jid() ==
          "a@b\xc3\xbc"
          "cher.example");
    CHECK(PresentityUri::from_jid(there.jid()).value() == there);
    CHECK(there.canonical() == "a@xn--bcher-kva.example");
    CHECK(there.sip() == "sip:a@xn--bcher-kva.example");
    CHECK(there.pres() == "pres:a@xn--bcher-kva.example");
    CHECK(unicode_domain("a.example") == "a.example");
    // An XMPP server would read fass.example, which is somebody else.
    CHECK(unicode_domain("xn--fa-hia.example") == "xn--fa-hia.example");
}

TEST_CASE("a JID that U-labels would make too long has A-labels") {
    std::string label, slashes;
    for (int i = 0; i < 50; ++i) label += "\xe6\x97\xa5";
    for (int i = 0; i < 255; ++i) slashes += "%2f";
    const auto domain = canonical_domain(label + "." + label + "." + label + "." + label).value();
    const auto far = uri("pres:" + slashes + "@" + domain);
    CHECK(unicode_domain(domain).size() > domain.size());
    CHECK(far.jid().size() <= limits::uri_bytes);
    CHECK(PresentityUri::from_jid(far.jid()).value() == far);
}

TEST_CASE("a canonical domain is its own canonical form") {
    CHECK(rc::check("idempotent", [] {
        auto letters = *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(
            std::vector<std::string>{"a", "B", "-", ".", "xn--", "\xc3\xbc", "\xc3\x9f", "\xe2\x80\x8d", "\xe3\x80\x82",
                                     "\xef\xbc\xa1", "\xd7\x90", "0", "\xcc\x81"}));
        std::string text;
        for (const auto& letter : letters) text += letter;
        auto name = canonical_domain(text);
        if (!name) return;
        RC_ASSERT(has_canonical_form(*name));
        RC_ASSERT(canonical_domain(*name).value() == *name);
        RC_ASSERT(canonical_domain(unicode_domain(*name)).value() == *name);
    }));
}

TEST_CASE("keys: golden values, and every input counts") {
    SymmetricKey key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
    DhtKey inner = presentity_key(key, uri("pres:alice@a.example"));
    CHECK(to_hex(inner) == "9919563f7c5fe18f4cd262ecbb330e6715e8e1ee");
    CHECK(to_hex(dht_key(key, "a.example", inner)) == "94d8a90d1df7f049d5e8d02ba707720aa526cc64");
    CHECK(to_hex(domain_dht_key(key, "a.example")) == "c9e29fcaeb55d94aaeeef84a74e4053ade9d7224");
    CHECK(inner == presentity_key(key, uri("sip:ALICE@a.example;user=phone")));
    CHECK(dht_key(key, "b.example", inner) != dht_key(key, "a.example", inner));
    SymmetricKey other = key;
    other[31] ^= 1;
    CHECK(presentity_key(other, uri("alice@a.example")) != inner);
    CHECK(domain_dht_key(other, "a.example") != domain_dht_key(key, "a.example"));
}
