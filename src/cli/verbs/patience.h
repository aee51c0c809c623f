// What goes on at the server goes on without its watcher: who only watches bears a restart of the server.
#pragma once
#include <chrono>
#include <optional>

#include "base/result.h"

namespace sp::cli {

class Patience {
 public:
  void answered() { since_.reset(); }
  /// Whether to call again after a pause: the server cannot be reached, and this was first seen less than 30 s ago.
  bool bears(const Error& error) {
    constexpr std::chrono::seconds kMost{30};
    const auto now = std::chrono::steady_clock::now();
    if (!since_) since_ = now;
    return error.code.starts_with("net.") && now - *since_ <= kMost;
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> since_;
};

}  // namespace sp::cli
