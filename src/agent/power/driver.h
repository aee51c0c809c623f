// The port for power: one machine's driver. It asks and looks; waiting, limits, force and what is told to the server are the
// handler's (power_handler.h).
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "base/result.h"
#include "model/power.h"

namespace sp::agent {

/// A machine as its driver sees it.
struct PowerNow {
  bool running = false;
  /// Names this boot where the driver can tell ("pid start time"); empty while it is off, or where it cannot.
  std::string boot;
};

/// Not thread-safe: whoever uses one holds the machine's mutex. Calls may block for as long as their commands may take.
class PowerDriver {
 public:
  PowerDriver() = default;
  PowerDriver(const PowerDriver&) = delete;
  PowerDriver& operator=(const PowerDriver&) = delete;
  virtual ~PowerDriver() = default;

  /// Whether it could start, stop and look: programs that are missing, rights that are not there. Changes nothing. Error "power.preflight".
  virtual Result<void> preflight() = 0;
  /// Error "power.status": it could not look, or what it saw is neither.
  virtual Result<PowerNow> status() = 0;
  /// Asks the machine to start. On one that runs: no effect, or an error.
  virtual Result<void> start() = 0;
  /// Asks it to shut down by itself.
  virtual Result<void> askToStop() = 0;
  /// Ends it without asking.
  virtual Result<void> kill() = 0;
  /// Whether asking twice does what asking once does.
  virtual bool mayAskAgain() const { return true; }
  /// Has a stop that was asked for not happen. False: nobody can.
  virtual bool takeBackStop() { return false; }
  /// Returns when the state may have changed, at the latest after `limit`.
  virtual void awaitChange(std::chrono::milliseconds limit) = 0;
  /// How often to look at it while nothing is asked; 0: not at all.
  virtual std::chrono::milliseconds lookEvery() const = 0;
  /// Where a person looks for the reason ("; see …"); may be empty.
  virtual std::string hint() const { return {}; }
};

/// A machine of three commands.
std::unique_ptr<PowerDriver> makeExecDriver(std::string instance, PowerDescription power);
/// A virtual machine of this host; its lock, monitor socket and log lie in `folder`.
std::unique_ptr<PowerDriver> makeQemuDriver(std::string instance, PowerDescription power, std::string folder);

}  // namespace sp::agent
