#include "fleet/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include <fmt/format.h>

namespace sp::fleet {
namespace {

constexpr int kBacklog = 4096;

std::string addressText(const sockaddr_storage& address, std::uint16_t& port) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  }
  return text;
}

std::string hostPort(std::string_view address, std::uint16_t port) {
  return address.contains(':') ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

}  // namespace

Result<BoundSocket> bindListener(const net::Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const auto port = std::to_string(endpoint.port);
  if (const int error = ::getaddrinfo(endpoint.address.c_str(), port.c_str(), &hints, &found); error != 0)
    return fail("net.bind", fmt::format("cannot listen for agents on {}: {}; give --agent-listen an address of this host",
                                        hostPort(endpoint.address, endpoint.port), ::gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  os::Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), kBacklog) != 0)
    return failErrno("net.bind",
                     fmt::format("cannot listen for agents on {} (free it, or choose another with --agent-listen)",
                                 hostPort(endpoint.address, endpoint.port)),
                     errno);
  sockaddr_storage real{};
  socklen_t size = sizeof real;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&real), &size) != 0)
    return failErrno("net.bind", "cannot tell the bound port", errno);
  BoundSocket bound{std::move(fd), endpoint};
  addressText(real, bound.endpoint.port);
  return bound;
}

std::string remoteAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "?";
  std::uint16_t port = 0;
  const auto text = addressText(address, port);
  return hostPort(text, port);
}

std::string dialAddress(const net::Endpoint& endpoint) {
  if (endpoint.address == "0.0.0.0") return hostPort("127.0.0.1", endpoint.port);
  if (endpoint.address == "::") return hostPort("::1", endpoint.port);
  return hostPort(endpoint.address, endpoint.port);
}

}  // namespace sp::fleet
