#include "net/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include <gtest/gtest.h>

#include "base/strings.h"
#include "net/blocking_stream.h"

namespace sp::net {
namespace {

constexpr int kPatienceMs = 5'000;

Result<std::unique_ptr<Relay>> relayTo(const std::string& host, std::uint16_t port) {
  SP_TRY(const int listener, Relay::listen());
  return Relay::start(listener, host, port);
}

std::uint16_t portOf(const std::string& endpoint) {
  return static_cast<std::uint16_t>(*parseInt(std::string_view(endpoint).substr(endpoint.rfind(':') + 1)));
}

std::string readAll(BlockingStream& stream) {
  std::string all;
  std::array<char, 4096> bytes{};
  while (true) {
    const auto got = stream.read(bytes.data(), bytes.size(), kPatienceMs);
    if (!got || *got == 0) return all;
    all.append(bytes.data(), *got);
  }
}

TEST(Relay, ADeadServerEndsTheConnectionAndItsEndEndsAll) {
  // A relay to nowhere: its own port is free again once it has gone.
  std::uint16_t dead = 0;
  {
    const auto gone = relayTo("127.0.0.1", 9);
    ASSERT_TRUE(gone);
    dead = portOf((*gone)->endpoint());
  }
  const auto relay = relayTo("127.0.0.1", dead);
  ASSERT_TRUE(relay);
  auto client = connectBlocking("127.0.0.1", portOf((*relay)->endpoint()), std::nullopt, kPatienceMs);
  ASSERT_TRUE(client);
  EXPECT_EQ(readAll(**client), "");
}

/// Takes one connection, reads until its end, and says all of it back, twice.
class Parrot {
 public:
  Parrot() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Parrot() {
    thread_.join();
    ::close(listener_);
  }
  Parrot(const Parrot&) = delete;
  Parrot& operator=(const Parrot&) = delete;
  std::uint16_t port = 0;

 private:
  void serve() const {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    std::string heard;
    std::array<char, 4096> bytes{};
    for (auto got = ::recv(fd, bytes.data(), bytes.size(), 0); got > 0; got = ::recv(fd, bytes.data(), bytes.size(), 0))
      heard.append(bytes.data(), static_cast<std::size_t>(got));
    heard += heard;
    for (std::size_t at = 0; at < heard.size();) {
      const auto put = ::send(fd, heard.data() + at, heard.size() - at, MSG_NOSIGNAL);
      if (put <= 0) break;
      at += static_cast<std::size_t>(put);
    }
    ::close(fd);
  }
  int listener_;
  std::thread thread_;
};

TEST(Relay, AllBytesGoBothWaysAndEachEndIsPassedOn) {
  const Parrot parrot;
  const auto listener = Relay::listen();
  ASSERT_TRUE(listener) << listener.error().text();
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(portOf(Relay::endpointOf(*listener)));
  // Whoever comes before the relay waits for it.
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const auto relay = Relay::start(*listener, "localhost", parrot.port);
  ASSERT_TRUE(relay) << relay.error().text();
  EXPECT_EQ((*relay)->endpoint(), Relay::endpointOf(*listener));
  std::string said;
  for (int i = 0; said.size() < 3'000'000; ++i) said += std::to_string(i) + " ";
  for (std::size_t at = 0; at < said.size();) {
    const auto put = ::send(fd, said.data() + at, said.size() - at, MSG_NOSIGNAL);
    ASSERT_GT(put, 0);
    at += static_cast<std::size_t>(put);
  }
  ::shutdown(fd, SHUT_WR);
  std::string heard;
  std::array<char, 65536> bytes{};
  for (auto got = ::recv(fd, bytes.data(), bytes.size(), 0); got > 0; got = ::recv(fd, bytes.data(), bytes.size(), 0))
    heard.append(bytes.data(), static_cast<std::size_t>(got));
  ::close(fd);
  EXPECT_TRUE(heard == said + said) << heard.size();
}

}  // namespace
}  // namespace sp::net
