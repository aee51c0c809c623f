#include "services/stillpoint/adapters.h"

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "base/strings.h"
#include "services/backup/places.h"
#include "services/backup/plans/plans.h"
#include "services/backup/table.h"
#include "services/dynamodb/items.h"
#include "services/ssm/agent_info.h"
#include "services/stillpoint/records.h"

namespace sp::services::stillpoint {
namespace {

/// Stands for the machines that a script is going to be sent to.
constexpr std::string_view kAnyInstance = "i-00000000000000000";
/// Of what is wrong with a script.
constexpr std::size_t kShown = 600;

json::Array listOf(std::string text) {
  json::Array list;
  list.emplace_back(std::move(text));
  return list;
}

class OwnScripts final : public Scripts {
 public:
  OwnScripts(ssm::Commands& commands, s3::Objects& objects) : commands_(commands), objects_(objects) {}

  Answer<std::string> send(store::Txn& txn, const ScriptOrder& order) override {
    auto sent = commands_.send(txn, wholeSpecOf(order));
    if (!sent) return std::unexpected(std::move(sent.error()));
    // Its end was told within the call, when nobody could know of it yet: who waited for it would wait for ever.
    if (sent->hasEnded()) {
      const auto ended = commands_.invocation(txn, sent->id, order.instance);
      return aws::refuse(sent->details, fmt::format("command {} ended as {} before it was sent to the machine{}{}", sent->id, sent->details,
                                                    ended && !ended->message.empty() ? ": " : "", ended ? ended->message : ""));
    }
    return sent->id;
  }

  Answer<std::string> promise(store::Txn& txn, const ScriptOrder& order) override { return commands_.promise(txn, wholeSpecOf(order)); }
  void forget(store::Txn& txn, const std::string& promise) override { commands_.forgetPromise(txn, promise); }

  static ssm::SendSpec wholeSpecOf(const ScriptOrder& order) {
    auto spec = specOf(order);
    spec.by = order.by;
    spec.freeze = order.freeze;
    spec.environment = order.environment;
    spec.promise = order.promise;
    return spec;
  }

  static ssm::SendSpec specOf(const ScriptOrder& order) {
    const auto& script = order.script;
    json::Object source;
    source["path"] = script.source;
    json::Object parameters;
    parameters["sourceType"] = listOf("S3");
    parameters["sourceInfo"] = listOf(json::toText(source));
    parameters["commandLine"] = listOf(script.command);
    parameters["workingDirectory"] = listOf(script.working_directory);
    parameters["executionTimeout"] = listOf(std::to_string(script.execution_timeout_seconds));
    ssm::SendSpec spec;
    spec.input["DocumentName"] = "AWS-RunRemoteScript";
    spec.input["DocumentVersion"] = "1";
    spec.input["InstanceIds"] = listOf(order.instance);
    spec.input["TimeoutSeconds"] = script.timeout_seconds;
    spec.input["Comment"] = order.comment;
    spec.input["Parameters"] = std::move(parameters);
    if (!script.output_bucket.empty()) spec.input["OutputS3BucketName"] = script.output_bucket;
    if (!script.output_prefix.empty()) spec.input["OutputS3KeyPrefix"] = script.output_prefix;
    return spec;
  }

  void cancel(store::Txn& txn, const std::string& command, const std::string& instance) override {
    [[maybe_unused]] const auto asked = commands_.cancel(txn, command, {instance});
  }

  Answer<void> check(store::Txn& txn, const Script& script) override {
    const auto source = document::parseS3Url(script.source);
    if (!source) return aws::refuse("InvalidParameters", fmt::format("SourceS3Path is \"{}\": {}", script.source, source.error().message));
    if (!objects_.bucketExists(txn, source->bucket))
      return aws::refuse("NoSuchBucket", fmt::format("SourceS3Path is \"{}\": there is no bucket {}", script.source, source->bucket));
    // An object of that key, or a folder of them.
    const auto folder = source->key.empty() || source->key.ends_with('/') ? source->key : source->key + "/";
    const auto below = objects_.list(txn, source->bucket, folder, "", 1);
    if (!objects_.get(txn, source->bucket, source->key) && (!below || below->empty()))
      return aws::refuse("NoSuchKey",
                         fmt::format("SourceS3Path is \"{}\": bucket {} has no object {}", script.source, source->bucket, source->key));
    if (!script.output_bucket.empty() && !objects_.bucketExists(txn, script.output_bucket))
      return aws::refuse("NoSuchBucket", fmt::format("OutputS3BucketName is \"{}\": there is no such bucket", script.output_bucket));
    // Whatever else SendCommand refuses: a post-script that could never be sent would leave its machine frozen.
    ScriptOrder order;
    order.instance = kAnyInstance;
    order.script = script;
    if (auto sendable = commands_.check(txn, specOf(order).input); !sendable)
      return aws::refuse(sendable.error().code,
                         fmt::format("CommandToRun could not be sent to a machine: {}", cutText(sendable.error().message, kShown)));
    return {};
  }

 private:
  ssm::Commands& commands_;
  s3::Objects& objects_;
};

class OwnPower final : public Power {
 public:
  OwnPower(ec2::Instances& instances, runtime::AgentPort& agents) : instances_(instances), agents_(agents) {}

  void look(store::Txn& txn, const std::string& instance) override { instances_.checkPower(txn, instance); }

  Fitness fitness(store::Txn& txn, const std::string& id, bool stops) override {
    const auto found = instances_.find(txn, id);
    if (!found) return {};
    const auto& instance = *found;
    if (instance.state == InstanceState::running && !instance.power_request.empty())
      return {true, "it is being rebooted", "Stillpoint.NoTarget"};
    const bool off = instance.state == InstanceState::stopped || instance.state == InstanceState::stopping;
    if (stops && !off && instance.stop_protected && instance.driver != "none")
      return {false,
              fmt::format("its stop protection is on (attribute disableApiStop): switch it off with `aws ec2 modify-instance-attribute "
                          "--instance-id {} --no-disable-api-stop`, or run without StartStopEC2Required",
                          id),
              "Stillpoint.StopFailed"};
    if (instance.isMade()) return {};
    if (instance.driver == "none") {
      if (!stops) return {};
      return {
          false,
          fmt::format(
              "it has no power driver: it cannot be stopped and started; give it one with `stillpoint instance power {} --driver …`", id),
          "Stillpoint.StopFailed"};
    }
    const bool read_outside = stops || instance.state == InstanceState::stopped;
    if (!read_outside && instance.power_known) return {};
    const auto holder = fmt::format("the agent '{}', which holds its power driver, ", instance.held_by);
    const std::string error = stops ? "Stillpoint.StopFailed" : "Stillpoint.NoTarget";
    if (!agents_.connected(instance.held_by)) return {true, holder + "is not connected", error};
    if (!instance.check_request.empty()) return {true, holder + "has not answered whether the driver works", error};
    if (!instance.power_error.empty()) return {false, "its power driver does not work: " + instance.power_error, error};
    if (instance.volumes.empty())
      return {false,
              fmt::format(
                  "stopped, it cannot be read: no volumes are known on the host of agent '{}'; name them with `stillpoint instance power "
                  "{} --volume PATH`",
                  instance.held_by, id),
              "Stillpoint.BackupFailed"};
    return {};
  }

  quiesce::Machine state(store::Txn& txn, const std::string& instance) override {
    const auto found = instances_.find(txn, instance);
    if (!found) return quiesce::Machine::gone;
    switch (found->state) {
      case InstanceState::pending: return quiesce::Machine::pending;
      case InstanceState::running: return quiesce::Machine::running;
      case InstanceState::stopping: return quiesce::Machine::stopping;
      case InstanceState::stopped: return quiesce::Machine::stopped;
      case InstanceState::shuttingDown:
      case InstanceState::terminated: return quiesce::Machine::gone;
    }
    return quiesce::Machine::gone;
  }

  Answer<void> start(store::Txn& txn, const std::string& instance, const std::string& by) override {
    return told(instances_.start(txn, instance, by));
  }
  Answer<void> stop(store::Txn& txn, const std::string& instance, const std::string& by, std::chrono::milliseconds lease) override {
    return told(instances_.stop(txn, instance, false, by, lease));
  }
  void renewStart(store::Txn& txn, const std::string& instance, std::optional<std::chrono::milliseconds> lease) override {
    const json::Object message{{"type", agentwire::kLease}, {"start", instance}, {"leaseMs", lease ? lease->count() : -1}};
    agents_.tell(txn, holder(txn, instance), message);
  }
  std::string holder(store::Txn& txn, const std::string& instance) override {
    const auto found = instances_.find(txn, instance);
    return found ? found->held_by : std::string();
  }

 private:
  static Answer<void> told(ec2::Instances::Outcome outcome) {
    if (!outcome) return std::unexpected(std::move(outcome.error()));
    return {};
  }
  ec2::Instances& instances_;
  runtime::AgentPort& agents_;
};

class OwnBackups final : public Backups {
 public:
  OwnBackups(backup::Jobs& jobs, backup::Places& places, const Realm& realm) : jobs_(jobs), places_(places), realm_(realm) {}

  bool vaultExists(store::Txn& txn, const std::string& vault) override { return txn.records().get(backup::kVaultKind, vault).has_value(); }
  void prepare(store::Txn& txn, const std::string& vault, const std::string& instance) override { jobs_.prepare(txn, vault, instance); }

  RepositoryState repository(store::Txn& txn, const std::string& vault, const std::string& instance) override {
    const auto body = txn.records().get(backup::kRepositoryKind, vault + "/" + instance);
    const auto parsed = body ? json::parse(*body) : Result<json::Value>(json::Value());
    const auto state = parsed && parsed->is_object() ? json::textOr(parsed->get_object(), "state") : std::string();
    if (state == "ready") return RepositoryState::ready;
    if (state == "creating") return RepositoryState::making;
    return state == "maintenance" ? RepositoryState::maintained : RepositoryState::unusable;
  }
  bool takePlace(store::Txn& txn, const std::string& execution, const std::string& instance) override {
    return places_.take(txn, execution, placeOf(execution, instance));
  }
  void leavePlace(store::Txn& txn, const std::string& execution, const std::string& instance) override {
    places_.leave(txn, placeOf(execution, instance));
  }
  void leaveTurns(store::Txn& txn, const std::string& execution) override { places_.leaveTurns(txn, execution); }

  Answer<std::string> start(store::Txn& txn, const BackupOrder& order) override {
    auto job = jobs_.start(txn, specOf(order));
    if (!job) return std::unexpected(std::move(job.error()));
    return job->id;
  }

  std::string expire(store::Txn& txn, const BackupOrder& order, const std::string& why) override {
    if (backup::planOfRun(txn, executionOf(order.by)).empty()) return {};
    auto spec = specOf(order);
    spec.since = order.since;
    const auto job = jobs_.expire(txn, spec, why);
    return job ? job->id : std::string();
  }

  void stop(store::Txn& txn, const std::string& job) override { [[maybe_unused]] const auto asked = jobs_.stop(txn, job); }
  void woken(store::Txn& txn, const std::string& job, const std::string& why) override { jobs_.woken(txn, job, why); }

  std::optional<JobView> find(store::Txn& txn, const std::string& job) override {
    const auto found = jobs_.find(txn, job);
    if (!found) return std::nullopt;
    return viewOf(*found, realm_);
  }

 private:
  backup::StartSpec specOf(const BackupOrder& order) const {
    backup::StartSpec spec;
    spec.vault = order.vault;
    spec.resource_arn = realm_.arn("ec2", "instance/" + order.instance);
    spec.role_arn = order.role;
    spec.by = order.by;
    spec.needs_stopped = order.stopped;
    spec.delete_after_days = order.delete_after_days;
    spec.recovery_point_tags = order.point_tags;
    // A job has an hour at least, and its windows one order.
    if (order.start_window > 0) spec.start_window_minutes = std::max(backup::kStartWindowLeast, order.start_window);
    if (order.completion_window > 0) {
      spec.complete_window_minutes = order.completion_window;
      spec.start_window_minutes = std::min(order.completion_window, spec.start_window_minutes.value_or(order.completion_window));
    }
    spec.boot = order.boot;
    spec.freeze = order.freeze;
    spec.options["StallTimeoutInSeconds"] = std::to_string(order.stall_timeout_seconds);
    return spec;
  }
  backup::Jobs& jobs_;
  backup::Places& places_;
  const Realm& realm_;
};

class OwnTargets final : public Targets {
 public:
  OwnTargets(ec2::Instances& instances, runtime::AgentPort& agents) : instances_(instances), agents_(agents) {}

  std::optional<Target> find(store::Txn& txn, const std::string& instance) override {
    const auto found = instances_.find(txn, instance);
    if (!found) return std::nullopt;
    return Target{found->id, found->isGone()};
  }

  std::vector<Target> byTag(store::Txn& txn, const std::string& key, const std::string& value) override {
    std::vector<Target> targets;
    for (const auto& instance : instances_.all(txn)) {
      const auto tag = instance.tags.find(key);
      if (tag != instance.tags.end() && tag->second == value) targets.push_back({instance.id, instance.isGone()});
    }
    return targets;
  }

  bool agentOnline(const std::string& instance) override { return agents_.connected(instance); }

  std::string boot(store::Txn& txn, const std::string& instance) override {
    const auto agent = ssm::findAgentInfo(txn, instance);
    return agent ? agent->boot : std::string();
  }

  void renewFreeze(store::Txn& txn, const std::string& instance, const std::string& freeze, std::chrono::milliseconds lease) override {
    agents_.tell(txn, instance, {{"type", agentwire::kLease}, {"freeze", freeze}, {"leaseMs", lease.count()}});
  }

 private:
  ec2::Instances& instances_;
  runtime::AgentPort& agents_;
};

class OwnLog final : public JobLog {
 public:
  OwnLog(Random& random, s3::Objects& objects) : random_(random), objects_(objects) {}

  Answer<void> put(store::Txn& txn, const std::map<std::string, std::string>& row) override {
    json::Object item;
    for (const auto& [name, value] : row) {
      json::Object attribute;
      attribute["S"] = value;
      item[name] = std::move(attribute);
    }
    // A table that somebody deleted is made again: the row is worth more than its absence.
    dynamodb::ensureTable(txn, random_, kJobLogTable, "SM_Execution_ID");
    return dynamodb::putItem(txn, kJobLogTable, item);
  }

  void keepList(store::Txn& txn, const std::string& execution, std::string list, std::function<void(Result<std::string>)> kept) override {
    objects_.ensureBucket(txn, kJobLogBucket);
    // …:execution:MACHINE:NAME
    const auto name = execution.rfind(':');
    const auto machine = execution.rfind(':', name - 1);
    const auto key = fmt::format("{}/{}.json", execution.substr(machine + 1, name - machine - 1), execution.substr(name + 1));
    txn.afterCommit([this, key, list = std::move(list), kept = std::move(kept)]() mutable {
      const auto where = fmt::format("s3://{}/{}", kJobLogBucket, key);
      objects_.putBytes(std::string(kJobLogBucket), key, std::move(list), "application/json",
                        [kept = std::move(kept), where](const Result<s3::ObjectInfo>& stored) {
                          if (stored) kept(where);
                          else kept(std::unexpected(stored.error()));
                        });
    });
  }

 private:
  Random& random_;
  s3::Objects& objects_;
};

}  // namespace

struct Provider::Own {
  OwnScripts scripts;
  OwnPower power;
  OwnBackups backups;
  OwnTargets targets;
  OwnLog log;
};

Provider::Provider(const ProviderParts& parts)
    : own_(new Own{OwnScripts(parts.commands, parts.objects), OwnPower(parts.instances, parts.agents),
                   OwnBackups(parts.jobs, parts.places, parts.realm), OwnTargets(parts.instances, parts.agents),
                   OwnLog(parts.random, parts.objects)}) {}

Provider::~Provider() = default;

Ports Provider::ports() { return {own_->scripts, own_->power, own_->backups, own_->targets, own_->log}; }

std::string placeOf(std::string_view execution, std::string_view instance) { return holderOf(laneKey(execution, instance)); }

ScriptEnd endOf(const ssm::Invocation& invocation) {
  ScriptEnd end{
      invocation.command_id,   invocation.instance_id, invocation.status,  invocation.details, invocation.message,
      invocation.may_have_run, invocation.never_ran,   invocation.guarded, invocation.ended,   json::textOr(invocation.freeze, "id")};
  for (const auto& step : invocation.steps) {
    if (step.status == "Success" || step.status == "Pending") continue;
    const auto said = step.error.empty() ? step.output : step.error;
    const auto text = said.size() > 300 ? said.substr(said.size() - 300) : said;
    end.message +=
        fmt::format("{}{}: exit code {}{}{}", end.message.empty() ? "" : "; ", step.name, step.exit_code, text.empty() ? "" : ": ", text);
    break;
  }
  while (!end.message.empty() && (end.message.back() == '\n' || end.message.back() == ' ')) end.message.pop_back();
  return end;
}

JobView viewOf(const backup::Job& job, const Realm& realm) {
  JobView view;
  view.id = job.id;
  view.state = backup::name(job.state);
  view.message = job.message;
  const bool has_point = job.state == backup::JobState::completed || job.state == backup::JobState::partial;
  if (has_point && !job.recovery_point.empty()) view.recovery_point = realm.arn("backup", "recovery-point:" + job.recovery_point);
  view.percent = job.percent;
  view.bytes_done = job.bytes_done;
  view.bytes_total = job.bytes_total;
  return view;
}

}  // namespace sp::services::stillpoint
