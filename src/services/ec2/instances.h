// The machines: their records, their power, and who may change it. Core thread only.
//
// A power change is a durable request to the agent that holds the machine's driver (`host`, unless the record names another); the
// record says "stopping" or "pending" from the same commit on, and "stopped" or "running" only when the driver has seen it.
// AWS: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StartInstances.html and its neighbours.
#pragma once
#include <chrono>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "model/instance.h"
#include "runtime/agent_identity.h"
#include "services/context.h"
#include "services/watch.h"

namespace sp::services::ec2 {

/// What RunInstances asks for, checked.
struct LaunchSpec {
  std::string image_id;
  std::string instance_type;
  std::string client_token;
  std::string launch_hash;
  std::map<std::string, std::string> tags;
  std::int64_t count = 1;
  bool stop_protected = false;
  bool termination_protected = false;
};

/// A machine that Stillpoint did not make, or what changes of one. What is unset stays (setPower) or has its default (add).
struct AddSpec {
  /// "exec", "qemu" or "none"; with it `power`, the driver's description as the API shows it.
  std::optional<std::string> driver;
  json::Object power;
  std::optional<std::string> held_by;
  std::optional<std::vector<std::string>> volumes;
  std::optional<std::string> hostname;
  std::map<std::string, std::string> tags;
};

class Instances {
 public:
  /// Registers its handlers for power reports and timers: before the core starts. All given outlive it.
  Instances(Context& context, runtime::AgentIdentities& identities);
  Instances(const Instances&) = delete;
  Instances& operator=(const Instances&) = delete;

  /// What a stop and a reboot give a machine to shut down; 120 s unless told. Before the core starts.
  void setStopLimit(std::chrono::milliseconds limit) { stop_limit_ = limit; }

  /// Terminated machines are found too, for the hour they stay visible.
  std::optional<Instance> find(store::Txn& txn, std::string_view id) const;
  /// All, terminated ones included, ordered by id.
  std::vector<Instance> all(store::Txn& txn) const;
  /// Id and tags of each that is neither shutting down nor terminated, ordered by id: for a look at thousands.
  void eachTagged(store::Txn& txn, const std::function<void(const std::string& id, const json::Object& tags)>& visit) const;
  /// Machines with that tag; none that is shutting down or terminated. Ordered by id.
  std::vector<Instance> byTag(store::Txn& txn, std::string_view key, std::string_view value) const;

  using Outcome = std::expected<Instance, aws::ApiError>;
  /// Makes sure that it will run. On one that runs or is coming up: no effect. Refused while a job reads its files.
  /// `by` is "api" or a holder of the machine lock ("run:ARN", "job:ID"). The outcome of the change comes to onSettled.
  Outcome start(store::Txn& txn, std::string_view id, std::string_view by);
  /// The same for stopped; refused while somebody other than `by` holds the machine lock and does not merely wait for its turn. Its pid 1
  /// is asked to shut down and given the stop limit; then the change fails and it stays up. With `force` it is given 20 s and killed, and
  /// the lock does not refuse. Stop protection refuses "api" alone, with `force` too: a run has looked at it before it touched the machine.
  /// `lease`: whoever holds the driver starts the machine again when it has heard nothing of it for so long; 0: it never does.
  Outcome stop(store::Txn& txn, std::string_view id, bool force, std::string_view by, std::chrono::milliseconds lease = {});
  /// Runs on, freshly booted.
  Outcome reboot(store::Txn& txn, std::string_view id, std::string_view by);
  /// For good: a demo machine's processes are killed and its files removed; of any other machine the record alone goes, whatever it
  /// does is left to it. Voids what is owed to it. Refused to "api" by termination protection and, as on EC2, by stop protection.
  Outcome terminate(store::Txn& txn, std::string_view id, bool force, std::string_view by);
  /// What would refuse start, stop, reboot or terminate ("StartInstances" …) now; nullopt if nothing. Changes nothing.
  std::optional<aws::ApiError> refusal(store::Txn& txn, const Instance& instance, std::string_view operation, bool force,
                                       std::string_view by) const;

  /// New machines, in state pending; their creation is under way after the commit.
  std::expected<std::vector<Instance>, aws::ApiError> launch(store::Txn& txn, const LaunchSpec& spec);
  /// A record for a machine that is there already. Its driver's holder is asked whether it runs; till the answer it is pending, with
  /// driver "none" it is running at once. ValidationException (what is wrong with the spec), ResourceInUseException (another record
  /// has the same driver and description, or the host name of a machine without a driver).
  Outcome add(store::Txn& txn, const AddSpec& spec);
  /// Another driver, holder, description or other volumes for an added machine. ResourceNotFoundException, ValidationException;
  /// ResourceInUseException while a run or a job holds the machine or its power changes.
  Outcome setPower(store::Txn& txn, std::string_view id, const AddSpec& spec);
  /// Has the driver of an added machine tell whether it could do its work, and the machine's state: check_request is empty again and
  /// power_error says what is wrong once it has. Nothing happens for other machines, or while a look is under way.
  void checkPower(store::Txn& txn, std::string_view id);

  /// Machines an earlier RunInstances with that token made, in their order.
  std::vector<Instance> byClientToken(store::Txn& txn, std::string_view token) const;

  /// A host that enrolled by itself: running, of driver "none".
  Instance addEnrolled(store::Txn& txn, const std::string& hostname, std::map<std::string, std::string> tags);

  /// While `job_id` reads the stopped machine's files it cannot be started; "" ends that. Unknown ids are ignored.
  void setReading(store::Txn& txn, std::string_view id, std::string_view job_id);

  /// Switches stop and termination protection; what is unset stays. Unknown ids are ignored.
  void setProtection(store::Txn& txn, std::string_view id, std::optional<bool> stop, std::optional<bool> termination);

  /// Replaces tags; CreateTags and DeleteTags.
  void setTags(store::Txn& txn, std::string_view id, std::map<std::string, std::string> tags);

  /// A change that start, stop, reboot, terminate or launch began has ended: the machine is running, stopped or
  /// terminated, or it failed and `error` says why (the state is then what the driver found). Also called, with an empty
  /// error, when a machine went down or came up by itself. In the transaction in which the record changes. A failed stop after which the
  /// driver cannot look leaves the machine `stopping`: that is told after two minutes, and again and again, until it can.
  using Settled = std::function<void(store::Txn&, const Instance&, const std::string& error)>;
  void onSettled(Settled listener) { settled_.push_back(std::move(listener)); }

  /// Every write of a machine's record.
  void watch(Watch<Instance> watch) { watch_ = std::move(watch); }

  /// A person asked by API: action "stop", "start", "reboot" or "terminate", already accepted, same transaction.
  using PersonPower = std::function<void(store::Txn&, const Instance&, const std::string& action, const aws::Principal&)>;
  void onPersonPower(PersonPower listener) { person_power_.push_back(std::move(listener)); }
  void tellPersonPower(store::Txn& txn, const Instance& instance, const std::string& action, const aws::Principal& principal) const;

  /// Whether an agent of that name may connect: "host", or a machine that is not terminated.
  bool admits(store::Txn& txn, std::string_view agent) const;

 private:
  void save(store::Txn& txn, const Instance& instance) const;
  void request(store::Txn& txn, Instance& instance, std::string_view type, std::string_view by, json::Object members);
  /// What makes a record of these parts impossible.
  std::optional<aws::ApiError> refuseSpec(store::Txn& txn, const Instance& wanted) const;
  void adopt(store::Txn& txn, Instance& instance);
  /// The holder looks after it no longer.
  void letGo(store::Txn& txn, const Instance& instance) const;
  void handleCheck(store::Txn& txn, Instance& instance, const json::Object& message);
  /// Its stop has failed, and nobody can tell whether it runs: what is owed to it stays owed until its driver has seen it.
  void awaitSight(store::Txn& txn, Instance& instance, const std::string& error);
  void lookAfterStops();
  void lookAgain(store::Txn& txn, const std::string& id, int looks);
  /// What its driver saw while no change was under way: ends what awaitSight() began.
  void seen(store::Txn& txn, Instance& instance, InstanceState state);
  /// Finds a second record of the same machine.
  static void indexAdded(store::Txn& txn, const Instance& instance);
  static json::Object driverMembers(const Instance& instance);
  void tell(store::Txn& txn, const Instance& instance, const std::string& error) const;
  void handleResult(store::Txn& txn, const std::string& agent, const json::Object& message);
  void handleChanged(store::Txn& txn, const std::string& agent, const json::Object& message);
  /// Its own, or everybody's.
  std::chrono::milliseconds stopLimit(const Instance& instance) const;
  /// The record of a machine that Stillpoint did not make becomes that of a terminated one; the machine is left as it is.
  Instance forget(store::Txn& txn, Instance instance);
  void becomeTerminated(store::Txn& txn, Instance& instance);
  void settle(store::Txn& txn, Instance& instance, InstanceState state, const std::string& error);

  Context& context_;
  runtime::AgentIdentities& identities_;
  std::chrono::milliseconds stop_limit_{120'000};
  std::vector<Settled> settled_;
  std::vector<PersonPower> person_power_;
  Watch<Instance> watch_;
};

}  // namespace sp::services::ec2
