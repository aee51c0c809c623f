// One step of a command as its result message tells it.
#pragma once
#include <cstdint>
#include <string>

#include "json/json.h"

namespace sp::agent {

/// What of a stream travels in the result itself; the whole goes by PUT.
inline constexpr std::size_t kInlineOutput = 48U << 10U;

struct StepResult {
  std::string name;
  std::string plugin;
  /// Success, Failed, TimedOut, Cancelled, Skipped.
  std::string status;
  int exit_code = -1;
  std::string out;
  std::string err;
  std::uint64_t out_bytes = 0;
  std::uint64_t err_bytes = 0;
  std::int64_t since_start_ms = 0;
  std::int64_t duration_ms = 0;
  /// Hex SHA-256 of the script as it stood in its file.
  std::string sha256;
  /// ScriptStatus::usage.
  json::Object usage;
  /// What a download fetched: [{path, bytes, sha256}].
  json::Array files;

  json::Object encode() const;
};

/// Well-formed UTF-8: every byte that belongs to no character becomes U+FFFD; a character cut off at the end is left out.
std::string toUtf8(std::string_view bytes);

/// Status of a command from its steps: Failed > TimedOut > Cancelled > Success; Skipped counts as Success.
std::string overallStatus(const json::Array& steps);

}  // namespace sp::agent
