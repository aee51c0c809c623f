// What DescribeVolumes and the block device mappings of DescribeInstances show of a machine's disks.
//
// Stillpoint makes no disks. A volume is what is read of a machine that is stopped: a demo machine's file tree, or each path that an
// added machine was given. Its id is made of the machine's and the path, so that it is the same for as long as both are.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/instance.h"

namespace sp::services::ec2 {

/// A demo machine's tree, and EC2's rootDeviceName.
inline constexpr std::string_view kRootDevice = "/";

struct Volume {
  /// "vol-" and 17 hex digits.
  std::string id;
  /// The path.
  std::string device;
  std::string instance;
  Instant attached;
  /// Whether it goes with its machine: only what Stillpoint made does.
  bool ends_with_instance = false;
};

/// None of a terminated machine.
std::vector<Volume> volumesOf(const Instance& instance);
/// blockDeviceMapping of DescribeInstances and DescribeInstanceAttribute.
json::Array blockDeviceMapping(const Instance& instance);

}  // namespace sp::services::ec2
