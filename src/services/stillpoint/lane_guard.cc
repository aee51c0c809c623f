// Machines that wake themselves, because they have not heard of the server for longer than a lease.
#include <algorithm>

#include <fmt/format.h>

#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kTried = "the machine tried to wake itself";

}  // namespace

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
  // One of a freeze that a redriven lane no longer has.
  if (!before || !before->freeze || before->freeze->id != end.freeze) return;
  const bool paid = ledger_.guardEnded(txn, execution, end);
  auto lane = loadLane(txn, execution, end.instance);
  if (!lane) return;
  const auto why = end.message.empty() ? std::string() : ": " + end.message;
  const bool good = end.status == "Success";
  auto said = good ? fmt::format("the machine woke itself (command {}){}", end.command, why)
                   : fmt::format("{} (command {}, {}){}", kTried, end.command, end.details, why);
  if (lane->woken_why.empty()) lane->woken_why = end.message;
  // The first and the latest: it may try for weeks.
  const auto is_try = [](const std::string& warning) { return warning.starts_with(kTried); };
  if (!good && std::ranges::count_if(lane->warnings, is_try) > 1)
    lane->warnings.erase(std::find_if(lane->warnings.rbegin(), lane->warnings.rend(), is_try).base() - 1);
  lane->warnings.push_back(std::move(said));
  if (paid) {
    lane->post_command = end.command;
    // It may be told long after.
    if (end.ended) lane->thawed_at = std::max(*end.ended, lane->frozen_at.value_or(*end.ended));
  }
  saveLane(txn, *lane);
  // The lane's own thaw is answered with this one's success, whenever that comes.
  if (paid && lane->waits == "post") succeed(txn, std::move(*lane), "", {{"Status", end.status}, {"CommandId", end.command}});
  finaliser_.refresh(txn, execution);
}

}  // namespace sp::services::stillpoint
