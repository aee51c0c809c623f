// events: what happens on an event bus, as it happens.
#include <poll.h>

#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/event_stream.h"
#include "cli/views/event_words.h"
#include "cli/views/schedule_words.h"

namespace sp::cli {
namespace {

constexpr int kPauseMs = 200;
/// A server that restarts is waited for so long: 30 s.
constexpr int kTriesMax = 150;

class Follow {
 public:
  Follow(Api& api, const EventsOptions& options) : api_(api), options_(options) {}
  /// Until the server refuses, does not come back or the reader has gone.
  Error run();

 private:
  Result<void> take(const ServerEvent& event) const;

  Api& api_;
  const EventsOptions& options_;
};

Error Follow::run() {
  const auto path = fmt::format("/_stream/events?bus={}{}", percentEncode(options_.bus),
                                options_.pattern.empty() ? "" : "&pattern=" + percentEncode(options_.pattern));
  EventStream events;
  int tries = 0;
  bool followed = false;
  while (true) {
    events.reset();
    bool greeted = false;
    const auto streamed = api_.stream("stillpoint", path, "", [&](std::string_view bytes) {
      tries = 0;
      if (!std::exchange(greeted, true))
        fmt::print(stderr, "stillpoint: {} bus {}{}\n", followed ? "the server was away: following again" : "following", options_.bus,
                   followed ? "; what happened meanwhile is not shown" : "; what happened before is not shown");
      followed = true;
      return events.feed(bytes, [&](const ServerEvent& event) { return take(event); });
    });
    if (!streamed && !streamed.error().code.starts_with("net.")) return streamed.error();
    if (++tries > kTriesMax) return streamed ? Error{"cli.stream", "the server ended the stream", {}, nullptr} : streamed.error();
    ::poll(nullptr, 0, kPauseMs);
  }
}

Result<void> Follow::take(const ServerEvent& event) const {
  SP_TRY(const auto parsed, withContext(json::parse(event.data, 1010), "read an event"));
  if (!parsed.is_object()) return fail("cli.stream", "the server sent an event that is no object");
  const auto& data = parsed.get_object();
  if (event.event == "lost") {
    fmt::print(stderr, "stillpoint: {} events are missing here: they came faster than they were read\n", json::intOr(data, "events", 0));
  } else if (event.event == "event" && options_.json) {
    fmt::print("{}\n", event.data);
  } else if (event.event == "event") {
    const auto at = parseIso8601(json::textOr(data, "time"));
    fmt::print("{}  {}  {}  {}\n", at ? localIso8601(*at) : oneLine(json::textOr(data, "time")), oneLine(json::textOr(data, "source")),
               oneLine(json::textOr(data, "detail-type")), eventWords(data));
  }
  // Each event as it comes, into pipes too; a reader that has gone ends it.
  if (std::fflush(nullptr) != 0) return fail("cli.output", "cannot write what happens");
  return {};
}

}  // namespace

int eventsVerb(const Target& target, const EventsOptions& options) {
  if (!options.follow) {
    fmt::print(stderr, "stillpoint: cli.usage: events are not kept once they are delivered: give --follow to see those that come\n");
    return 2;
  }
  Api api(target);
  const auto error = Follow(api, options).run();
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return 1;
}

}  // namespace sp::cli
