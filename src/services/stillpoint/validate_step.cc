#include <fmt/format.h>

#include "services/stillpoint/lanes.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::string_view kNoTarget = "Stillpoint.NoTarget";

std::string detailsName(bool pre) {
  return pre ? "RemoteRunCommandDetails.PreBackupScriptDetails" : "RemoteRunCommandDetails.PostBackupScriptDetails";
}

Lane newLane(const Run& run, const std::string& instance, int index) {
  Lane lane;
  lane.execution = run.execution;
  lane.instance = instance;
  lane.index = index;
  return lane;
}

// A lane that never begins; it stands in the row all the same.
void closeLane(Lane& lane, Instant now) {
  lane.step = "done";
  lane.over = true;
  lane.over_at = now;
}

}  // namespace

// Everything that can be known before anything is touched.
void Lanes::validateInput(store::Txn& txn, const runtime::TaskRequest& request) {
  auto known = loadRun(txn, request.execution_arn);
  if (known && known->input && !known->failure) return plan(txn, *known, request.token);
  // Tried or redriven after a refusal, nothing was touched: it is looked at anew, and so are the targets.
  for (const auto& lane : loadLanes(txn, request.execution_arn)) eraseLane(txn, lane);
  Run run = known ? std::move(*known) : Run{};
  run.failure = {};
  run.execution = request.execution_arn;
  run.machine = request.machine_arn;
  const auto row = txn.executions().get(request.execution_arn);
  run.started = row ? row->started : txn.now();
  std::vector<Lane> lanes;
  const auto* input = request.parameters.is_object() ? json::find(request.parameters.get_object(), "Input") : nullptr;
  auto parsed = parseInput(input != nullptr ? *input : request.parameters);
  Result<void> checked;
  if (!parsed) {
    checked = std::unexpected(parsed.error());
  } else {
    run.input = std::move(*parsed);
    checked = resolveTargets(txn, run, lanes);
    if (checked) checked = checkReferences(txn, *run.input);
  }
  if (!checked) {
    // The run's own failure comes first in the row; bad targets keep theirs beside it.
    run.failure = {++run.failures, checked.error().code, "preflight", checked.error().message};
    for (auto& lane : lanes) closeLane(lane, txn.now());
  }
  for (const auto& lane : lanes) saveLane(txn, lane);
  saveRun(txn, run);
  if (!checked) return executions_->taskFailed(txn, request.token, checked.error().code, checked.error().message);
  plan(txn, run, request.token);
}

Result<void> Lanes::checkReferences(store::Txn& txn, const RunInput& input) {
  if (!input.rehearsal && !ports_.backups.vaultExists(txn, input.vault))
    return fail(
        "Stillpoint.VaultNotFound",
        fmt::format(
            "BackupDetails.BackupVaultName is \"{}\": there is no such vault (aws backup create-backup-vault --backup-vault-name {})",
            input.vault, input.vault));
  for (const bool pre : {true, false}) {
    const auto& script = pre ? input.pre : input.post;
    if (!script) continue;
    if (const auto checked = ports_.scripts.check(txn, *script); !checked)
      return fail("Stillpoint.InvalidInput", fmt::format("{}.{}", detailsName(pre), checked.error().message));
  }
  return {};
}

// Targets are resolved here, once: what is tagged or untagged later does not matter to this run.
Result<void> Lanes::resolveTargets(store::Txn& txn, Run& run, std::vector<Lane>& lanes) {
  const auto& input = *run.input;
  std::size_t good = 0;
  std::string first_bad;
  if (input.by_tag) {
    for (const auto& target : ports_.targets.byTag(txn, input.tag_key, input.tag_value)) {
      lanes.push_back(newLane(run, target.instance, static_cast<int>(lanes.size())));
      lanes.back().left_out = target.terminated;
      if (target.terminated) closeLane(lanes.back(), txn.now());
      else ++good;
    }
    if (good == 0)
      return fail(std::string(kNoTarget), fmt::format("TargetEC2TagKey \"{}\" with TargetEC2TagValue \"{}\" matches no machine{}",
                                                      input.tag_key, input.tag_value, lanes.empty() ? "" : " that is not terminated"));
    return {};
  }
  for (const auto& id : input.instances) {
    auto& lane = lanes.emplace_back(newLane(run, id, static_cast<int>(lanes.size())));
    const auto target = ports_.targets.find(txn, id);
    if (target && !target->terminated) {
      ++good;
      continue;
    }
    const auto why =
        target ? fmt::format("TargetEC2Instances: {} is terminated", id) : fmt::format("TargetEC2Instances: {} does not exist", id);
    if (first_bad.empty()) first_bad = why;
    lane.failure = {++run.failures, std::string(kNoTarget), "preflight", why};
    closeLane(lane, txn.now());
  }
  if (input.instances.empty()) return fail(std::string(kNoTarget), "TargetEC2Instances is []: there is no machine to back up");
  if (good == 0) return fail(std::string(kNoTarget), first_bad + ": there is no machine to back up");
  if (input.abort_on_bad_target && !first_bad.empty()) return fail(std::string(kNoTarget), first_bad + ", and OnBadTarget is \"abort\"");
  return {};
}

// The step's output: what the state machine needs to choose and to map over.
void Lanes::plan(store::Txn& txn, const Run& run, std::string_view token) {
  json::Array targets;
  for (const auto& lane : loadLanes(txn, run.execution)) {
    if (lane.over) continue;
    json::Object target;
    target["InstanceId"] = lane.instance;
    targets.emplace_back(std::move(target));
  }
  json::Object out;
  out["Path"] = run.input->path();
  out["RunPreBackupScript"] = run.input->pre.has_value();
  out["RunPostBackupScript"] = run.input->post.has_value();
  out["StartStopEC2Required"] = run.input->stop_start;
  if (run.input->rehearsal) out["Rehearsal"] = true;
  else out["BackupVaultName"] = run.input->vault;
  out["Targets"] = std::move(targets);
  executions_->taskSucceeded(txn, token, std::move(out));
}

}  // namespace sp::services::stillpoint
