// Requests to API destinations and authorization endpoints, over net's client for the web.
#pragma once
#include <memory>
#include <string>

#include "net/web_client.h"
#include "services/events/destinations/web.h"

namespace sp::tasks {

class WebCalls final : public services::events::Web {
 public:
  /// `ca_file`: PEM, authorities beside the system's; empty: none.
  explicit WebCalls(std::string ca_file) : client_(net::WebClient::make(std::move(ca_file))) {}

  void send(services::events::WebRequest request, Told told) override;
  /// Nobody is told any more; before the core stops.
  void stop() { client_->stop(); }

 private:
  std::unique_ptr<net::WebClient> client_;
};

}  // namespace sp::tasks
