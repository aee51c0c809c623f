// How often an address may be wrong.
#pragma once
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sp::fleet {

/// Counts failures by address within a sliding window. Any thread; holds at most `addresses` of them, those that failed last.
class Attempts {
 public:
  struct Limits {
    std::size_t failures = 10;
    Duration window = std::chrono::minutes(1);
    std::size_t addresses = 4096;
  };
  explicit Attempts(const Clock& clock) : Attempts(clock, Limits{}) {}
  Attempts(const Clock& clock, const Limits& limits) : clock_(clock), limits_(limits) {}

  /// How long that address has to wait before its next attempt; zero: it may try now.
  Duration wait(std::string_view address);
  void failed(std::string_view address);

 private:
  void forgetOld(std::deque<Duration>& failures) const;

  const Clock& clock_;
  const Limits limits_;
  std::mutex mutex_;
  std::map<std::string, std::deque<Duration>, std::less<>> failures_;
};

/// "10.0.0.7" of "10.0.0.7:50312", "[fe80::1]" of "[fe80::1]:50312".
std::string_view addressPart(std::string_view remote);

}  // namespace sp::fleet
