#include "agent/outbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

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
  frames_ += *frame;
  ::eventfd_write(wake_.get(), 1);
}

void Outbox::setOnline(bool online) {
  const std::lock_guard lock(mutex_);
  online_ = online;
  if (!online) frames_.clear();
}

std::string Outbox::take() {
  const std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  std::string out;
  out.swap(frames_);
  return out;
}

}  // namespace sp::agent
