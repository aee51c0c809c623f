// Structured logs: a fixed message and named values, one line each on standard error (logfmt, or JSON when asked).
// Never pass a secret, a script's text or a signature. Callable from any thread. spdlog stands behind it, in log.cc only.
#pragma once
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace sp::log {

/// A named value of a log line.
struct Field {
  std::string_view key;
  std::string value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class N>
    requires std::integral<N> || std::floating_point<N>
  Field(std::string_view k, N v) : key(k), value(std::to_string(v)) {}
};

/// `none`: nothing is written, for programs that make things fail on purpose.
enum class Level { debug, info, warn, error, none };
enum class Format { text, json };

/// Once at start-up, before other threads log. Default: info, text.
void configure(Level level, Format format);

/// Whether lines of that level are written: for callers whose fields cost something.
bool enabled(Level level);

void write(Level level, std::string_view message, std::initializer_list<Field> fields);

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) { write(Level::debug, message, fields); }
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) { write(Level::info, message, fields); }
inline void warn(std::string_view message, std::initializer_list<Field> fields = {}) { write(Level::warn, message, fields); }
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) { write(Level::error, message, fields); }

}  // namespace sp::log
