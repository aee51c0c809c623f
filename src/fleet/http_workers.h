// HTTP on the agents' port: a thread for each connection, so that a route can be straight-line code.
#pragma once
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fleet/admissions.h"
#include "fleet/agent_http.h"
#include "fleet/openssl.h"
#include "fleet/tls.h"
#include "os/file.h"

namespace sp::fleet {

class HttpWorkers {
 public:
  /// `strangers`: how many connections without a valid certificate there may be beside the others.
  HttpWorkers(std::size_t connections, std::size_t strangers, const Admissions& admissions)
      : limit_(connections), stranger_limit_(strangers), admissions_(admissions) {}
  ~HttpWorkers() { stop(); }
  HttpWorkers(const HttpWorkers&) = delete;
  HttpWorkers& operator=(const HttpWorkers&) = delete;

  /// Before the first run(). The longest prefix that fits gets the request; without one the answer is 404.
  void route(std::string prefix, AgentHttpRoute& route, AgentHttpAccess access) { routes_.push_back({std::move(prefix), &route, access}); }
  /// Takes a connection whose handshake is done. False if there are too many: it is then closed.
  bool run(os::Fd socket, SslPtr ssl, PeerCertificate peer, std::string remote);
  /// Cuts that agent's connections whose certificates no longer count. Any thread.
  void cut(std::string_view agent);
  /// Cuts all connections and waits for their threads.
  void stop();

 private:
  struct Worker {
    std::thread thread;
    os::Fd socket;
    std::string agent;
    std::string enrolment;
    bool stranger = false;
    /// Of a stranger, without port.
    std::string address;
    std::atomic<bool> done = false;
  };
  struct Route {
    std::string prefix;
    AgentHttpRoute* route;
    AgentHttpAccess access;
  };
  void serve(Worker& worker, SSL* ssl, const PeerCertificate& peer, const std::string& remote);
  const Route* find(std::string_view target) const;
  std::optional<runtime::AgentRefusal> refusal(const Route& route, const PeerCertificate& peer) const;

  std::size_t limit_;
  std::size_t stranger_limit_;
  const Admissions& admissions_;
  std::vector<Route> routes_;
  std::mutex mutex_;
  std::list<std::unique_ptr<Worker>> workers_;
  bool stopped_ = false;
};

}  // namespace sp::fleet
