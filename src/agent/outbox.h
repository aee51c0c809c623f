// Messages on their way to the server, put in by any thread, taken out by the session.
#pragma once
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

class Outbox {
 public:
  Outbox();
  /// So long an "accepted" waits for the answer that makes it needless: most commands of a large fleet are shorter.
  static constexpr std::chrono::milliseconds kHeld{20};

  /// Dropped while no server is connected: what must arrive is in the journal and is sent again after each welcome. An
  /// "accepted" goes after kHeld, or before the first message about the same request, or never if that is its answer.
  void send(const json::Object& message);
  /// Session's thread. Going offline drops what waits.
  void setOnline(bool online);
  /// Session's thread: whole frames, one behind the other; empties the wake-up.
  std::string take();
  /// Until there is something to take without a wake-up; nullopt: nothing is held. Session's thread.
  std::optional<std::chrono::milliseconds> untilDue();
  /// Readable when there is something to take.
  int wakeFd() const { return wake_.get(); }

 private:
  struct Held {
    std::string id;
    std::string frame;
    std::chrono::steady_clock::time_point due;
  };

  std::mutex mutex_;
  bool online_ = false;
  std::string frames_;
  /// Oldest first.
  std::deque<Held> held_;
  os::Fd wake_;
};

}  // namespace sp::agent
