// The federation file's entries become addresses, and stay so when the file is read again.
#include "node/daemon/bootstrap.hpp"

#include <doctest/doctest.h>

using namespace presmesh;
using daemon::Bootstrap;

namespace {

struct Told {
    boost::asio::io_context io{1};
    std::vector<std::vector<proto::Endpoint>> lists;
    Bootstrap bootstrap{io, [this](std::vector<proto::Endpoint> nodes) { lists.push_back(std::move(nodes)); },
                        [](const std::string&, const std::string&) {}};

    void set(const std::vector<std::string>& entries) {
        proto::Federation federation;
        proto::Member member;
        member.domain = "a.example";
        member.bootstrap = entries;
        federation.add(member);
        bootstrap.set(federation, {});
    }
    /// Until the resolver has answered.
    void wait_for(std::size_t told) {
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds{60};
        while (lists.size() < told && std::chrono::steady_clock::now() < patience)
            io.run_one_for(std::chrono::seconds{1});
        REQUIRE(lists.size() >= told);
    }
};

const auto address = proto::Endpoint::v4(0xc0000201, 4000);

}  // namespace

TEST_CASE("a file that is read again takes no address of a name away that it still lists") {
    Told told;
    told.set({"192.0.2.1:4000", "localhost:4008"});
    CHECK(told.lists.at(0) == std::vector{address});
    told.wait_for(2);
    const auto all = told.lists.back();
    CHECK(all.size() > 1);

    told.set({"192.0.2.1:4000", "localhost:4008"});
    CHECK(told.lists.back() == all);  // before the resolver has its turn
    told.set({"localhost:4008"});
    CHECK(told.lists.back().size() == all.size() - 1);
    CHECK(std::count(told.lists.back().begin(), told.lists.back().end(), address) == 0);
    told.set({"192.0.2.1:4000"});
    CHECK(told.lists.back() == std::vector{address});
    told.bootstrap.stop();
}

TEST_CASE("host:port in each of its spellings") {
    const auto parts = daemon::split_host_port("[2001:db8::1]:4000");
    REQUIRE(parts);
    CHECK(parts->first == "2001:db8::1");
    CHECK(parts->second == 4000);
    for (const std::string_view bad :
         {"", ":", "host", "host:", ":4000", "host:0", "host:65536", "host:4o", "2001::1:4"}) {
        CAPTURE(bad);
        CHECK_FALSE(daemon::split_host_port(bad));
    }
}
