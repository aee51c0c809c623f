// Live output below /_stream/ of the API port, signed for the service "stillpoint":
//
//   GET /_stream/commands/COMMAND/INSTANCE[?last=BYTES]     header Last-Event-ID: go on from there
//
// answers text/event-stream (services/ssm/output/feed.h). 404: no such invocation; 503: too many streams.
#pragma once
#include <memory>
#include <string>

#include "net/http.h"
#include "runtime/core.h"
#include "services/ssm/output/feed.h"

namespace sp::daemon {

class StreamFront {
 public:
  static constexpr std::string_view kPrefix = "/_stream/";
  /// Both outlive it.
  StreamFront(runtime::Core& core, services::ssm::OutputFeeds& feeds) : core_(core), feeds_(feeds) {}
  /// Of a request whose signature was verified. Network thread.
  std::unique_ptr<net::Exchange> begin(net::RequestHead head);

 private:
  runtime::Core& core_;
  services::ssm::OutputFeeds& feeds_;
};

}  // namespace sp::daemon
