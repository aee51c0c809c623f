// Files from the server's agents' port: sources of commands. Tried again while the server cannot be reached, not when it says no.
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
struct Fetched {
  std::uint64_t bytes = 0;
  /// Hex.
  std::string sha256;
};
/// Errors: "transfer.refused" (what the server answered), "transfer.hash", "transfer.unreachable" after `patience`, "os.…".
Result<Fetched> download(RequestContext& context, const Download& file, std::chrono::milliseconds patience);
/// The same from what guard/guards.h has fetched before ("FREEZE/N"). Errors: "transfer.hash", "transfer.kept" (no such name), "os.…".
Result<Fetched> copyKept(const Identity& identity, const std::string& kept, const Download& file);

}  // namespace sp::agent
