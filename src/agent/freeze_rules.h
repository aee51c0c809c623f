// What may happen to a freeze: decided from the record of it, without clock, disk or threads.
//
// Per freeze id: a thaw, or the cancelling of the freeze, makes its freeze-phase script refused for ever; a thaw that
// succeeded is never run again, its result answers every later thaw; one numbered attempt of a phase runs at most once.
#pragma once
#include <optional>
#include <string>

#include "agent/journal.h"

namespace sp::agent {

/// "freeze": {id, phase: "freeze" | "thaw", attempt} of a command.
struct FreezeTag {
  std::string id;
  bool thaw = false;
  std::int64_t attempt = 1;
  std::string attemptKey() const;
  /// nullopt when the command carries none.
  static std::optional<FreezeTag> of(const json::Object& request);
};

/// Accepting a request: the record as it must stand on disk in the same write.
Freeze onAccept(std::optional<Freeze> before, const FreezeTag& tag, const std::string& request_id);

struct FreezeDecision {
  enum class Kind { run, refuse, answer };
  Kind kind = Kind::run;
  /// refuse: why.
  std::string message;
  /// answer: the stored result of the successful thaw.
  json::Object result;
};
/// Called when the request's turn has come (no other of this freeze is running). An adopted request owns its attempt.
FreezeDecision decide(const Freeze& freeze, const FreezeTag& tag, const std::string& request_id);

/// The request ended with `result`.
Freeze onResult(Freeze before, const FreezeTag& tag, const json::Object& result);

/// The freeze-phase request was cancelled, running or not yet come.
Freeze onCancel(Freeze before, const FreezeTag& tag);

}  // namespace sp::agent
