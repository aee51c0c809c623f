// Where requests to the web go: who has sockets implements it (tasks/web_calls).
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/delivery/deliveries.h"

namespace sp::services::events {

using WebHeaders = std::vector<std::pair<std::string, std::string>>;

/// Holds secrets: never logged.
struct WebRequest {
  std::string method;
  std::string url;
  WebHeaders headers;
  std::string body;
  bool has_body = false;
  /// Of the answer the status and Retry-After count: whatever comes of its body, it is told once its status is known.
  bool status_only = false;
};

struct WebAnswer {
  int status = 0;
  /// Retry-After alone.
  WebHeaders headers;
  /// Its first 64 KiB; empty with `status_only`.
  std::string body;
};

/// First value of that name (case-insensitive); empty: there is none.
std::string_view headerOf(const WebHeaders& headers, std::string_view name);

class Web {
 public:
  /// Without an answer: a passing failure, TIMEOUT or CONNECTION_FAILURE.
  using Told = std::function<void(std::expected<WebAnswer, delivery::Failure>)>;
  virtual ~Web() = default;
  /// Within 5 seconds, as on AWS. `told` is called once, by any thread; not at all if the server stops before.
  virtual void send(WebRequest request, Told told) = 0;
};

}  // namespace sp::services::events
