#include "agent/outbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "agentwire/messages.h"
#include "base/log.h"

namespace sp::agent {

Outbox::Outbox() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void Outbox::send(const json::Object& message) {
  const auto frame = agentwire::frame(message);
  if (!frame) {
    log::error("message not sent", {{"type", json::textOr(message, "type")}, {"why", frame.error().text()}});
    return;
  }
  const std::lock_guard lock(mutex_);
  if (!online_) return;
  const auto type = json::textOr(message, "type");
  const auto id = json::textOr(message, "id");
  if (type == agentwire::kAccepted) {
    held_.push_back({id, *frame, std::chrono::steady_clock::now() + kHeld});
  } else {
    if (const auto held = std::ranges::find(held_, id, &Held::id); !id.empty() && held != held_.end()) {
      if (!agentwire::isAnswer(type)) frames_ += held->frame;
      held_.erase(held);
    }
    frames_ += *frame;
  }
  ::eventfd_write(wake_.get(), 1);
}

void Outbox::setOnline(bool online) {
  const std::lock_guard lock(mutex_);
  online_ = online;
  if (online) return;
  frames_.clear();
  held_.clear();
}

std::string Outbox::take() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  std::string out;
  out.swap(frames_);
  for (const auto now = std::chrono::steady_clock::now(); !held_.empty() && held_.front().due <= now; held_.pop_front())
    out += held_.front().frame;
  return out;
}

std::optional<std::chrono::milliseconds> Outbox::untilDue() {
  const std::lock_guard lock(mutex_);
  if (held_.empty()) return std::nullopt;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(held_.front().due - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

}  // namespace sp::agent
