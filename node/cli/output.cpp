#include "node/cli/output.hpp"

#include <cerrno>
#include <cstring>

#include "node/daemon/printable.hpp"

namespace presmesh::cli {

namespace {

void complain(const Options& options, const proto::Error& error) {
    if (options.json) {
        std::cerr << dump({{"error", proto::to_string(error.reason)}, {"detail", error.detail}}) << "\n";
    } else {
        const auto text = error.detail.empty() ? std::string(proto::to_string(error.reason)) : error.detail;
        std::cerr << "presmesh: " << daemon::printable(text) << "\n";
    }
}

}  // namespace

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int refused(const Options& options, const proto::Error& error) {
    complain(options, error);
    return exit_refused;
}

int refused(const Options& options, const std::string& text) {
    return refused(options, proto::Error{proto::Reason::unavailable, text});
}

int misused(const Options& options, const proto::Error& error) {
    complain(options, error);
    return exit_usage;
}

int misused(const Options& options, const std::string& text) {
    return misused(options, proto::Error{proto::Reason::malformed, text});
}

void remark(const Options& options, const std::string& text) {
    if (options.json) {
        std::cerr << dump({{"remark", text}}) << "\n";
    } else {
        std::cerr << "presmesh: " << daemon::printable(text) << "\n";
    }
}

int done(const Options& options, const Json& json, const std::string& text) {
    std::cout << (options.json ? dump(json) + "\n" : text) << std::flush;
    if (std::cout) return exit_ok;
    const int why = errno;
    return refused(options, std::string("cannot write the answer: ") + std::strerror(why));
}

}  // namespace presmesh::cli
