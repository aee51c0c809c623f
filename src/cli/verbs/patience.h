// What goes on at the server goes on without its watcher: who only watches bears a restart of the server.
#pragma once
#include "base/result.h"

namespace sp::cli {

class Patience {
 public:
  /// `pause_ms` passes between two calls.
  explicit Patience(int pause_ms) : pause_ms_(pause_ms) {}

  void answered() { waited_ms_ = 0; }
  /// Whether to call again after the pause: the server cannot be reached, and has not been for less than 30 s.
  bool bears(const Error& error) {
    constexpr int kMostMs = 30'000;
    waited_ms_ += pause_ms_;
    return error.code.starts_with("net.") && waited_ms_ <= kMostMs;
  }

 private:
  int pause_ms_;
  int waited_ms_ = 0;
};

}  // namespace sp::cli
