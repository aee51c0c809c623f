// Machines that Stillpoint did not make: their records, and what their drivers say.
#include <algorithm>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/strings.h"
#include "model/power.h"
#include "services/ec2/instances.h"

namespace sp::services::ec2 {
namespace {

constexpr std::string_view kHost = "host";
constexpr std::string_view kKind = "instance";
constexpr std::string_view kMachineIndex = "machine";
constexpr std::size_t kVolumesMost = 100;
constexpr std::size_t kPathMost = 4096;
constexpr std::size_t kHostnameMost = 253;
constexpr std::string_view kLook = "ec2.look";
constexpr auto kQuickLook = std::chrono::seconds(5);
constexpr auto kSlowLook = std::chrono::minutes(1);
// Two minutes until it is told, and a little longer: by then a run waits for its start.
constexpr int kPatientLooks = 24;
constexpr int kQuickLooks = 28;
constexpr std::string_view kReason = "Client.UserInitiatedShutdown";

std::optional<aws::ApiError> checkVolume(const std::string& path) {
  const bool absolute = path.starts_with('/') && path.size() <= kPathMost && path.find('\0') == std::string::npos;
  const bool plain = absolute && !path.ends_with("/..") && path.find("/../") == std::string::npos && path != "/";
  if (plain) return std::nullopt;
  return aws::ApiError::validation(
      fmt::format("Volumes: '{}' is not an absolute path below / without '..' (at most {} bytes)", cutText(path, 200), kPathMost));
}

bool isHostname(std::string_view name) {
  return name.size() <= kHostnameMost && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
         });
}

std::optional<aws::ApiError> takeSpec(const AddSpec& spec, Instance& instance) {
  if (spec.driver) {
    const auto power = parsePower(*spec.driver, spec.power);
    if (!power) return aws::ApiError::validation(power.error().message);
    instance.driver = *spec.driver;
    instance.power = power->encode();
  } else if (!spec.power.empty()) {
    return aws::ApiError::validation("Power is given without Driver: a description belongs to its driver");
  }
  if (spec.held_by) instance.held_by = *spec.held_by;
  if (spec.volumes) instance.volumes = *spec.volumes;
  if (spec.hostname) instance.hostname = *spec.hostname;
  return std::nullopt;
}

/// What two records of one machine have in common; empty: nothing can be said.
std::string machineOf(const Instance& instance) {
  if (instance.isGone()) return {};
  if (instance.driver == kNoPower) return instance.hostname.empty() ? "" : "host " + toLower(instance.hostname);
  return fmt::format("power {}", sha256Hex(fmt::format("{} {} {}", instance.held_by, instance.driver, json::toText(instance.power))));
}

}  // namespace

void Instances::indexAdded(store::Txn& txn, const Instance& instance) {
  txn.records().index(kKind, instance.id, kMachineIndex, machineOf(instance));
}

json::Object Instances::driverMembers(const Instance& instance) {
  if (instance.isMade()) return {};
  return {{"driver", instance.driver}, {"power", instance.power}};
}

std::optional<aws::ApiError> Instances::refuseSpec(store::Txn& txn, const Instance& wanted) const {
  if (!isHostname(wanted.hostname))
    return aws::ApiError::validation(
        fmt::format("HostName '{}' is not a host name: letters, digits, '.', '-', '_', at most {}", wanted.hostname, kHostnameMost));
  if (wanted.volumes.size() > kVolumesMost)
    return aws::ApiError::validation(fmt::format("Volumes has {} paths; at most {} are allowed", wanted.volumes.size(), kVolumesMost));
  for (const auto& path : wanted.volumes)
    if (auto refused = checkVolume(path)) return refused;
  if (wanted.held_by == wanted.id)
    return aws::ApiError::validation("HeldBy names the machine itself: an agent cannot start the machine it lives on");
  if (wanted.held_by != kHost) {
    const auto holder = find(txn, wanted.held_by);
    if (!holder || holder->isGone())
      return aws::ApiError::validation(
          fmt::format("HeldBy names '{}': give \"host\" or the id of a machine whose agent holds the driver", wanted.held_by));
  }
  const auto same = machineOf(wanted);
  if (same.empty()) return std::nullopt;
  for (const auto& other : txn.records().findBy(kKind, kMachineIndex, same, "", 2))
    if (other.key != wanted.id)
      return aws::ApiError{"ResourceInUseException",
                           fmt::format("machine {} has the same {}: one record per machine", other.key,
                                       wanted.driver == kNoPower ? "host name" : "driver and description"),
                           400,
                           true,
                           {}};
  return std::nullopt;
}

void Instances::adopt(store::Txn& txn, Instance& instance) {
  instance.power_error.clear();
  instance.check_request.clear();
  if (instance.driver == kNoPower) {
    // Nobody can say; what counts is whether its agent answers.
    instance.power_request.clear();
    return settle(txn, instance, InstanceState::running, "");
  }
  instance.state = InstanceState::pending;
  instance.power_known = false;
  request(txn, instance, "power.adopt", "api", {});
}

void Instances::letGo(store::Txn& txn, const Instance& instance) const {
  if (instance.isMade() || instance.driver == kNoPower) return;
  context_.agents.request(txn, instance.held_by,
                          {{"type", "power.forget"}, {"id", "pow/" + context_.random.uuid()}, {"instance", instance.id}});
}

Instances::Outcome Instances::add(store::Txn& txn, const AddSpec& spec) {
  Instance instance;
  if (!spec.driver) return std::unexpected(aws::ApiError::validation("Driver is missing: exec, qemu or none"));
  if (auto refused = takeSpec(spec, instance)) return std::unexpected(std::move(*refused));
  if (auto refused = refuseSpec(txn, instance)) return std::unexpected(std::move(*refused));
  instance.id = "i-" + context_.random.hex(17);
  instance.reservation_id = "r-" + context_.random.hex(17);
  instance.tags = spec.tags;
  instance.launched = instance.created = txn.now();
  // It has a life behind it: it may be stopped like any other.
  instance.reached_running = true;
  log::info("machine added", {{"instance", instance.id}, {"driver", instance.driver}, {"holder", instance.held_by}});
  save(txn, instance);
  adopt(txn, instance);
  return instance;
}

Instances::Outcome Instances::setPower(store::Txn& txn, std::string_view id, const AddSpec& spec) {
  const auto before = find(txn, id);
  if (!before || before->isGone()) return aws::refuse("ResourceNotFoundException", fmt::format("there is no machine {}", id));
  if (before->isMade())
    return std::unexpected(aws::ApiError::validation(fmt::format("machine {} is a demo machine: its driver is sandbox", id)));
  auto after = *before;
  if (auto refused = takeSpec(spec, after)) return std::unexpected(std::move(*refused));
  if (auto refused = refuseSpec(txn, after)) return std::unexpected(std::move(*refused));
  if (const auto holder = context_.locks.holder(txn, before->id))
    return aws::refuse("ResourceInUseException", fmt::format("machine {} is held by {}: wait for its end, or stop it", id, *holder));
  const bool other_driver = after.driver != before->driver || after.power != before->power || after.held_by != before->held_by;
  if (!other_driver) {
    save(txn, after);
    return after;
  }
  if (before->power_known && !before->power_request.empty())
    return aws::refuse("ResourceInUseException", fmt::format("machine {} is {}: wait until it has settled", id, name(before->state)));
  if (after.held_by != before->held_by || after.driver == kNoPower) letGo(txn, *before);
  // An agent that takes over counts from its own beginning.
  if (after.held_by != before->held_by) after.boot_generation = 0;
  adopt(txn, after);
  return after;
}

void Instances::checkPower(store::Txn& txn, std::string_view id) {
  auto instance = find(txn, id);
  if (!instance || instance->isMade() || instance->isGone() || instance->driver == kNoPower || !instance->check_request.empty()) return;
  instance->check_request = "pow/" + context_.random.uuid();
  auto message = driverMembers(*instance);
  message["type"] = "power.check";
  message["id"] = instance->check_request;
  message["instance"] = instance->id;
  context_.agents.request(txn, instance->held_by, message);
  save(txn, *instance);
}

void Instances::handleCheck(store::Txn& txn, Instance& instance, const json::Object& message) {
  instance.check_request.clear();
  instance.power_error = printable(json::textOr(message, "error"));
  const auto state = parseInstanceState(json::textOr(message, "state"));
  const auto generation = json::intOr(message, "bootGeneration", instance.boot_generation);
  // While a change is under way its answer will tell.
  const bool settled = instance.power_request.empty() && state && generation >= instance.boot_generation;
  const bool news = settled && (*state != instance.state || generation != instance.boot_generation);
  if (!news) return save(txn, instance);
  instance.boot_generation = generation;
  seen(txn, instance, *state);
}

void Instances::lookAfterStops() {
  context_.core.onTimer(std::string(kLook), [this](store::Txn& txn, const store::Timer& timer) {
    lookAgain(txn, timer.id, static_cast<int>(parseInt(timer.payload).value_or(0)));
  });
  // The next look comes as soon as it would have.
  context_.core.onClockSet([this](store::Txn& txn, Duration) {
    for (const auto& instance : all(txn))
      if (!instance.stop_error.empty()) lookAgain(txn, instance.id, 0);
  });
}

void Instances::awaitSight(store::Txn& txn, Instance& instance, const std::string& error) {
  log::warn("a stop has failed, and whether the machine runs cannot be seen", {{"instance", instance.id}, {"error", error}});
  instance.stop_error = instance.power_error = error;
  save(txn, instance);
  lookAgain(txn, instance.id, 0);
}

// Those who wait for the stop, and then for the start, shall not wait as long as a hypervisor may be away: they are told that both failed.
void Instances::lookAgain(store::Txn& txn, const std::string& id, int looks) {
  const auto instance = find(txn, id);
  if (!instance || instance->stop_error.empty()) return;
  const auto pause = looks < kQuickLooks ? kQuickLook : kSlowLook;
  txn.timers().set({std::string(kLook), id, txn.now() + pause, std::to_string(looks + 1)});
  checkPower(txn, id);
  if (looks < kPatientLooks) return;
  const auto why = instance->check_request.empty()
                       ? instance->power_error
                       : fmt::format("the agent '{}', which holds its driver, does not answer", instance->held_by);
  tell(txn, *instance, fmt::format("{}; whether the machine runs cannot be seen: {}", instance->stop_error, why));
}

void Instances::seen(store::Txn& txn, Instance& instance, InstanceState state) {
  // A stop that failed and left the machine off has not failed.
  const auto error = state == InstanceState::running ? instance.stop_error : "";
  if (!error.empty()) instance.power_error = error;
  settle(txn, instance, state, error);
}

Instance Instances::forget(store::Txn& txn, Instance instance) {
  letGo(txn, instance);
  instance.power_request.clear();
  instance.check_request.clear();
  instance.state_reason_code = kReason;
  instance.state_reason = "Client.UserInitiatedShutdown: its record was removed; the machine itself was left as it is";
  log::info("machine's record removed", {{"instance", instance.id}, {"driver", instance.driver}});
  settle(txn, instance, InstanceState::terminated, "");
  return instance;
}

}  // namespace sp::services::ec2
