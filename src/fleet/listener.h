// The agents' port. One thread runs all framed sessions on non-blocking sockets; a connection that speaks HTTP gets a
// thread of its own after the handshake.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "fleet/admissions.h"
#include "fleet/agent_http.h"
#include "fleet/authority.h"
#include "fleet/deliveries.h"
#include "fleet/http_workers.h"
#include "fleet/openssl.h"
#include "json/json.h"
#include "net/http_server.h"
#include "os/file.h"

namespace sp::fleet {

/// Bounds of the port; tests make them small.
struct ListenerLimits {
  Duration handshake = std::chrono::seconds(10);
  /// So many may be under way at once. When that is reached and one more wants in, the one that has said nothing for longest goes,
  /// if that is `patience` or more: connections that only stand there do not keep agents out.
  std::size_t handshakes = 512;
  Duration patience = std::chrono::seconds(2);
  /// Also bounded by the process's limit of open files, of which `other_files` are kept for everything else (at most half).
  std::size_t sessions = 16'384;
  std::size_t other_files = 2048;
  std::size_t http_connections = 256;
  /// Beside those: of clients without a valid certificate, which may only enrol or renew.
  std::size_t strangers = 16;
  /// A session that was told nothing for so long is sent a ping …
  Duration ping = std::chrono::seconds(20);
  /// … and one that says nothing for so long is closed.
  Duration silence = std::chrono::seconds(60);
  /// A session whose unsent bytes exceed this is closed: it does not read.
  std::size_t unsent_bytes = 64U << 20U;
  /// A session with this many messages not yet handled is not read from.
  int unhandled = 256;
};

class Listener final : public SessionSender {
 public:
  /// Called on the listener's thread. `handled` of each message must be answered by consumed().
  struct Events {
    /// The session's first message, already checked: its "agent" is the certificate's, which is valid and counts;
    /// "certificate" {enrolment, leftMs, lifeMs} and "remote" are the port's own words.
    std::function<void(SessionId, const std::string& agent, json::Object message)> hello;
    std::function<void(SessionId, const std::string& agent, json::Object message)> message;
    /// Only for sessions that said hello; `quiet` after the last that came from them.
    std::function<void(SessionId, const std::string& agent, Duration quiet)> closed;
  };

  /// Binds; accepts nothing before start(). Errors "net.bind", "tls.…", "ca.issue". `clock` outlives it.
  static Result<std::unique_ptr<Listener>> open(const net::Endpoint& endpoint, const Authority& authority, const Clock& clock,
                                                const ListenerLimits& limits = {});
  ~Listener() override;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// HTTP below `prefix`. Before start().
  void route(std::string prefix, AgentHttpRoute& route, AgentHttpAccess access = AgentHttpAccess::agents) {
    http_.route(std::move(prefix), route, access);
  }
  /// Which certificates count; asked of each connection. Any thread.
  Admissions& admissions() { return admissions_; }
  /// Cuts the agent's HTTP connections whose certificates no longer count; sessions are the caller's. Any thread.
  void cutHttp(std::string_view agent) { http_.cut(agent); }
  void start(Events events);
  void stop();
  const net::Endpoint& endpoint() const { return endpoint_; }

  void send(SessionId session, std::string frame) override;
  void close(SessionId session) override;
  Duration quiet(SessionId session) const override;
  /// One message of that session has been handled. Any thread.
  void consumed(SessionId session);

 private:
  struct Session;
  enum class OrderKind { send, close, consumed };
  struct Order {
    OrderKind kind;
    SessionId session;
    std::string frame;
  };

  Listener(net::Endpoint endpoint, os::Fd socket, SslContextPtr context, const Clock& clock, const ListenerLimits& limits);
  Result<void> prepare();
  void loop();
  void order(Order order);
  void takeOrders();
  void accept();
  void acceptAgain();
  bool makeRoom();
  void sayFull();
  void adopt(int fd);
  void ready(Session& session, std::uint32_t events);
  bool handshake(Session& session);
  static bool hasLeft(const Session& session);
  bool read(Session& session);
  bool write(Session& session);
  bool takeFrames(Session& session);
  bool takeMessage(Session& session, std::string_view text);
  bool takeHello(Session& session, json::Object& hello);
  void reject(Session& session, const runtime::AgentRefusal& why);
  void refuseStranger(Session& session);
  void handOver(Session& session, const PeerCertificate& peer);
  void watch(Session& session, std::uint32_t events);
  void drop(SessionId id, std::string_view why);
  void tick();
  void giveBack(Duration now);

  net::Endpoint endpoint_;
  os::Fd socket_;
  os::Fd epoll_;
  os::Fd wake_;
  SslContextPtr context_;
  const Clock& clock_;
  ListenerLimits limits_;
  Events events_;
  Admissions admissions_;
  HttpWorkers http_;
  std::unordered_map<SessionId, std::unique_ptr<Session>> sessions_;
  SessionId next_id_;
  /// Sessions whose handshake is under way.
  std::unordered_set<SessionId> shaking_;
  bool accepting_ = false;
  std::optional<Duration> said_full_;
  Duration last_tick_{0};
  std::size_t begun_since_trim_ = 0;
  Duration last_begun_{0};
  std::mutex mutex_;
  std::vector<Order> orders_;
  /// When those that said hello were last heard, for other threads.
  mutable std::mutex heard_mutex_;
  std::unordered_map<SessionId, const std::atomic<Duration>*> heard_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace sp::fleet
