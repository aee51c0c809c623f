// The demo's scripts (packaging/demo), embedded at build time.
#pragma once
#include <string_view>

namespace sp::cli {

extern const std::string_view kDemoPreScript;
extern const std::string_view kDemoPostScript;
/// Succeeds once the database holds its data and the writer commits; waits for it.
extern const std::string_view kDemoReadyScript;

}  // namespace sp::cli
