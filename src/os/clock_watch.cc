#include "os/clock_watch.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>

namespace sp::os {

ClockWatch::ClockWatch() : timer_(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)) { arm(); }

// A timer that never rings, but is called off when the clock is set.
void ClockWatch::arm() {
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
  if (timer_ && ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0) timer_.reset();
}

bool ClockWatch::wasSet() {
  std::uint64_t rings = 0;
  if (!timer_ || ::read(timer_.get(), &rings, sizeof rings) >= 0 || errno != ECANCELED) return false;
  arm();
  return true;
}

}  // namespace sp::os
