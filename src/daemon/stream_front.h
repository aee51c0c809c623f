// Live output below /_stream/ of the API port, signed for the service "stillpoint":
//
//   GET /_stream/commands/COMMAND/INSTANCE[?last=BYTES]     header Last-Event-ID: go on from there
//   GET /_stream/events[?bus=NAME][&pattern=PATTERN]        what happens on an event bus from now on
//
// answers text/event-stream (services/ssm/output/feed.h, services/events/follow/followers.h). 400: no pattern of EventBridge; 404: no such
// invocation or bus; 503: too many streams.
#pragma once
#include <memory>
#include <string>

#include "net/http.h"
#include "runtime/core.h"
#include "services/events/events.h"
#include "services/ssm/output/feed.h"

namespace sp::daemon {

class StreamFront {
 public:
  static constexpr std::string_view kPrefix = "/_stream/";
  /// All outlive it.
  StreamFront(runtime::Core& core, services::ssm::OutputFeeds& feeds, services::events::Events& events)
      : core_(core), feeds_(feeds), events_(events) {}
  /// Of a request whose signature was verified. Network thread.
  std::unique_ptr<net::Exchange> begin(net::RequestHead head);

 private:
  runtime::Core& core_;
  services::ssm::OutputFeeds& feeds_;
  services::events::Events& events_;
};

}  // namespace sp::daemon
