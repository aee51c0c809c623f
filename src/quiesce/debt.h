// What Stillpoint owes to machines, and what it does next about it. Pure: no clock, no store, no I/O.
//
// A debt is written in the same commit as the intent that makes it (a pre-script that may freeze, a stop) and ends only
// by confirmation, or by a person who took the machine's fate over. While the lane of its run lives, the lane pays; once
// the lane is over, the payer does (services/stillpoint/ledger.h asks nextMove()).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "json/json.h"

namespace sp::quiesce {

/// From the pre-script's order to the confirmed thaw. The agent serialises by `id` and refuses a pre-script whose freeze
/// was thawed before.
struct Freeze {
  std::string id;
  /// Numbered for ever: the pre-script is attempt 1.
  int attempt = 1;
  enum class State { asked, frozen, failed, thawed } state = State::asked;
};

enum class DebtKind {
  /// The machine was stopped by us and must run again.
  start,
  /// A pre-script may have frozen the application: the post-script must succeed.
  thaw,
  /// A post-script without a pre-script: an ordinary command, owed once, never repeated when it may have run.
  post
};

enum class DebtState {
  open,
  /// A person stopped the machine: nothing is done until a person starts or thaws it.
  suspended,
  paid,
  /// The machine no longer exists, or nothing was sent after all.
  voided
};

struct Debt {
  DebtKind kind = DebtKind::start;
  DebtState state = DebtState::open;
  std::string instance;
  std::string execution;
  /// Thaw only.
  std::string freeze_id;
  /// How often the payment was tried (for thaw: the number of the last attempt sent).
  int attempts = 0;
  /// The command that is paying now; empty if none is on its way.
  std::string command;
  /// Who suspended or voided it, or what paid it.
  std::string by;
  /// Why the last attempt failed; empty if none did.
  std::string last_error;
  Instant since;
  /// No attempt by the payer before this moment.
  Instant not_before;
  std::optional<Instant> settled;
};

std::string_view toText(DebtKind kind);
std::string_view toText(DebtState state);
json::Object encode(const Debt& debt);
/// Error "quiesce.debt" for a record no version of this program wrote.
Result<Debt> decodeDebt(const json::Object& record);

std::string_view toText(Freeze::State state);
json::Object encode(const Freeze& freeze);
Result<Freeze> decodeFreeze(const json::Object& record);

enum class Machine { gone, pending, running, stopping, stopped };

/// What the payer sees when it looks at one debt.
struct Scene {
  Machine machine = Machine::running;
  /// The run's lane has ended, or its execution has, however.
  bool lane_over = false;
  /// The run holds the machine's lock.
  bool lock_held = false;
  /// The run's job may still read the stopped machine.
  bool job_open = false;
  /// A start of the same lane is open or suspended: a stopped machine runs no script.
  bool start_owed = false;
  Instant now;
};

enum class Move {
  /// Nothing now; an event or the debt's own time brings the next look.
  wait,
  takeLock,
  startMachine,
  sendScript,
  /// Start: the machine runs.
  confirm,
  /// The machine is gone.
  giveUp
};

Move nextMove(const Debt& debt, const Scene& scene);

/// How long after the `attempts`-th failed attempt the next may come: 2 s, doubling, at most 5 min.
Duration backoff(int attempts);

}  // namespace sp::quiesce
