// Files between this agent and the server's agents' port: sources of commands down, outputs up. Tried again while the
// server cannot be reached, not when it says no.
#pragma once
#include <string>

#include "agent/request_handler.h"

namespace sp::agent {

struct Download {
  /// "/commands/CMD/source/KEY".
  std::string source;
  /// Where to; its folders are made. Mode 0700.
  std::string path;
  /// Hex; the file is refused when it has another.
  std::string sha256;
};
/// Errors: "transfer.refused" (what the server answered), "transfer.hash", "transfer.unreachable" after `patience`, "os.…".
Result<void> download(RequestContext& context, const Download& file, std::chrono::milliseconds patience);

/// PUT of a whole file. Errors as above.
Result<void> upload(RequestContext& context, const std::string& path, const std::string& target, std::chrono::milliseconds patience);

}  // namespace sp::agent
