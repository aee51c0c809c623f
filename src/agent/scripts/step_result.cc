#include "agent/scripts/step_result.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace sp::agent {
namespace {

/// Length the character at the head of `bytes` says it has; 0: no character starts with this byte.
std::size_t announcedLength(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  if (first >= 0xF0 && first < 0xF5) return 4;
  return 0;
}

}  // namespace

json::Object StepResult::encode() const {
  json::Object encoded{{"name", name},
                       {"plugin", plugin},
                       {"status", status},
                       {"exitCode", exit_code},
                       {"stdout", out},
                       {"stderr", err},
                       {"stdoutBytes", out_bytes},
                       {"stderrBytes", err_bytes},
                       {"sinceStartMs", since_start_ms},
                       {"durationMs", duration_ms}};
  if (!sha256.empty()) encoded["sha256"] = sha256;
  if (!usage.empty()) encoded["usage"] = usage;
  if (!files.empty()) encoded["files"] = files;
  return encoded;
}

std::string toUtf8(std::string_view bytes) {
  if (isUtf8(bytes)) return std::string(bytes);
  std::string out;
  while (!bytes.empty()) {
    const auto length = announcedLength(static_cast<unsigned char>(bytes[0]));
    if (length > bytes.size() &&
        std::ranges::all_of(bytes.substr(1), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }))
      break;
    if (length != 0 && length <= bytes.size() && isUtf8(bytes.substr(0, length))) {
      out += bytes.substr(0, length);
      bytes.remove_prefix(length);
    } else {
      out += "\xEF\xBF\xBD";
      bytes.remove_prefix(1);
    }
  }
  return out;
}

std::string overallStatus(const json::Array& steps) {
  constexpr std::array<std::string_view, 4> kByWeight{"Success", "Cancelled", "TimedOut", "Failed"};
  std::size_t worst = 0;
  for (const auto& step : steps)
    if (step.is_object())
      for (std::size_t weight = 0; weight < kByWeight.size(); ++weight)
        if (json::textOr(step.get_object(), "status") == kByWeight[weight]) worst = std::max(worst, weight);
  return std::string(kByWeight[worst]);
}

}  // namespace sp::agent
