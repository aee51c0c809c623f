#include "services/ec2/volumes.h"

#include <set>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/time_format.h"

namespace sp::services::ec2 {
namespace {

constexpr std::size_t kIdDigits = 17;

}  // namespace

std::vector<Volume> volumesOf(const Instance& instance) {
  std::vector<Volume> volumes;
  if (instance.state == InstanceState::terminated) return volumes;
  std::set<std::string, std::less<>> devices(instance.volumes.begin(), instance.volumes.end());
  if (instance.isMade()) devices = {std::string(kRootDevice)};
  for (const auto& device : devices) {
    Volume volume;
    volume.id = "vol-" + sha256Hex(fmt::format("{} {}", instance.id, device)).substr(0, kIdDigits);
    volume.device = device;
    volume.instance = instance.id;
    volume.attached = instance.created;
    volume.ends_with_instance = instance.isMade();
    volumes.push_back(std::move(volume));
  }
  return volumes;
}

json::Array blockDeviceMapping(const Instance& instance) {
  json::Array mapping;
  for (const auto& volume : volumesOf(instance))
    mapping.push_back(json::Object{{"deviceName", volume.device},
                                   {"ebs", json::Object{{"volumeId", volume.id},
                                                        {"status", "attached"},
                                                        {"attachTime", toIso8601Millis(volume.attached)},
                                                        {"deleteOnTermination", volume.ends_with_instance}}}});
  return mapping;
}

}  // namespace sp::services::ec2
