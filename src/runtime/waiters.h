// Who waits for something to happen that no record tells: long polls. Nothing of it is durable, a restart ends them.
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace sp::runtime {

/// Core thread only.
class Waiters {
 public:
  using Id = std::uint64_t;
  using Wake = std::function<void()>;

  /// `wake` is called once, when `topic` rings, at `until` or when all are let go; never from within add(). 0: everybody is
  /// being let go, nobody may wait any more.
  Id add(std::string topic, Instant until, Wake wake);
  /// Forgets it without a call; false if it was called already.
  bool remove(Id id);
  /// Wakes the one that has waited longest for the topic, at once.
  void ring(std::string_view topic);
  /// Wakes one out of turn.
  void wake(Id id);
  /// Wakes those whose time is over.
  void expire(Instant now);
  std::optional<Instant> earliest() const;
  /// The clock was set by so much: who waits for a while waits for the same while.
  void shift(Duration by);
  /// The server stops: wakes all, admits no more.
  void close();
  bool closed() const { return closed_; }

 private:
  struct Waiter {
    std::string topic;
    Instant until;
    Wake wake;
  };
  Wake take(Id id);

  Id last_ = 0;
  bool closed_ = false;
  /// By id: who came first has the lower one.
  std::map<Id, Waiter> all_;
  std::map<std::string, std::map<Id, Instant>, std::less<>> topics_;
  std::multimap<Instant, Id> times_;
};

}  // namespace sp::runtime
