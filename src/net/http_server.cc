#include "net/http_server.h"

#include <pthread.h>
#include <csignal>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "base/time_format.h"
#include "net/http_connection.h"
#include "net/streams.h"

namespace sp::net {
namespace asio = boost::asio;
namespace {

using Tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
constexpr auto kTick = std::chrono::milliseconds(250);

// Lives as long as the last connection, so that a late reply finds it and can be dropped.
class Home final : public ConnectionHome {
 public:
  Home(Handler& handler, const HttpLimits& limits) : handler_(handler), limits_(limits) {}

  void post(std::function<void()> action) override {
    const std::lock_guard lock(mutex_);
    if (!gone_) asio::post(io, std::move(action));
  }
  bool onNetworkThread() const override { return std::this_thread::get_id() == thread_.load(std::memory_order_relaxed); }
  void setNetworkThread() { thread_.store(std::this_thread::get_id(), std::memory_order_relaxed); }

  std::string_view dateLine() override {
    const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
    const auto second = toMicros(now) / 1'000'000;
    if (second != date_second_) {
      date_second_ = second;
      date_line_ = "Date: " + toHttpDate(now) + "\r\n";
    }
    return date_line_;
  }
  Handler& handler() override { return handler_; }
  const HttpLimits& limits() const override { return limits_; }
  void gone(HttpConnection& connection) override {
    connections.erase(&connection);
    if (on_gone) on_gone();
  }
  /// From here on replies are dropped. Network thread's end.
  void end() {
    const std::lock_guard lock(mutex_);
    gone_ = true;
  }

  asio::io_context io{1};
  std::set<HttpConnection*> connections;
  std::function<void()> on_gone;

 private:
  Handler& handler_;
  const HttpLimits limits_;
  std::mutex mutex_;
  bool gone_ = false;
  std::atomic<std::thread::id> thread_;
  std::int64_t date_second_ = -1;
  std::string date_line_;
};

class Server final : public HttpServer {
 public:
  Server(Handler& handler, const HttpLimits& limits, std::unique_ptr<TlsContext> tls)
      : tls_(std::move(tls)), home_(std::make_shared<Home>(handler, limits)), acceptor_(home_->io), tick_(home_->io), grace_(home_->io) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server() override { Server::stop(0); }

  Result<void> bind(const Endpoint& endpoint);
  void start() override;
  void stop(int grace_seconds) override;
  Endpoint endpoint() const override { return bound_; }

 private:
  void run();
  void accept();
  void accepted(const ErrorCode& ec, Tcp::socket socket);
  void scheduleTick();
  void beginStop(int grace_seconds);
  void closeAll();
  void connectionGone();

  std::unique_ptr<TlsContext> tls_;
  std::shared_ptr<Home> home_;
  Tcp::acceptor acceptor_;
  asio::steady_timer tick_;
  asio::steady_timer grace_;
  Endpoint bound_;
  bool accepting_ = false;
  bool stopping_ = false;
  std::once_flag stopped_;
  std::thread thread_;
};

std::unexpected<Error> bindFailed(const Endpoint& endpoint, const ErrorCode& ec) {
  const auto where = endpoint.text();
  if (ec == asio::error::address_in_use)
    return fail("net.bind", fmt::format("{} is in use by another program (`ss -ltnp 'sport = :{}'` names it): stop it, or choose another "
                                        "address with --listen ADDRESS:PORT (port 0: any free one)",
                                        where, endpoint.port));
  if (ec == asio::error::access_denied)
    return fail(
        "net.bind",
        fmt::format(
            "{} may not be used by this user: ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher port with --listen",
            where));
  if (ec.value() == EADDRNOTAVAIL)
    return fail("net.bind", fmt::format("{} is no address of this machine (`ip -br address` lists them): choose one with --listen", where));
  return fail("net.bind", fmt::format("cannot listen on {}: {}; choose another address with --listen", where, ec.message()));
}

Result<void> Server::bind(const Endpoint& endpoint) {
  ErrorCode ec;
  const auto address = asio::ip::make_address(endpoint.address, ec);
  if (ec) return fail("net.bind", fmt::format("'{}' is not an IP address; give one with --listen ADDRESS:PORT", endpoint.address));
  const Tcp::endpoint wanted(address, endpoint.port);
  acceptor_.open(wanted.protocol(), ec);
  if (!ec) acceptor_.set_option(Tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(wanted, ec);
  if (!ec) acceptor_.listen(1024, ec);
  if (ec) return bindFailed(endpoint, ec);
  const auto real = acceptor_.local_endpoint(ec);
  if (ec) return bindFailed(endpoint, ec);
  bound_ = {endpoint.address, real.port()};
  return {};
}

void Server::start() {
  thread_ = std::thread([this] { run(); });
}

void Server::run() {
  // Signals belong to the main thread.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  pthread_setname_np(pthread_self(), "http");
  home_->setNetworkThread();
  home_->on_gone = [this] { connectionGone(); };
  accept();
  scheduleTick();
  home_->io.run();
}

// Above the limit nobody is accepted: the kernel's queue holds them until a connection closes.
void Server::accept() {
  if (accepting_ || stopping_ || home_->connections.size() >= home_->limits().connections) return;
  accepting_ = true;
  acceptor_.async_accept([this](const ErrorCode& ec, Tcp::socket socket) { accepted(ec, std::move(socket)); });
}

void Server::accepted(const ErrorCode& ec, Tcp::socket socket) {
  accepting_ = false;
  if (stopping_ || ec == asio::error::operation_aborted) return;
  if (ec) {
    // Mostly: no file descriptors left. The next tick tries again.
    log::warn("a connection could not be accepted", {{"error", ec.message()}, {"connections", home_->connections.size()}});
    return;
  }
  ErrorCode ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  const auto peer = socket.remote_endpoint(ignored);
  const auto remote = Endpoint{peer.address().to_string(), peer.port()}.text();
  auto stream = tls_ ? tls_->makeStream(std::move(socket)) : makeTcpStream(std::move(socket));
  const auto connection = std::make_shared<HttpConnection>(home_, std::move(stream), remote);
  home_->connections.insert(connection.get());
  connection->start();
  accept();
}

void Server::scheduleTick() {
  tick_.expires_after(kTick);
  tick_.async_wait([this](const ErrorCode& ec) {
    if (ec) return;
    const auto now = std::chrono::steady_clock::now();
    const auto all = std::vector<HttpConnection*>(home_->connections.begin(), home_->connections.end());
    for (auto* connection : all)
      if (home_->connections.contains(connection)) connection->tick(now);
    accept();
    scheduleTick();
  });
}

void Server::connectionGone() {
  if (!stopping_) return accept();
  if (home_->connections.empty()) home_->io.stop();
}

void Server::beginStop(int grace_seconds) {
  stopping_ = true;
  ErrorCode ignored;
  acceptor_.close(ignored);
  const auto all = std::vector<HttpConnection*>(home_->connections.begin(), home_->connections.end());
  for (auto* connection : all) connection->drain();
  if (home_->connections.empty()) return home_->io.stop();
  grace_.expires_after(std::chrono::seconds(grace_seconds));
  grace_.async_wait([this](const ErrorCode& ec) {
    if (!ec) closeAll();
  });
}

void Server::closeAll() {
  while (!home_->connections.empty()) (*home_->connections.begin())->close();
  home_->io.stop();
}

void Server::stop(int grace_seconds) {
  std::call_once(stopped_, [&] {
    if (thread_.joinable()) {
      asio::post(home_->io, [this, grace_seconds] { beginStop(grace_seconds); });
      thread_.join();
    } else {
      ErrorCode ignored;
      acceptor_.close(ignored);
    }
    home_->end();
    // What was posted but never run holds connections, which hold the home: run it out, or neither is ever freed.
    home_->on_gone = {};
    home_->io.restart();
    home_->setNetworkThread();
    tick_.cancel();
    grace_.cancel();
    home_->io.poll();
  });
}

}  // namespace

Result<std::unique_ptr<HttpServer>> listenHttp(const Endpoint& endpoint, Handler& handler, const HttpLimits& limits,
                                               const std::optional<TlsFiles>& tls) {
  std::unique_ptr<TlsContext> context;
  if (tls) { SP_TRY(context, makeTlsContext(*tls)); }
  auto server = std::make_unique<Server>(handler, limits, std::move(context));
  SP_CHECK_OK(server->bind(endpoint));
  return server;
}

}  // namespace sp::net
