#include "fleet/attempts.h"

#include <algorithm>

namespace sp::fleet {

void Attempts::forgetOld(std::deque<Duration>& failures) const {
  const auto now = clock_.boottime();
  while (!failures.empty() && now - failures.front() >= limits_.window) failures.pop_front();
}

Duration Attempts::wait(std::string_view address) {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(address);
  if (found == failures_.end()) return Duration::zero();
  forgetOld(found->second);
  if (found->second.empty()) failures_.erase(found);
  else if (found->second.size() >= limits_.failures) return limits_.window - (clock_.boottime() - found->second.front());
  return Duration::zero();
}

void Attempts::failed(std::string_view address) {
  const std::lock_guard lock(mutex_);
  if (failures_.size() >= limits_.addresses && !failures_.contains(address))
    failures_.erase(std::ranges::min_element(failures_, {}, [](const auto& entry) { return entry.second.back(); }));
  auto& failures = failures_[std::string(address)];
  failures.push_back(clock_.boottime());
  if (failures.size() > limits_.failures) failures.pop_front();
}

std::string_view addressPart(std::string_view remote) { return remote.substr(0, remote.rfind(':')); }

}  // namespace sp::fleet
