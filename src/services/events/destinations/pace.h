// How fast and how many at once a destination is called. Pure; time is a clock that does not jump.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>

#include "base/clock.h"

namespace sp::services::events {

/// No more than so many calls in any one second.
class Pace {
 public:
  /// How long the next one must wait; zero: it may go.
  Duration wait(Duration now, std::int64_t per_second) {
    while (!recent_.empty() && recent_.front() + kWindow <= now) recent_.pop_front();
    const auto most = static_cast<std::size_t>(std::max<std::int64_t>(per_second, 1));
    if (recent_.size() < most) return Duration(0);
    return recent_[recent_.size() - most] + kWindow - now;
  }
  void sent(Duration now) { recent_.push_back(now); }

 private:
  static constexpr Duration kWindow = std::chrono::seconds(1);
  std::deque<Duration> recent_;
};

/// How many may be under way: one after a silence, twice as many after each answer. A destination that hangs holds one connection.
class Window {
 public:
  static constexpr std::size_t kMost = 16;
  std::size_t size() const { return size_; }
  void answered() { size_ = std::min(kMost, size_ * 2); }
  void silent() { size_ = 1; }

 private:
  std::size_t size_ = kMost;
};

}  // namespace sp::services::events
