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
  /// A thaw of the agent's own: its attempts count down from -1.
  bool byGuard() const { return thaw && attempt < 0; }
  /// nullopt when the command carries none.
  static std::optional<FreezeTag> of(const json::Object& request);
};

/// Accepting a request: the record as it must stand on disk in the same write. `guard_why`: of a thaw of the agent's own.
Freeze onAccept(std::optional<Freeze> before, const FreezeTag& tag, const std::string& request_id, const std::string& guard_why = "");

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

/// Whether the freeze has been whole until now: armed, and no thaw of it begun or ordered.
struct Hold {
  bool held = false;
  /// Not held: what ended it, for people.
  std::string why;
};
Hold holdOf(const std::optional<Freeze>& freeze, const std::string& freeze_id);

/// The request ended with `result`.
Freeze onResult(Freeze before, const FreezeTag& tag, const json::Object& result);

/// The freeze-phase request was cancelled, running or not yet come.
Freeze onCancel(Freeze before, const FreezeTag& tag);

}  // namespace sp::agent
