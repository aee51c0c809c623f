// For tests of definitions: what is told of a new one.
#pragma once
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "asl/definition.h"

namespace sp::asl {

/// "message at location", a line each; the code before it where it is not SCHEMA_VALIDATION_FAILED.
inline std::string told(std::string_view text) {
  const auto made = compileNew(text);
  if (made) return "";
  std::string out;
  for (const auto& [code, message, location] : made.error())
    out += fmt::format("{}{}{} at {}", out.empty() ? "" : "\n", code == "SCHEMA_VALIDATION_FAILED" ? "" : code + ": ", message, location);
  return out;
}

inline std::string one(std::string_view state) { return fmt::format(R"({{"StartAt":"A","States":{{"A":{}}}}})", state); }

}  // namespace sp::asl
