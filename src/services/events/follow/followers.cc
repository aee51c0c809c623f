#include "services/events/follow/followers.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sp::services::events {

void Follower::offer(const std::shared_ptr<const std::string>& text) {
  std::function<void()> ready;
  {
    const std::lock_guard lock(mutex_);
    // Once one is lost all are until it was told, so that it is told where it happened.
    if (lost_ > 0 || bytes_ + text->size() > kRoom) {
      ++lost_;
      return;
    }
    bytes_ += text->size();
    waiting_.push_back(text);
    ready = ready_;
  }
  if (ready) ready();
}

void Follower::onReady(std::function<void()> ready) {
  const std::lock_guard lock(mutex_);
  ready_ = std::move(ready);
}

std::string Follower::read(std::size_t limit) {
  std::string out;
  const std::lock_guard lock(mutex_);
  while (!waiting_.empty() && out.size() < limit) {
    out.append("event: event\ndata: ").append(*waiting_.front()).append("\n\n");
    bytes_ -= waiting_.front()->size();
    waiting_.pop_front();
  }
  if (waiting_.empty() && lost_ > 0) out += fmt::format("event: lost\ndata: {{\"events\":{}}}\n\n", std::exchange(lost_, 0));
  return out;
}

Result<std::shared_ptr<Follower>> Followers::follow(std::string bus, std::optional<schedule::Pattern> pattern) {
  std::erase_if(open_, [](const auto& each) { return each.expired(); });
  if (open_.size() >= kMost) return fail("feed.many", fmt::format("{} follow events, and no more may: end one first", kMost));
  auto follower = std::make_shared<Follower>(std::move(bus), std::move(pattern));
  open_.push_back(follower);
  return follower;
}

bool Followers::any(std::string_view bus) const {
  return std::ranges::any_of(open_, [&](const auto& each) {
    const auto follower = each.lock();
    return follower && follower->bus() == bus;
  });
}

std::vector<std::shared_ptr<Follower>> Followers::wanting(std::string_view bus, const json::Object& event) const {
  std::vector<std::shared_ptr<Follower>> found;
  for (const auto& each : open_)
    if (auto follower = each.lock(); follower && follower->wants(bus, event)) found.push_back(std::move(follower));
  return found;
}

}  // namespace sp::services::events
