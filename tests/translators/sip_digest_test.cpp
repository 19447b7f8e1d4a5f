#include <doctest/doctest.h>

#include "tests/support/sip_talk.hpp"
#include "translators/sip/digest.hpp"
#include "translators/sip/header_text.hpp"
#include "translators/sip/nonce_counts.hpp"

using namespace presmesh;
using namespace presmesh::testing;
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

/// What a header of alice's says of itself.
struct Said {
    std::string count = "00000001";
    std::string uri = {};  ///< empty: the request's
    std::string qop = "auth";
};

/// alice's answer to the first challenge, with the right password, as `said`.
sip::Request authorized_as(SipTalk& talk, sip::Request request, const sip::Response& challenge, Said said) {
    const auto nonce = std::string(sip::read_auth(challenge.www_authenticate.at(0)).value().get("nonce"));
    if (said.uri.empty()) said.uri = request.uri;
    const auto ha1 = sip::hash_hex(HashName::sha256, "alice:a.example:secret");
    const auto response = sip::digest_response(
        {HashName::sha256, ha1, sip::to_string(request.method), said.uri, nonce, said.qop, said.count, "cnonce"});
    auto value = "Digest username=\"alice\", realm=\"a.example\", nonce=\"" + nonce + "\", uri=\"" + said.uri +
                 "\", response=\"" + response + "\", algorithm=SHA-256";
    if (!said.qop.empty()) value += ", qop=" + said.qop + ", nc=" + said.count + ", cnonce=\"cnonce\"";
    request.authorization = {std::move(value)};
    request.cseq = ++talk.cseq;
    return request;
}

bool is_stale(const sip::Response& response) {
    return response.status == 401 && response.www_authenticate.at(0).find("stale=true") != std::string::npos;
}

}  // namespace

TEST_CASE("digest: a challenge, then the right answer, by both algorithms") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    for (const std::size_t which : {0, 1}) {
        const auto challenge = talk.ask(request);
        CHECK(challenge.status == 401);
        REQUIRE(challenge.www_authenticate.size() == 2);
        CHECK(challenge.www_authenticate[0].find("SHA-256") != std::string::npos);
        CHECK(talk.ask(authorized(talk, request, challenge, "alice", "secret", which)).status == 200);
    }
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
    const auto log_in = [&](const std::string& user, const std::string& password) {
        return talk.ask(authorized(talk, request, talk.ask(request), user, password, 1)).status;
    };
    CHECK(log_in("Alice", "secret") == 200);
    CHECK(log_in("Alice@A.example", "secret") == 200);
    CHECK(log_in("mallory", "evil") == 403);
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

TEST_CASE("digest: what proved one request proves no other") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    const auto proof = authorized(talk, request, challenge, "alice", "secret");
    CHECK(talk.ask(proof).status == 200);
    auto replayed = talk.publish(pidf_text("closed"));
    replayed.authorization = proof.authorization;
    const auto refused = talk.ask(replayed);
    CHECK(is_stale(refused));
    REQUIRE(talk.host.documents[uri("pres:alice@a.example")]);
    CHECK(talk.host.documents[uri("pres:alice@a.example")]->presence().is_open());
    // A client that always says 1 is asked again each time, and that is all.
    CHECK(talk.ask(authorized(talk, replayed, refused, "alice", "secret")).status == 200);
    CHECK(talk.translator->nonces() == 2);
    talk.pass(std::chrono::seconds{301});
    CHECK(is_stale(talk.ask(proof)));
    CHECK(talk.translator->nonces() == 0);
}

TEST_CASE("digest: a dialog is refreshed by whom it was made for, and by nobody else who knows its tags") {
    SipTalk talk(with_alice());
    const auto request = talk.subscribe();
    const auto made = authorized(talk, request, talk.ask(request), "alice", "secret");
    const auto accepted = talk.ask(made);
    REQUIRE(accepted.status == 200);
    talk.reply(talk.take_request(), 200);
    const auto refresh = [&](const char* who, const char* password, std::size_t challenge) {
        auto again = talk.again(made, accepted, 1'200);
        again.from.uri = std::string("sip:") + who + "@a.example";
        again.contact = "sip:elsewhere@192.0.2.66";
        again.authorization.clear();
        return talk.ask(authorized(talk, again, talk.ask(again), who, password, challenge)).status;
    };
    CHECK(refresh("mallory", "evil", 1) == 403);
    CHECK(refresh("alice", "secret", 0) == 200);
}

TEST_CASE("digest: counts rise; requests that overtook each other are taken, each once") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    const auto status_at = [&](const char* count) {
        const auto response = talk.ask(authorized_as(talk, request, challenge, {.count = count}));
        return is_stale(response) ? -1 : response.status;
    };
    for (const auto* count : {"00000003", "00000002", "00000001", "00000100", "000000C1"})
        CHECK_MESSAGE(status_at(count) == 200, count);
    for (const auto* count : {"00000002", "00000003", "000000c0", "00000100", "000000c1"})
        CHECK_MESSAGE(status_at(count) == -1, count);
    CHECK(status_at("ffffffff") == 200);
    for (const auto* count : {"00000000", "1", "0000000g", "-0000001"}) CHECK_MESSAGE(status_at(count) == 401, count);
}

TEST_CASE("digest: who knows no qop, and so counts nothing, may use a nonce once") {
    SipTalk talk(with_alice());
    const auto request = talk.publish(pidf_text());
    const auto challenge = talk.ask(request);
    CHECK(talk.ask(authorized_as(talk, request, challenge, {.qop = ""})).status == 200);
    const auto again = talk.ask(authorized_as(talk, request, challenge, {.qop = ""}));
    CHECK(is_stale(again));
    CHECK(talk.ask(authorized_as(talk, request, again, {.qop = ""})).status == 200);
}

TEST_CASE("digest: its URI and the request's name the same, parameters and spelling aside") {
    SipTalk talk(with_alice());
    const auto status = [&](const std::string& requested, const std::string& said) {
        auto request = talk.subscribe(requested);
        const auto response = talk.ask(authorized_as(talk, request, talk.ask(request), {.uri = said}));
        talk.out.clear();
        return response.status;
    };
    CHECK(status("sip:bob@b.example", "sip:bob@B.example;transport=tcp") == 200);
    CHECK(status("sip:bob@b.example", "sip:carol@b.example") == 400);
    CHECK(status("sip:bob@b.example", "sip:bob@c.example") == 400);
    CHECK(status("sip:bob@b.example", "sip:b.example") == 400);
    CHECK(status("sip:bob@b.example", "") == 200);  // the request's own
    // Within a dialog the request goes to our Contact, which names nobody.
    auto request = talk.subscribe();
    const auto accepted = talk.ask(authorized_as(talk, request, talk.ask(request), {}));
    talk.out.clear();
    auto refresh = talk.again(request, accepted, 600);
    refresh.uri = "sip:Node.a.example:5060;transport=udp";
    const auto refresh_status = [&](const std::string& said) {
        const auto challenge = talk.ask(refresh);
        return talk.ask(authorized_as(talk, refresh, challenge, {.uri = said})).status;
    };
    CHECK(refresh_status("sip:other.example:5060") == 400);
    CHECK(refresh_status("sip:node.a.example:5060") == 200);
}

TEST_CASE("nonce counts: so many nonces are remembered, and what is forgotten is good for nothing") {
    sip::NonceCounts counts(3);
    for (std::uint64_t serial : {1, 3, 4}) CHECK(counts.use(serial, 100, 1));
    CHECK(counts.use(2, 100, 1));  // made earlier, used later: it takes the place of the oldest
    CHECK(counts.size() == 3);
    CHECK_FALSE(counts.use(1, 100, 2));
    CHECK(counts.use(2, 100, 2));
    CHECK(counts.use(5, 200, 1));
    CHECK_FALSE(counts.use(2, 100, 3));
    counts.forget_before(200);
    CHECK(counts.size() == 1);
    CHECK_FALSE(counts.use(4, 100, 2));
    CHECK_FALSE(counts.use(5, 200, 1));
    CHECK(counts.use(5, 200, 2));
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
