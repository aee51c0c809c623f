#include <arpa/inet.h>

#include <fmt/format.h>

#include "base/strings.h"
#include "net/http_server.h"

namespace sp::net {
namespace {

bool isAddress(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  return inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1;
}

std::unexpected<Error> wrongEndpoint(std::string_view text, std::string_view why) {
  return fail("net.endpoint", fmt::format("'{}' is not ADDRESS:PORT ({}); write for example 127.0.0.1:4747 or [::1]:0", text, why));
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrongEndpoint(text, "no port");
  auto address = text.substr(0, colon);
  const auto port = parseInt(text.substr(colon + 1));
  if (!port || *port < 0 || *port > 65535) return wrongEndpoint(text, "the port is not a number from 0 to 65535");
  const bool bracketed = address.size() >= 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  if (!bracketed && address.find(':') != std::string_view::npos) return wrongEndpoint(text, "an IPv6 address needs brackets");
  std::string name(address);
  if (name == "localhost") name = "127.0.0.1";
  if (!isAddress(name)) return wrongEndpoint(text, "the address is not an IPv4 or IPv6 address");
  return Endpoint{std::move(name), static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::text() const {
  return address.find(':') == std::string::npos ? fmt::format("{}:{}", address, port) : fmt::format("[{}]:{}", address, port);
}

bool Endpoint::isLoopback() const {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  return address == "::1" || address.starts_with("::ffff:127.");
}

}  // namespace sp::net
