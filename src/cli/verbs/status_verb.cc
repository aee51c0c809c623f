// status.
#include <fmt/format.h>

#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/status_view.h"

namespace sp::cli {

int statusVerb(const Target& target, bool json) {
  Api api(target);
  const auto server = api.call("stillpoint", "Stillpoint_20261101.DescribeServer", {});
  if (!server) {
    fmt::print(stderr, "stillpoint: {}: {}\n", server.error().code, server.error().text());
    return 1;
  }
  if (json) fmt::print("{}\n", json::toText(*server));
  else
    for (const auto& line : statusLines(*server, Terminal())) fmt::print("{}\n", line);
  const auto* warnings = json::find(*server, "Warnings");
  return warnings != nullptr && warnings->is_array() && !warnings->get_array().empty() ? 1 : 0;
}

}  // namespace sp::cli
