// Hosts that enrolled by themselves: Stillpoint did not make them and has no power over them.
#include "base/log.h"
#include "model/power.h"
#include "services/ec2/instances.h"

namespace sp::services::ec2 {

Instance Instances::addEnrolled(store::Txn& txn, const std::string& hostname, std::map<std::string, std::string> tags) {
  Instance instance;
  instance.id = "i-" + context_.random.hex(17);
  instance.reservation_id = "r-" + context_.random.hex(17);
  instance.state = InstanceState::running;
  instance.tags = std::move(tags);
  instance.launched = instance.created = txn.now();
  // It has a life behind it.
  instance.reached_running = true;
  instance.hostname = hostname;
  instance.driver = kNoPower;
  save(txn, instance);
  return instance;
}

}  // namespace sp::services::ec2
