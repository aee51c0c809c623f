#include "runtime/waiters.h"

#include <utility>

namespace sp::runtime {

Waiters::Id Waiters::add(std::string topic, Instant until, Wake wake) {
  if (closed_) return 0;
  const auto id = ++last_;
  topics_[topic].emplace(id, until);
  times_.emplace(until, id);
  all_.emplace(id, Waiter{std::move(topic), until, std::move(wake)});
  return id;
}

Waiters::Wake Waiters::take(Id id) {
  const auto found = all_.find(id);
  if (found == all_.end()) return {};
  auto waiter = std::move(found->second);
  all_.erase(found);
  const auto topic = topics_.find(waiter.topic);
  topic->second.erase(id);
  if (topic->second.empty()) topics_.erase(topic);
  const auto [from, to] = times_.equal_range(waiter.until);
  for (auto at = from; at != to; ++at)
    if (at->second == id) {
      times_.erase(at);
      break;
    }
  return std::move(waiter.wake);
}

bool Waiters::remove(Id id) { return static_cast<bool>(take(id)); }

void Waiters::wake(Id id) {
  if (const auto wake = take(id)) wake();
}

void Waiters::ring(std::string_view topic) {
  const auto found = topics_.find(topic);
  if (found != topics_.end()) wake(found->second.begin()->first);
}

void Waiters::expire(Instant now) {
  while (!times_.empty() && times_.begin()->first <= now) wake(times_.begin()->second);
}

std::optional<Instant> Waiters::earliest() const { return times_.empty() ? std::nullopt : std::optional(times_.begin()->first); }

void Waiters::shift(Duration by) {
  times_.clear();
  for (auto& [id, waiter] : all_) {
    waiter.until += by;
    topics_[waiter.topic][id] = waiter.until;
    times_.emplace(waiter.until, id);
  }
}

void Waiters::close() {
  closed_ = true;
  while (!all_.empty()) wake(all_.begin()->first);
}

}  // namespace sp::runtime
