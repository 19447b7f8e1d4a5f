// What the daemon tells its operator: one line per event, as text or as JSON; steps of the path at level debug.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "node/daemon/config.hpp"
#include "node/daemon/node_report.hpp"
#include "node/diagnostics.hpp"
#include "proto/result.hpp"

namespace presmesh::daemon {

using LogField = std::pair<std::string_view, std::string>;

/// Not for presence content, nor for keys and tokens. Used by the node's thread alone.
class Log {
  public:
    Log();
    ~Log();
    /// Opens the file anew (so that a rotated one is let go). On failure the old settings stay.
    proto::Result<void> configure(const LogConfig& config);
    LogLevel level() const { return level_; }

    void write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields = {});
    void debug(std::string_view text, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::debug, text, fields);
    }
    void info(std::string_view text, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::info, text, fields);
    }
    void warning(std::string_view text, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::warning, text, fields);
    }
    void error(std::string_view text, std::initializer_list<LogField> fields = {}) {
        write(LogLevel::error, text, fields);
    }

  private:
    struct Sink;
    std::unique_ptr<Sink> sink_;
    LogLevel level_ = LogLevel::info;
    LogFormat format_ = LogFormat::text;
};

/// One line, without its end. `text` and values are escaped as far as the format asks: a field never breaks a line.
std::string log_line(LogFormat format, std::string_view text, std::initializer_list<LogField> fields);

/// The core's steps go to the log, its counters to /metrics.
class LoggedDiagnostics final : public node::Diagnostics {
  public:
    explicit LoggedDiagnostics(Log& log) : log_(log) {}
    void step(proto::Now now, std::string_view step, const proto::PresentityUri& presentity,
              std::string_view detail) override;
    void count(std::string_view name, std::string_view label, std::uint64_t by) override;
    bool wants_steps() const override { return log_.level() == LogLevel::debug; }
    const Counters& counters() const { return counters_; }

  private:
    Log& log_;
    Counters counters_;
};

}  // namespace presmesh::daemon
