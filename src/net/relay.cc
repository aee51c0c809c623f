#include "net/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <list>
#include <mutex>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "net/dial.h"

namespace sp::net {
namespace {

constexpr auto kDialPatience = std::chrono::seconds(10);
constexpr std::size_t kBuffer = 64 * 1024;
constexpr int kBacklog = 16;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// One direction: what was read and is not written yet.
struct Flow {
  int from;
  int to;
  std::array<char, kBuffer> bytes{};
  std::size_t begin = 0;
  std::size_t end = 0;
  bool ended = false;

  bool empty() const { return begin == end; }
  short reads() const { return !ended && empty() ? POLLIN : 0; }
  short writes() const { return empty() ? 0 : POLLOUT; }
  /// False once the connection is broken.
  bool read() {
    const auto got = ::recv(from, bytes.data(), bytes.size(), 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    begin = 0;
    end = static_cast<std::size_t>(got);
    if (got > 0) return true;
    ended = true;
    ::shutdown(to, SHUT_WR);
    return true;
  }
  bool write() {
    const auto put = ::send(to, bytes.data() + begin, end - begin, MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    begin += static_cast<std::size_t>(put);
    return true;
  }
};

void quick(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/// Until both ends are through, one is broken, or `stop` is readable.
void pump(int client, int server, int stop) {
  const auto up = std::make_unique<Flow>(client, server);
  const auto down = std::make_unique<Flow>(server, client);
  while (!up->ended || !down->ended || !up->empty() || !down->empty()) {
    const auto at_client = static_cast<short>(up->reads() | down->writes());
    const auto at_server = static_cast<short>(down->reads() | up->writes());
    // One that nothing is wanted of is not watched: its hanging up would be told without an end.
    std::array<pollfd, 3> fds{pollfd{at_client != 0 ? client : -1, at_client, 0}, pollfd{at_server != 0 ? server : -1, at_server, 0},
                              pollfd{stop, POLLIN, 0}};
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[2].revents != 0) return;
    const auto ready = [](const pollfd& fd, short what) { return (fd.revents & (what | POLLERR | POLLHUP)) != 0; };
    if (up->reads() != 0 && ready(fds[0], POLLIN) && !up->read()) return;
    if (up->writes() != 0 && ready(fds[1], POLLOUT) && !up->write()) return;
    if (down->reads() != 0 && ready(fds[1], POLLIN) && !down->read()) return;
    if (down->writes() != 0 && ready(fds[0], POLLOUT) && !down->write()) return;
    // Gone in both directions, and nothing more can be asked of it.
    if ((fds[0].revents & POLLERR) != 0 || (fds[1].revents & POLLERR) != 0) return;
  }
}

class OwnRelay final : public Relay {
 public:
  OwnRelay(std::string host, std::uint16_t port, Descriptor listener, Descriptor stop)
      : host_(std::move(host)), port_(port), listener_(std::move(listener)), stop_(std::move(stop)) {
    acceptor_ = std::thread([this] { accept(); });
  }
  ~OwnRelay() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto told = ::write(stop_.get(), &one, sizeof one);
    acceptor_.join();
    for (auto& thread : connections_) thread.join();
  }
  std::string endpoint() const override { return endpointOf(listener_.get()); }

 private:
  void accept() {
    while (true) {
      std::array<pollfd, 2> fds{pollfd{listener_.get(), POLLIN, 0}, pollfd{stop_.get(), POLLIN, 0}};
      if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
      if (fds[1].revents != 0) return;
      const int client = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client < 0) continue;
      quick(client);
      connections_.emplace_back([this, client] { serve(Descriptor(client)); });
    }
  }
  void serve(Descriptor client) const {
    const auto dialled = dialTcp(host_, port_, std::chrono::steady_clock::now() + kDialPatience);
    if (!dialled) return;
    const Descriptor server(*dialled);
    quick(server.get());
    pump(client.get(), server.get(), stop_.get());
  }

  const std::string host_;
  const std::uint16_t port_;
  const Descriptor listener_;
  const Descriptor stop_;
  std::thread acceptor_;
  /// Filled by the acceptor, joined after it.
  std::list<std::thread> connections_;
};

}  // namespace

Result<int> Relay::listen() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (listener >= 0 && ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(listener, kBacklog) == 0)
    return listener;
  const int error = errno;
  if (listener >= 0) ::close(listener);
  return failErrno("net.listen", "cannot listen on the loopback", error);
}

std::string Relay::endpointOf(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  return fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
}

Result<std::unique_ptr<Relay>> Relay::start(int listener, std::string host, std::uint16_t port) {
  Descriptor owned(listener);
  Descriptor stop(::eventfd(0, EFD_CLOEXEC));
  if (stop.get() < 0) return failErrno("net.listen", "cannot make an event", errno);
  return std::make_unique<OwnRelay>(std::move(host), port, std::move(owned), std::move(stop));
}

}  // namespace sp::net
