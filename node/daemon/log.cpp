#include "node/daemon/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "node/daemon/printable.hpp"
#include "proto/limits.hpp"

namespace presmesh::daemon {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

constexpr const char* text_pattern = "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v";
constexpr const char* json_pattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

std::string json_text(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool plain(std::string_view value) {
    return !value.empty() && std::all_of(value.begin(), value.end(), [](unsigned char c) {
        return c > 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '=';
    });
}

std::shared_ptr<spdlog::logger> make_logger(const LogConfig& config) {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (config.file.empty()) {
        sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
    } else {
        sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(config.file);
    }
    auto logger = std::make_shared<spdlog::logger>("presmesh", std::move(sink));
    logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        config.format == LogFormat::json ? json_pattern : text_pattern, spdlog::pattern_time_type::utc));
    logger->set_level(level_of(config.level));
    logger->flush_on(config.file.empty() ? spdlog::level::off : spdlog::level::info);
    return logger;
}

}  // namespace

struct Log::Sink {
    std::shared_ptr<spdlog::logger> logger;
};

Log::Log() : sink_(std::make_unique<Sink>()) {
    sink_->logger = make_logger({});
}
Log::~Log() = default;

proto::Result<void> Log::configure(const LogConfig& config) {
    try {
        sink_->logger = make_logger(config);
    } catch (const spdlog::spdlog_ex& fault) {
        return proto::refuse(proto::Reason::unavailable, fault.what());
    }
    level_ = config.level;
    format_ = config.format;
    return {};
}

void Log::write(LogLevel level, std::string_view text, std::initializer_list<LogField> fields) {
    if (level < level_) return;
    sink_->logger->log(level_of(level), log_line(format_, text, fields));
}

std::string log_line(LogFormat format, std::string_view text, std::initializer_list<LogField> fields) {
    if (format == LogFormat::json) {
        std::string line = "\"message\":" + json_text(text);
        for (const auto& [name, value] : fields) line += "," + json_text(name) + ":" + json_text(value);
        return line;
    }
    auto line = printable(text);
    for (const auto& [name, value] : fields)
        line += " " + std::string(name) + "=" + (plain(value) ? value : "\"" + quotable(value) + "\"");
    return line;
}

void LoggedDiagnostics::step(proto::Now, std::string_view step, const proto::PresentityUri& presentity,
                             std::string_view detail) {
    if (wants_steps()) log_.debug(step, {{"presentity", presentity.pres()}, {"detail", std::string(detail)}});
}

void LoggedDiagnostics::count(std::string_view name, std::string_view label, std::uint64_t by) {
    auto at = counters_.find({std::string(name), std::string(label)});
    if (at == counters_.end()) {
        const bool full = counters_.size() >= proto::limits::counters;
        at = counters_.try_emplace({std::string(name), full ? "other" : std::string(label)}).first;
    }
    at->second += by;
}

}  // namespace presmesh::daemon
