#include "services/stillpoint/targets_now.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/backup/shapes.h"
#include "services/backup/vaults.h"
#include "services/events/destinations/records.h"
#include "services/scheduler/targets.h"
#include "services/ssm/documents/library.h"
#include "services/states/machines.h"

namespace sp::services::stillpoint {
namespace {

using Machines = std::set<std::string>;
constexpr std::size_t kNamed = 3;

struct Meant {
  Machines machines;
  /// Asked for by id, and not there.
  std::vector<std::string> gone;
};

class Look {
 public:
  Look(const Ports& ports, store::Txn& txn) : ports_(ports), txn_(txn) {}

  Meant byId(const json::Value& ids) const {
    Meant out;
    if (!ids.is_array()) return out;
    for (const auto& id : ids.get_array()) {
      if (!id.is_string()) continue;
      auto name = json::toStd(id.get_string());
      const auto found = ports_.targets.find(txn_, name);
      if (found && !found->terminated) out.machines.insert(found->instance);
      else out.gone.push_back(std::move(name));
    }
    return out;
  }

  Machines byTag(const std::string& key, const std::string& value) const {
    Machines out;
    for (const auto& target : ports_.targets.byTag(txn_, key, value))
      if (!target.terminated) out.insert(target.instance);
    return out;
  }

  // Run Command's Targets: a machine is meant if each of them names it.
  Meant byTargets(const json::Array& targets) const {
    Meant out;
    bool first = true;
    for (const auto& one : targets) {
      if (!one.is_object()) continue;
      const auto key = json::textOr(one.get_object(), "Key");
      const auto* values = json::find(one.get_object(), "Values");
      if (values == nullptr || !values->is_array()) continue;
      Meant these;
      if (key == "InstanceIds") these = byId(*values);
      else if (key.starts_with("tag:"))
        for (const auto& value : values->get_array())
          if (value.is_string()) these.machines.merge(byTag(key.substr(4), json::toStd(value.get_string())));
      std::ranges::move(these.gone, std::back_inserter(out.gone));
      Machines both;
      if (first) both = std::move(these.machines);
      else std::ranges::set_intersection(out.machines, these.machines, std::inserter(both, both.end()));
      out.machines = std::move(both);
      first = false;
    }
    return out;
  }

 private:
  const Ports& ports_;
  store::Txn& txn_;
};

// nullopt: nothing in it says which machines are meant.
std::optional<Meant> meantBy(const Look& look, const json::Object& target, const json::Object& input) {
  if (const auto* command = json::find(target, "RunCommandParameters"); command != nullptr && command->is_object()) {
    const auto* list = json::find(command->get_object(), "RunCommandTargets");
    if (list == nullptr || !list->is_array()) return std::nullopt;
    return look.byTargets(list->get_array());
  }
  // PrePostBackup and copies of it, calls of Run Command and of EC2.
  if (const auto key = json::textOr(input, "TargetEC2TagKey"); !key.empty())
    return Meant{look.byTag(key, json::textOr(input, "TargetEC2TagValue")), {}};
  for (const auto* member : {"TargetEC2Instances", "InstanceIds"})
    if (const auto* ids = json::find(input, member)) return look.byId(*ids);
  if (const auto* targets = json::find(input, "Targets"); targets != nullptr && targets->is_array())
    return look.byTargets(targets->get_array());
  return std::nullopt;
}

std::string absent(std::string_view kind, std::string_view name) {
  return fmt::format("{} {} does not exist: the next run fails", kind, name);
}

std::string missingDestination(store::Txn& txn, const std::string& arn) {
  const auto destination = events::destinationOf(txn, arn);
  if (!destination) return absent("API destination", events::nameIn(arn, "api-destination"));
  const auto connection = json::textOr(*destination, "ConnectionArn");
  return events::connectionOf(txn, connection) ? "" : absent("connection", events::nameIn(connection, "connection"));
}

// What the ARN names and is not there.
std::string missingTarget(store::Txn& txn, const Realm& realm, const std::string& text) {
  const auto arn = Arn::parse(text);
  if (!arn || scheduler::sdkTargetOf(text)) return {};
  const std::string_view resource(arn->resource);
  constexpr std::string_view kMachine = "stateMachine:";
  if (arn->service == "states" && resource.starts_with(kMachine)) {
    const auto name = resource.substr(kMachine.size());
    return states::isThere(txn, name) ? "" : absent("state machine", name);
  }
  if (arn->service == "events" && resource.starts_with("api-destination/")) return missingDestination(txn, text);
  if (arn->service == "events") {
    const auto bus = events::busNameOf(realm, text);
    return txn.records().get(events::kBus, bus) ? "" : absent("event bus", bus);
  }
  constexpr std::string_view kDocument = "document/";
  if (arn->service == "ssm" && resource.starts_with(kDocument)) {
    const auto name = resource.substr(kDocument.size());
    return ssm::findDocument(txn, name, "") ? "" : absent("document", name);
  }
  return {};
}

// The vault that a run of PrePostBackup, or a call of StartBackupJob, would write into.
std::string vaultOf(const json::Object& input) {
  const auto* details = json::find(input, "BackupDetails");
  return json::textOr(details != nullptr && details->is_object() ? details->get_object() : input, "BackupVaultName");
}

std::string machinesProblem(const json::Object& target, const json::Object& input, const Meant& meant) {
  if (!meant.gone.empty()) {
    const bool one = meant.gone.size() == 1;
    const auto shown = std::min(kNamed, meant.gone.size());
    const auto more = meant.gone.size() - shown;
    // A run goes on with its other machines; a call or a command that names one too many is refused.
    const bool others = input.contains("TargetEC2Instances") && !meant.machines.empty();
    return fmt::format("{}{} {} not exist: the next run fails{}",
                       join({meant.gone.begin(), meant.gone.begin() + static_cast<std::ptrdiff_t>(shown)}, ", "),
                       more == 0 ? "" : fmt::format(" and {} more", more), one ? "does" : "do",
                       others ? (one ? " for it" : " for them") : "");
  }
  if (!meant.machines.empty()) return {};
  const bool command = target.contains("RunCommandParameters") || input.contains("Targets");
  return command ? "no machine has what its targets ask for now: the next run does nothing"
                 : "no machine has what its input asks for now: the next run fails";
}

}  // namespace

std::string joinProblems(const std::vector<std::string>& problems) {
  std::vector<std::string> some;
  std::ranges::copy_if(problems, std::back_inserter(some), [](const std::string& problem) { return !problem.empty(); });
  return join(some, "; ");
}

std::string missingVault(backup::Backup& backup, store::Txn& txn, const std::string& name) {
  return backup.vaults().find(txn, name) ? "" : absent("vault", name);
}

TargetNow targetNow(const Ports& ports, backup::Backup& backup, store::Txn& txn, const Realm& realm, const json::Object& target) {
  TargetNow out;
  const auto arn = json::textOr(target, "Arn");
  std::vector<std::string> problems{missingTarget(txn, realm, arn)};
  const auto parsed = json::parse(json::textOr(target, "Input"));
  const auto input = parsed && parsed->is_object() ? parsed->get_object() : json::Object();
  if (const auto meant = meantBy(Look(ports, txn), target, input)) {
    out.machines = meant->machines;
    problems.push_back(machinesProblem(target, input, *meant));
  }
  if (const auto vault = vaultOf(input); !vault.empty()) problems.push_back(missingVault(backup, txn, vault));
  if (const auto machine = backup::instanceOfArn(json::textOr(input, "ResourceArn"), realm)) {
    auto meant = Look(ports, txn).byId(json::Array{json::Value(*machine)});
    problems.push_back(machinesProblem(target, input, meant));
    out.machines = std::move(meant.machines);
  }
  out.problem = joinProblems(problems);
  return out;
}

}  // namespace sp::services::stillpoint
