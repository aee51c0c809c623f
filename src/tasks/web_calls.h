// Requests to API destinations and authorization endpoints, over net's client for the web.
#pragma once
#include "net/web_client.h"
#include "services/events/destinations/web.h"

namespace sp::tasks {

class WebCalls final : public services::events::Web {
 public:
  /// Outlives this. Whoever owns it stops it before the core.
  explicit WebCalls(net::WebClient& client) : client_(client) {}
  void send(services::events::WebRequest request, Told told) override;

 private:
  net::WebClient& client_;
};

}  // namespace sp::tasks
