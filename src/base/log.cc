#include "base/log.h"

#include <atomic>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace sp::log {
namespace {

std::atomic<Format> g_format{Format::text};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("stillpoint", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return *instance;
}

std::string_view levelName(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    case Level::none: break;
  }
  return "?";
}

spdlog::level::level_enum toSpdlog(Level level) {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::none: return spdlog::level::off;
  }
  return spdlog::level::info;
}

void appendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        else out += c;
    }
  }
  out += '"';
}

bool needsQuotes(std::string_view text) {
  if (text.empty()) return true;
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == '"' || c == '=' || c == '\\') return true;
  return false;
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const auto seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                     utc.tm_sec, ms);
}

}  // namespace

void configure(Level level, Format format) {
  logger().set_level(toSpdlog(level));
  g_format = format;
}

bool enabled(Level level) { return logger().should_log(toSpdlog(level)); }

void write(Level level, std::string_view message, std::initializer_list<Field> fields) {
  if (!logger().should_log(toSpdlog(level))) return;
  std::string line;
  if (g_format == Format::json) {
    line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":", timestamp(), levelName(level));
    appendQuoted(line, message);
    for (const auto& field : fields) {
      line += ',';
      appendQuoted(line, field.key);
      line += ':';
      appendQuoted(line, field.value);
    }
    line += '}';
  } else {
    line = fmt::format("{} {:<5} {}", timestamp(), levelName(level), message);
    for (const auto& field : fields) {
      line += ' ';
      line += field.key;
      line += '=';
      if (needsQuotes(field.value)) appendQuoted(line, field.value);
      else line += field.value;
    }
  }
  logger().log(toSpdlog(level), "{}", line);
}

}  // namespace sp::log
