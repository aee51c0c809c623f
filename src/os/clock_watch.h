// Hears when somebody sets this machine's clock.
#pragma once
#include "os/file.h"

namespace sp::os {

class ClockWatch {
 public:
  /// Where the kernel cannot watch, nothing is ever heard.
  ClockWatch();
  /// Readable once the clock was set; -1: cannot watch.
  int fd() const { return timer_.get(); }
  /// True if it was set since the last call, and watches on.
  bool wasSet();

 private:
  void arm();
  Fd timer_;
};

}  // namespace sp::os
