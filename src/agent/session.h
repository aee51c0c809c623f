// The agent's line to its server: dials, says hello, passes messages both ways, dials again. The main loop of the agent.
#pragma once
#include <functional>
#include <memory>

#include "agent/outbox.h"
#include "agent/renewal.h"
#include "agent/request_handler.h"
#include "agent/requests.h"
#include "base/clock.h"
#include "base/random.h"
#include "net/tls_client.h"
#include "os/clock_watch.h"

namespace sp::agent {

class Session {
 public:
  /// All given outlive it. `stop_fd` is readable when the agent shall end.
  /// `machine_hash`: see machineHash().
  Session(const Identity& identity, Journal& journal, Requests& requests, Outbox& outbox, int stop_fd, std::string machine_hash);
  /// Called on this thread after each welcome, when what waits was sent again.
  void onWelcome(std::function<void()> call) { on_welcome_.push_back(std::move(call)); }
  /// Called on this thread with each "lease".
  void onLease(std::function<void(const json::Object&)> call) { on_lease_.push_back(std::move(call)); }
  /// Until `stop_fd` is readable.
  void run();

 private:
  Result<void> connectOnce();
  Result<void> converse(net::FramedTlsClient& client);
  Result<void> step(net::FramedTlsClient& client);
  Result<void> take(const json::Object& message);
  json::Object hello(int fd) const;
  /// How long to wait after such an end before the next try; says in the log what is new.
  std::chrono::milliseconds judge(const Error& why);
  std::chrono::milliseconds afterRefusal(const Error& why);
  void tellClock();
  /// Until the time is over or the agent shall end; systemd's watchdog is told that it lives.
  void rest(std::chrono::milliseconds time);
  bool stopping() const;
  /// Full jitter: anything between nothing and a limit that grows with each failure.
  std::chrono::milliseconds nextDelay(bool loopback);

  const Identity& identity_;
  Journal& journal_;
  Requests& requests_;
  Outbox& outbox_;
  const int stop_fd_;
  const std::string machine_hash_;
  SystemRandom random_;
  SystemClock clock_;
  os::ClockWatch clock_watch_;
  Renewal renewal_;
  /// Names this process to the server.
  const std::string run_;
  std::vector<std::function<void()>> on_welcome_;
  std::vector<std::function<void(const json::Object&)>> on_lease_;
  int failures_ = 0;
  bool welcomed_ = false;
  std::string last_failure_;
};

}  // namespace sp::agent
