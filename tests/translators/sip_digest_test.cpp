#include <doctest/doctest.h>

#include "tests/support/sip_talk.hpp"
#include "translators/sip/digest.hpp"
#include "translators/sip/header_text.hpp"

using namespace presmesh;
using namespace presmesh::test;
using sip::HashName;

TEST_CASE("MD5: the vectors of RFC 1321 appendix A.5") {
    CHECK(sip::hash_hex(HashName::md5, "") == "d41d8cd98f00b204e9800998ecf8427e");
    CHECK(sip::hash_hex(HashName::md5, "abc") == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(sip::hash_hex(HashName::md5, "message digest") == "f96b697d7cb7938d525a2f31aaf161d0");
    CHECK(sip::hash_hex(HashName::md5,
                        "12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
          "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("digest: RFC 2617 section 3.5") {
    const auto ha1 = sip::hash_hex(HashName::md5, "Mufasa:testrealm@host.com:Circle Of Life");
    CHECK(sip::digest_response({HashName::md5, ha1, "GET", "/dir/index.html", "dcd98b7102dd2f0e8b11d0f600bfb0c093",
                                "auth", "00000001", "0a4f113b"}) == "6629fae49393a05397450978507c4ef1");
}

TEST_CASE("digest: RFC 7616 section 3.9.1, both algorithms") {
    for (const auto hash : {HashName::md5, HashName::sha256}) {
        const auto ha1 = sip::hash_hex(hash, "Mufasa:http-auth@example.org:Circle of Life");
        const auto response =
            sip::digest_response({hash, ha1, "GET", "/dir/index.html", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
                                  "auth", "00000001", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"});
        CHECK(response == (hash == HashName::md5 ? "8ca523f5e9506fed4657c9700eebdbec"
                                                 : "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"));
    }
}

namespace {

sip::SipSettings with_alice() {
    auto settings = SipTalk::serving();
    settings.authenticate = true;
    settings.accounts["alice"] = {sip::hash_hex(HashName::md5, "alice:a.example:secret"),
                                  sip::hash_hex(HashName::sha256, "alice:a.example:secret")};
    settings.accounts["mallory"] = {sip::hash_hex(HashName::md5, "mallory:a.example:evil"), ""};
    return settings;
}

/// The answer of a client that knows `password` to the `which`-th challenge.
sip::Request authorized(SipTalk& talk, sip::Request request, const sip::Response& challenge, const std::string& user,
                        const std::string& password, std::size_t which = 0) {
    proto::SeededRandom random(7);
    const auto value = sip::answer_challenge({challenge.www_authenticate.at(which)}, {user, password, ""},
                                             sip::to_string(request.method), request.uri, random);
    request.authorization = {value.value()};
    request.cseq = ++talk.cseq;
    return request;
}

}  // namespace

TEST_CASE("digest: a challenge, then the right answer, by both algorithms") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    CHECK(challenge.status == 401);
    REQUIRE(challenge.www_authenticate.size() == 2);
    CHECK(challenge.www_authenticate[0].find("SHA-256") != std::string::npos);
    CHECK(talk.ask(authorized(talk, request, challenge, "alice", "secret", 0)).status == 200);
    CHECK(talk.ask(authorized(talk, request, challenge, "alice", "secret", 1)).status == 200);
}

TEST_CASE("digest: wrong password, unknown user, someone else's From, a forged nonce") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    CHECK(talk.ask(authorized(talk, request, challenge, "alice", "wrong")).status == 401);
    CHECK(talk.ask(authorized(talk, request, challenge, "nobody", "secret")).status == 401);
    CHECK(talk.ask(authorized(talk, request, challenge, "mallory", "evil", 1)).status == 403);
    auto forged = challenge;
    for (auto& value : forged.www_authenticate) value.replace(value.find("nonce=\"") + 7, 2, "ff");
    CHECK(talk.ask(authorized(talk, request, forged, "alice", "secret")).status == 401);
    CHECK(talk.host.documents.empty());
}

TEST_CASE("digest: an account may be spelled as its hash asks; who it is does not hang on that") {
    auto settings = with_alice();
    settings.accounts["Alice"] = {sip::hash_hex(HashName::md5, "Alice:a.example:secret"), ""};
    settings.accounts["Alice@A.example"] = {sip::hash_hex(HashName::md5, "Alice@A.example:a.example:secret"), ""};
    SipTalk talk(settings);
    auto request = talk.plain(sip::Method::publish, "sip:Alice@a.example", "sip:Alice@a.example");
    request.content_type = sip::pidf_type;
    request.body = std::make_shared<const std::string>(pidf_text());
    const auto challenge = talk.ask(request);
    CHECK(talk.ask(authorized(talk, request, challenge, "Alice", "secret", 1)).status == 200);
    CHECK(talk.ask(authorized(talk, request, challenge, "Alice@A.example", "secret", 1)).status == 200);
    CHECK(talk.ask(authorized(talk, request, challenge, "mallory", "evil", 1)).status == 403);
}

TEST_CASE("digest: an account without a hash of that algorithm cannot log in by it") {
    SipTalk talk(with_alice());
    auto request = talk.plain(sip::Method::publish, "sip:mallory@a.example", "sip:mallory@a.example");
    const auto challenge = talk.ask(request);
    CHECK(talk.ask(authorized(talk, request, challenge, "mallory", "evil", 0)).status == 401);
}

TEST_CASE("digest: an old nonce is stale, not wrong") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    talk.pass(std::chrono::seconds{301});
    const auto again = talk.ask(authorized(talk, request, challenge, "alice", "secret"));
    CHECK(again.status == 401);
    CHECK(again.www_authenticate.at(0).find("stale=true") != std::string::npos);
    CHECK(talk.ask(authorized(talk, request, again, "alice", "secret")).status == 200);
}

TEST_CASE("digest: a header that cannot be read is 400") {
    SipTalk talk(with_alice());
    auto request = talk.publish(pidf_text());
    request.authorization = {"Digest username=\"alice, realm"};
    CHECK(talk.ask(request).status == 400);
}

TEST_CASE("header text: parameters, quotes, and what is refused") {
    const auto event = sip::read_parameterized("Presence ;ID=7; flag;x=\"a;\\\"b\"");
    REQUIRE(event);
    CHECK(event->value == "presence");
    CHECK(event->get("id") == "7");
    CHECK(event->get("x") == "a;\"b");
    CHECK(event->parameters.count("flag") == 1);
    for (const auto* bad : {"", ";id=1", "a b", "presence;=1", "presence;id=1;id=2", "presence;x=\"open"})
        CHECK_MESSAGE(!sip::read_parameterized(bad), bad);
    CHECK(sip::read_name_addr("\"A <b>\" <sip:a@b;x=1>;tag=2").value() == "sip:a@b;x=1");
    CHECK(sip::read_name_addr("sip:a@b;tag=2").value() == "sip:a@b");
    for (const auto* bad : {"", "<sip:a", "<>", "\"open <sip:a@b>"}) CHECK_MESSAGE(!sip::read_name_addr(bad), bad);
    CHECK(sip::read_number("4294967296") == 0xffffffffu);
    CHECK(!sip::read_number("-1"));
    CHECK(!sip::read_number(""));
}
