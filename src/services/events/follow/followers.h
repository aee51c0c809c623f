// Who follows a bus: events of it as server-sent events, as they come. Nothing is kept for whoever is not there.
//
//   event: event     data: the event, as rules are given it
//   event: lost      data: {"events": 12}: so many had no room, because they were not read fast enough
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/json.h"
#include "schedule/pattern.h"

namespace sp::services::events {

class Follower {
 public:
  /// So many bytes wait for a reader; what comes on top of them is lost, and counted.
  static constexpr std::size_t kRoom = std::size_t{4} << 20U;

  Follower(std::string bus, std::optional<schedule::Pattern> pattern) : bus_(std::move(bus)), pattern_(std::move(pattern)) {}

  bool wants(std::string_view bus, const json::Object& event) const { return bus == bus_ && (!pattern_ || pattern_->matches(event)); }
  const std::string& bus() const { return bus_; }
  /// An event's JSON. Any thread.
  void offer(const std::shared_ptr<const std::string>& text);
  /// `ready` is called, by any thread, when read() may have more. Once.
  void onReady(std::function<void()> ready);
  /// At least one event if there is one, about `limit` bytes; empty: none now. One thread.
  std::string read(std::size_t limit);

 private:
  const std::string bus_;
  const std::optional<schedule::Pattern> pattern_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<const std::string>> waiting_;
  std::size_t bytes_ = 0;
  std::uint64_t lost_ = 0;
  std::function<void()> ready_;
};

/// All that follow. Core thread only.
class Followers {
 public:
  static constexpr std::size_t kMost = 64;
  /// Follows from the next commit on, until nobody holds what it gives. Error "feed.many": kMost follow.
  Result<std::shared_ptr<Follower>> follow(std::string bus, std::optional<schedule::Pattern> pattern);
  /// Whether anybody follows that bus.
  bool any(std::string_view bus) const;
  /// Those that want that event of that bus.
  std::vector<std::shared_ptr<Follower>> wanting(std::string_view bus, const json::Object& event) const;

 private:
  std::vector<std::weak_ptr<Follower>> open_;
};

}  // namespace sp::services::events
