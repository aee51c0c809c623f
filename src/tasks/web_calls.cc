#include "tasks/web_calls.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::tasks {
namespace {

using services::delivery::Failure;
using services::events::WebAnswer;

// As on AWS: for the whole call.
constexpr int kTimeoutMs = 5'000;

Failure failureOf(const Error& error) {
  if (error.code == "net.timeout") return {"TIMEOUT", fmt::format("There was no answer within {} seconds.", kTimeoutMs / 1000), true};
  return {"CONNECTION_FAILURE", error.message, true};
}

}  // namespace

void WebCalls::send(services::events::WebRequest request, Told told) {
  net::WebRequest out;
  out.method = std::move(request.method);
  out.url = std::move(request.url);
  for (auto& [name, value] : request.headers) out.headers.push_back({std::move(name), std::move(value)});
  out.body = std::move(request.body);
  out.has_body = request.has_body;
  out.status_only = request.status_only;
  out.timeout_ms = kTimeoutMs;
  client_.send(std::move(out), [told = std::move(told)](Result<net::Response> response) {
    if (!response) return told(std::unexpected(failureOf(response.error())));
    WebAnswer answer{response->status, {}, std::move(response->body)};
    for (auto& header : response->headers)
      if (equalsIgnoreCase(header.name, "Retry-After")) answer.headers.emplace_back(std::move(header.name), std::move(header.value));
    told(std::move(answer));
  });
}

}  // namespace sp::tasks
