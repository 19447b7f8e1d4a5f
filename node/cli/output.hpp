// What every command shares: where to print, and how it ends.
#pragma once

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "proto/result.hpp"

namespace presmesh::cli {

using Json = nlohmann::ordered_json;

/// Exit statuses of DESIGN section 9.
enum Exit : int { exit_ok = 0, exit_refused = 1, exit_usage = 2 };

struct Options {
    bool json = false;
    std::string config;  ///< presmesh.toml: where the daemon's address and a token are found
    std::string url;     ///< or the daemon's address itself, "http://127.0.0.1:8470"
    std::string token;
    std::string watcher;  ///< who reads, for tokens that are nobody's in particular
};

/// Whatever the bytes: what is no UTF-8 is written as U+FFFD.
std::string dump(const Json& json);

int refused(const Options& options, const proto::Error& error);
int refused(const Options& options, const std::string& text);
/// An argument that cannot be meant.
int misused(const Options& options, const proto::Error& error);
int misused(const Options& options, const std::string& text);
/// On standard error; the command goes on.
void remark(const Options& options, const std::string& text);
/// Prints `json`, or else `text`; exit_refused when that cannot be written.
int done(const Options& options, const Json& json, const std::string& text);

}  // namespace presmesh::cli
