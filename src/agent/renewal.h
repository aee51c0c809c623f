// The agent's certificate is renewed while it is still good, over a connection that the certificate itself opens.
#pragma once
#include <atomic>
#include <chrono>

#include "agent/request_handler.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"

namespace sp::agent {

/// Session's thread, but for what it says otherwise. Lives as long as the process: a renewal's thread is not joined.
class Renewal {
 public:
  explicit Renewal(const Identity& identity) : identity_(identity) {}

  /// The server's word: a duration, since the clocks of two hosts are never compared.
  void setDue(std::chrono::milliseconds in);
  /// Until the next renewal; never negative. Far away while the server has not told.
  std::chrono::milliseconds untilDue() const;
  /// Starts one on a thread of its own if it is due; what fails is tried again in a minute.
  void startIfDue();
  /// One now: the server took the certificate for nothing else. Blocks up to 20 s. Errors "net.…", "agent.CODE" with the server's code.
  Result<void> renewNow();

 private:
  const Identity& identity_;
  SystemClock clock_;
  SystemRandom random_;
  /// CLOCK_BOOTTIME in ms; 0: not told yet.
  std::atomic<std::int64_t> due_ms_ = 0;
  std::atomic<bool> busy_ = false;
};

}  // namespace sp::agent
