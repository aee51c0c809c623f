// Messages on their way to the server, put in by any thread, taken out by the session.
#pragma once
#include <mutex>
#include <string>

#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

class Outbox {
 public:
  Outbox();
  /// Dropped while no server is connected: what must arrive is in the journal and is sent again after each welcome.
  void send(const json::Object& message);
  /// Session's thread. Going offline drops what waits.
  void setOnline(bool online);
  /// Session's thread: whole frames, one behind the other; empties the wake-up.
  std::string take();
  /// Readable when there is something to take.
  int wakeFd() const { return wake_.get(); }

 private:
  std::mutex mutex_;
  bool online_ = false;
  std::string frames_;
  os::Fd wake_;
};

}  // namespace sp::agent
