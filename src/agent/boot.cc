#include "agent/boot.h"

#include "os/process.h"

namespace sp::agent {

json::Object thisBoot() { return {{"bootId", os::bootId()}, {"initStart", os::processStartTime(1)}}; }

bool isThisBoot(const json::Object& noted) {
  const auto init = static_cast<std::int64_t>(os::processStartTime(1));
  return json::textOr(noted, "bootId") == os::bootId() && json::intOr(noted, "initStart", init) == init;
}

}  // namespace sp::agent
