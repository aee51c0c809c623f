// Machines that wake themselves, because they have not heard of the server for longer than a lease.
#include <fmt/format.h>

#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {

// From here on nothing of the machine is as its pre-script left it, however the command ends.
void Lanes::guardBegan(store::Txn& txn, std::string_view holder, const std::string& instance, std::string_view freeze_id,
                       const std::string& command) {
  const std::string execution(executionOf(holder));
  auto lane = loadLane(txn, execution, instance);
  if (!lane || !lane->freeze || lane->freeze->id != freeze_id) return;
  putLaneRef(txn, "cmd/" + command, {execution, instance, "guard"});
  if (lane->woken_by.empty()) lane->woken_by = command;
  saveLane(txn, *lane);
  if (lane->job_open) ports_.backups.woken(txn, lane->job, fmt::format("its own guard ran the post-script (command {}).", command));
}

void Lanes::guardEnded(store::Txn& txn, const std::string& execution, const ScriptEnd& end) {
  const auto before = loadLane(txn, execution, end.instance);
  if (!before || !before->freeze) return;
  const bool paid = ledger_.guardEnded(txn, execution, before->freeze->id, end);
  auto lane = loadLane(txn, execution, end.instance);
  if (!lane) return;
  const auto why = end.message.empty() ? std::string() : ": " + end.message;
  const bool good = end.status == "Success";
  lane->warnings.push_back(good ? fmt::format("the machine woke itself (command {}){}", end.command, why)
                                : fmt::format("the machine tried to wake itself (command {}, {}){}", end.command, end.details, why));
  if (paid) {
    lane->post_command = end.command;
    // It may be told long after.
    if (end.ended) lane->thawed_at = *end.ended;
  }
  saveLane(txn, *lane);
  // The lane's own thaw is answered with this one's success, whenever that comes.
  if (paid && lane->waits == "post") succeed(txn, std::move(*lane), "", {{"Status", end.status}, {"CommandId", end.command}});
  finaliser_.refresh(txn, execution);
}

}  // namespace sp::services::stillpoint
