// A conversation in lines of JSON over a socket of this host: QEMU's monitor (QMP), and the guest agent's port. Blocking; one thread.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>

#include "json/json.h"
#include "os/file.h"

namespace sp::agent {

class QmpClient {
 public:
  /// Connects and takes the greeting and the capabilities: from then on the monitor is this client's alone, until it ends.
  /// Errors "qmp.connect", "qmp.closed", "qmp.timeout".
  static Result<QmpClient> connect(const std::string& path, std::chrono::milliseconds limit);
  /// The guest agent's port: no greeting; whatever an earlier client left in it is passed over. "qmp.timeout": nobody in the guest listens.
  static Result<QmpClient> connectGuest(const std::string& path, std::chrono::milliseconds limit);

  /// The value of the reply with this call's id; events and other replies before it are passed over. Error "qmp.refused" with QEMU's
  /// class and text.
  Result<json::Value> execute(const std::string& command, const json::Object& arguments, std::chrono::milliseconds limit);
  /// Sends without waiting for a reply: what never gives one (guest-shutdown).
  Result<void> tell(const std::string& command, const json::Object& arguments);
  /// The process at the other end of the socket.
  pid_t peer() const;

 private:
  using Clock = std::chrono::steady_clock;
  static Result<QmpClient> open(const std::string& path);
  Result<void> send(const json::Object& message);
  /// The next line that is a JSON object and for which `wanted` holds.
  Result<json::Object> await(const std::function<bool(const json::Object&)>& wanted, Clock::time_point deadline);

  os::Fd socket_;
  std::string unread_;
  std::int64_t last_id_ = 0;
};

}  // namespace sp::agent
