// HTTP on the agents' port: a thread for each connection, so that a route can be straight-line code.
#pragma once
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fleet/agent_http.h"
#include "fleet/openssl.h"
#include "os/file.h"

namespace sp::fleet {

class HttpWorkers {
 public:
  explicit HttpWorkers(std::size_t connections) : limit_(connections) {}
  ~HttpWorkers() { stop(); }
  HttpWorkers(const HttpWorkers&) = delete;
  HttpWorkers& operator=(const HttpWorkers&) = delete;

  /// Before the first run(). The longest prefix that fits gets the request; without one the answer is 404.
  void route(std::string prefix, AgentHttpRoute& route) { routes_.emplace_back(std::move(prefix), &route); }
  /// Takes a connection whose handshake is done. False if there are too many: it is then closed.
  bool run(os::Fd socket, SslPtr ssl, std::string agent, std::string remote);
  /// Cuts all connections and waits for their threads.
  void stop();

 private:
  struct Worker {
    std::thread thread;
    os::Fd socket;
    std::atomic<bool> done = false;
  };
  void serve(Worker& worker, SSL* ssl, const std::string& agent, const std::string& remote);
  AgentHttpRoute* find(std::string_view target) const;

  std::size_t limit_;
  std::vector<std::pair<std::string, AgentHttpRoute*>> routes_;
  std::mutex mutex_;
  std::list<std::unique_ptr<Worker>> workers_;
  bool stopped_ = false;
};

}  // namespace sp::fleet
