#include "services/ec2/instances.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/time_format.h"
#include "model/power.h"

namespace sp::services::ec2 {
namespace {

constexpr std::string_view kKind = "instance";
constexpr std::string_view kTokenIndex = "token";
constexpr std::string_view kVanish = "ec2.vanish";
constexpr std::string_view kHost = "host";
constexpr std::string_view kPerson = "api";
constexpr std::int64_t kMilli = 1000;
constexpr std::int64_t kForcedStopMs = 20'000;
constexpr auto kVisible = std::chrono::hours(1);
constexpr std::size_t kPage = 1000;
constexpr std::size_t kInstanceLimit = 256;
constexpr std::string_view kUserReason = "Client.UserInitiatedShutdown";
constexpr std::string_view kUserText = "Client.UserInitiatedShutdown: User initiated shutdown";

std::string userInitiated(Instant now) {
  const auto text = toIso8601Seconds(now);  // 2026-11-01T10:00:00Z
  return fmt::format("User initiated ({} {} GMT)", text.substr(0, 10), text.substr(11, 8));
}

std::optional<Instance> decodeRecord(const std::string& body) {
  const auto parsed = json::parse(body);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  auto instance = Instance::decode(parsed->get_object());
  if (!instance) {
    log::error("an instance's record is broken", {{"error", instance.error().text()}});
    return std::nullopt;
  }
  return std::move(*instance);
}

json::Object startMembers(const Instance& instance) {
  const auto seconds = json::intOr(instance.power, "StartTimeoutInSeconds", 0);
  if (seconds <= 0) return {};
  return {{"startTimeoutMs", seconds * kMilli}};
}

// Each protection in the words of the attribute that lifts it. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-stop-protection.html
std::optional<aws::ApiError> protectionRefusal(const Instance& instance, std::string_view verb) {
  const bool terminates = verb == "terminated";
  if (!instance.stop_protected && !(terminates && instance.termination_protected)) return std::nullopt;
  const auto attribute = terminates && instance.termination_protected ? "disableApiTermination" : "disableApiStop";
  return aws::ApiError{
      "OperationNotPermitted",
      fmt::format("The instance '{}' may not be {}. Modify its '{}' instance attribute and try again.", instance.id, verb, attribute),
      400,
      true,
      {}};
}

std::unexpected<aws::ApiError> notFound(std::string_view id) {
  return aws::refuse("InvalidInstanceID.NotFound", fmt::format("The instance ID '{}' does not exist", id));
}

}  // namespace

Instances::Instances(Context& context, runtime::AgentIdentities& identities) : context_(context), identities_(identities) {
  context_.reports.on("power.result", [this](store::Txn& txn, const std::string& agent, const json::Object& message) {
    handleResult(txn, agent, message);
  });
  context_.reports.on("power.changed", [this](store::Txn& txn, const std::string& agent, const json::Object& message) {
    handleChanged(txn, agent, message);
  });
  // An agent too old for a request, or a request it cannot read.
  context_.reports.on("refused", [this](store::Txn& txn, const std::string& agent, const json::Object& message) {
    const auto id = json::textOr(message, "id");
    if (!id.starts_with("pow/")) return;
    for (auto& instance : all(txn)) {
      if (instance.power_request != id && instance.check_request != id) continue;
      return handleResult(txn, agent, {{"id", id}, {"instance", instance.id}, {"error", json::textOr(message, "message")}});
    }
  });
  context_.core.onTimer(std::string(kVanish), [](store::Txn& txn, const store::Timer& timer) { txn.records().erase(kKind, timer.id); });
  lookAfterStops();
}

std::optional<Instance> Instances::find(store::Txn& txn, std::string_view id) const {
  const auto body = txn.records().get(kKind, id);
  return body ? decodeRecord(*body) : std::nullopt;
}

std::vector<Instance> Instances::all(store::Txn& txn) const {
  std::vector<Instance> found;
  std::string after;
  while (true) {
    const auto page = txn.records().scan(kKind, "", after, kPage);
    for (const auto& record : page)
      if (auto instance = decodeRecord(record.body)) found.push_back(std::move(*instance));
    if (page.size() < kPage) return found;
    after = page.back().key;
  }
}

void Instances::eachTagged(store::Txn& txn, const std::function<void(const std::string&, const json::Object&)>& visit) const {
  std::string after;
  while (true) {
    const auto page = txn.records().scan(kKind, "", after, kPage);
    for (const auto& record : page) {
      const auto body = json::parse(record.body);
      const auto* tags = body && body->is_object() ? json::find(body->get_object(), "tags") : nullptr;
      if (tags == nullptr || !tags->is_object()) continue;
      const auto state = parseInstanceState(json::textOr(body->get_object(), "state"));
      if (state && *state != InstanceState::terminated && *state != InstanceState::shuttingDown) visit(record.key, tags->get_object());
    }
    if (page.size() < kPage) return;
    after = page.back().key;
  }
}

std::vector<Instance> Instances::byTag(store::Txn& txn, std::string_view key, std::string_view value) const {
  auto found = all(txn);
  std::erase_if(found, [&](const Instance& instance) {
    const auto tag = instance.tags.find(std::string(key));
    return instance.isGone() || tag == instance.tags.end() || tag->second != value;
  });
  return found;
}

std::vector<Instance> Instances::byClientToken(store::Txn& txn, std::string_view token) const {
  std::vector<Instance> found;
  for (const auto& record : txn.records().findBy(kKind, kTokenIndex, token, "", kPage))
    if (auto instance = decodeRecord(record.body)) found.push_back(std::move(*instance));
  std::ranges::sort(found, {}, &Instance::launch_index);
  return found;
}

void Instances::save(store::Txn& txn, const Instance& instance) const {
  watch_.over(
      txn, instance, [&] { return find(txn, instance.id); },
      [&] { txn.records().put(kKind, instance.id, json::toText(instance.encode())); });
  if (!instance.isMade()) indexAdded(txn, instance);
}

void Instances::tell(store::Txn& txn, const Instance& instance, const std::string& error) const {
  for (const auto& listener : settled_) listener(txn, instance, error);
}

void Instances::tellPersonPower(store::Txn& txn, const Instance& instance, const std::string& action,
                                const aws::Principal& principal) const {
  for (const auto& listener : person_power_) listener(txn, instance, action, principal);
}

bool Instances::admits(store::Txn& txn, std::string_view agent) const {
  if (agent == kHost) return true;
  const auto instance = find(txn, agent);
  return instance && instance->state != InstanceState::terminated;
}

void Instances::request(store::Txn& txn, Instance& instance, std::string_view type, std::string_view by, json::Object members) {
  // The answer to an earlier request no longer matters, but it must still be done: the driver works them off in order.
  instance.power_request = "pow/" + context_.random.uuid();
  instance.power_by = by;
  instance.stop_error.clear();
  members["type"] = type;
  members["id"] = instance.power_request;
  members["instance"] = instance.id;
  for (auto& member : driverMembers(instance)) members.insert(std::move(member));
  context_.agents.request(txn, instance.held_by, members);
  save(txn, instance);
}

std::optional<aws::ApiError> Instances::refusal(store::Txn& txn, const Instance& instance, std::string_view operation, bool force,
                                                std::string_view by) const {
  const auto refuse = [](std::string message) { return aws::ApiError{"IncorrectInstanceState", std::move(message), 400, true, {}}; };
  if (operation != "TerminateInstances" && instance.driver == kNoPower && !instance.isGone())
    return aws::ApiError{
        "UnsupportedOperation",
        fmt::format("The instance '{}' has no power driver: it cannot be started, stopped or rebooted from here. Give it one "
                    "with `stillpoint instance power {} --driver …`.",
                    instance.id, instance.id),
        400,
        true,
        {}};
  if (operation == "StartInstances") {
    if (instance.isGone() || instance.state == InstanceState::stopping)
      return refuse(fmt::format("The instance '{}' is not in a state from which it can be started.", instance.id));
    if (instance.state == InstanceState::stopped && !instance.reading_job.empty())
      return refuse(
          fmt::format("The instance '{}' cannot be started while backup job '{}' reads its files. Wait for the job's end, or stop it.",
                      instance.id, instance.reading_job));
    return std::nullopt;
  }
  const bool terminates = operation == "TerminateInstances";
  const std::string_view verb = terminates ? "terminated" : operation == "RebootInstances" ? "rebooted" : "stopped";
  if (terminates && instance.isGone()) return std::nullopt;
  // Whoever has begun a run is not stopped half-way: its preflight has looked.
  const bool guarded = by == kPerson && !instance.isGone() && operation != "RebootInstances";
  if (auto refused = guarded ? protectionRefusal(instance, verb) : std::nullopt) return refused;
  if (terminates)
    for (const auto& other : all(txn))
      if (other.held_by == instance.id && !other.isGone())
        return refuse(
            fmt::format("The agent of instance '{}' holds the power driver of '{}': give that one another holder, or remove it, first.",
                        instance.id, other.id));
  if (instance.isGone()) return refuse(fmt::format("This instance '{}' is not in a state from which it can be {}.", instance.id, verb));
  if (operation == "StopInstances") {
    if (!instance.reached_running)
      return refuse(fmt::format("Instance '{}' cannot be stopped as it has never reached the 'running' state.", instance.id));
    if (instance.state == InstanceState::stopped || (instance.state == InstanceState::stopping && !force)) return std::nullopt;
  }
  if (operation == "RebootInstances" && instance.state != InstanceState::running)
    return refuse(fmt::format("This instance '{}' is not in a state from which it can be rebooted.", instance.id));
  const auto holder = context_.locks.holder(txn, instance.id);
  // What is only owed to a machine ends with it: a thaw that nobody can give any more keeps no record alive.
  const bool in_use = !context_.locks.idle(txn, instance.id) && !(terminates && context_.locks.paying(txn, instance.id));
  if (holder && *holder != by && !force && in_use) {
    const auto colon = holder->find(':');
    const auto who = holder->starts_with("run:") ? "run" : holder->starts_with("restore:") ? "restore job" : "backup job";
    return refuse(fmt::format("The instance '{}' is held by {} '{}' and cannot be {} meanwhile. Wait for its end, or stop it{}.",
                              instance.id, who, holder->substr(colon + 1), verb, operation == "StopInstances" ? ", or use Force" : ""));
  }
  return std::nullopt;
}

std::chrono::milliseconds Instances::stopLimit(const Instance& instance) const {
  const auto own = json::intOr(instance.power, "StopTimeoutInSeconds", 0);
  return own > 0 ? std::chrono::seconds(own) : stop_limit_;
}

Instances::Outcome Instances::start(store::Txn& txn, std::string_view id, std::string_view by) {
  auto instance = find(txn, id);
  if (!instance) return notFound(id);
  if (auto refused = refusal(txn, *instance, "StartInstances", false, by)) return std::unexpected(std::move(*refused));
  if (instance->state != InstanceState::stopped) return *instance;
  instance->state = InstanceState::pending;
  instance->launched = txn.now();
  instance->state_reason_code = instance->state_reason = instance->transition_reason = "";
  request(txn, *instance, "power.start", by, startMembers(*instance));
  return *instance;
}

Instances::Outcome Instances::stop(store::Txn& txn, std::string_view id, bool force, std::string_view by, std::chrono::milliseconds lease) {
  auto instance = find(txn, id);
  if (!instance) return notFound(id);
  if (auto refused = refusal(txn, *instance, "StopInstances", force, by)) return std::unexpected(std::move(*refused));
  if (instance->state == InstanceState::stopped || (instance->state == InstanceState::stopping && !force)) return *instance;
  instance->state = InstanceState::stopping;
  instance->state_reason_code = kUserReason;
  instance->state_reason = kUserText;
  instance->transition_reason = userInitiated(txn.now());
  json::Object members{{"force", force}, {"timeoutMs", force ? kForcedStopMs : stopLimit(*instance).count()}};
  if (lease.count() > 0) members["lease"] = json::Object{{"leaseMs", lease.count()}};
  request(txn, *instance, "power.stop", by, std::move(members));
  return *instance;
}

Instances::Outcome Instances::reboot(store::Txn& txn, std::string_view id, std::string_view by) {
  auto instance = find(txn, id);
  if (!instance) return notFound(id);
  if (auto refused = refusal(txn, *instance, "RebootInstances", false, by)) return std::unexpected(std::move(*refused));
  auto members = startMembers(*instance);
  members["timeoutMs"] = stopLimit(*instance).count();
  request(txn, *instance, "power.reboot", by, std::move(members));
  return *instance;
}

Instances::Outcome Instances::terminate(store::Txn& txn, std::string_view id, bool force, std::string_view by) {
  auto instance = find(txn, id);
  if (!instance) return notFound(id);
  if (auto refused = refusal(txn, *instance, "TerminateInstances", force, by)) return std::unexpected(std::move(*refused));
  // Asked again after the driver failed to remove it: it tries again.
  const bool failed = instance->state == InstanceState::shuttingDown && instance->power_request.empty();
  if (instance->isGone() && !failed) return *instance;
  if (!instance->isMade()) return forget(txn, *instance);
  instance->state = InstanceState::shuttingDown;
  instance->state_reason_code = kUserReason;
  instance->state_reason = kUserText;
  instance->transition_reason = userInitiated(txn.now());
  request(txn, *instance, "power.destroy", by, {});
  return *instance;
}

std::expected<std::vector<Instance>, aws::ApiError> Instances::launch(store::Txn& txn, const LaunchSpec& spec) {
  const auto here = std::ranges::count_if(all(txn), [](const Instance& each) { return each.isMade() && !each.isGone(); });
  if (static_cast<std::size_t>(here) + static_cast<std::size_t>(spec.count) > kInstanceLimit)
    return aws::refuse("InstanceLimitExceeded",
                       fmt::format("You have requested more instances ({}) than your current instance limit of {} allows: "
                                   "there are {}. Terminate some first.",
                                   spec.count, kInstanceLimit, here));
  std::vector<Instance> made;
  for (std::int64_t index = 0; index < spec.count; ++index) {
    Instance instance;
    instance.id = "i-" + context_.random.hex(17);
    instance.reservation_id = "r-" + context_.random.hex(17);
    instance.image_id = spec.image_id;
    instance.tags = spec.tags;
    instance.launched = instance.created = txn.now();
    instance.hostname = instance.id;
    instance.client_token = spec.client_token;
    instance.launch_hash = spec.launch_hash;
    instance.launch_index = index;
    instance.instance_type = spec.instance_type;
    instance.stop_protected = spec.stop_protected;
    instance.termination_protected = spec.termination_protected;
    const auto identity = identities_.issue(instance.id);
    if (!identity) {
      log::error("cannot issue a certificate", {{"instance", instance.id}, {"error", identity.error().text()}});
      return aws::refuse("InternalError", "The machine's certificate could not be issued: " + identity.error().message, 500);
    }
    request(txn, instance, "power.create", "api",
            {{"image", instance.image_id},
             {"hostname", instance.hostname},
             {"server", identity->server},
             {"ca", identity->ca},
             {"cert", identity->cert},
             {"key", identity->key}});
    if (!spec.client_token.empty()) txn.records().index(kKind, instance.id, kTokenIndex, spec.client_token);
    made.push_back(std::move(instance));
  }
  return made;
}

void Instances::setReading(store::Txn& txn, std::string_view id, std::string_view job_id) {
  auto instance = find(txn, id);
  if (!instance || instance->reading_job == job_id) return;
  instance->reading_job = job_id;
  save(txn, *instance);
}

void Instances::setProtection(store::Txn& txn, std::string_view id, std::optional<bool> stop, std::optional<bool> termination) {
  auto instance = find(txn, id);
  if (!instance) return;
  instance->stop_protected = stop.value_or(instance->stop_protected);
  instance->termination_protected = termination.value_or(instance->termination_protected);
  save(txn, *instance);
}

void Instances::setTags(store::Txn& txn, std::string_view id, std::map<std::string, std::string> tags) {
  auto instance = find(txn, id);
  if (!instance) return;
  instance->tags = std::move(tags);
  save(txn, *instance);
}

void Instances::becomeTerminated(store::Txn& txn, Instance& instance) {
  instance.state = InstanceState::terminated;
  instance.reading_job.clear();
  txn.timers().set({std::string(kVanish), instance.id, txn.now() + kVisible, ""});
}

void Instances::settle(store::Txn& txn, Instance& instance, InstanceState state, const std::string& error) {
  if (instance.state == InstanceState::terminated) return;
  instance.state = state;
  instance.power_known = true;
  instance.stop_error.clear();
  if (state == InstanceState::running) {
    instance.reached_running = true;
    instance.state_reason_code = instance.state_reason = instance.transition_reason = "";
  } else if (state == InstanceState::terminated) {
    becomeTerminated(txn, instance);
  }
  save(txn, instance);
  tell(txn, instance, error);
}

void Instances::handleResult(store::Txn& txn, const std::string& agent, const json::Object& message) {
  auto instance = find(txn, json::textOr(message, "instance"));
  const auto id = json::textOr(message, "id");
  if (!instance || id.empty() || instance->held_by != agent) return;
  if (instance->check_request == id) return handleCheck(txn, *instance, message);
  if (instance->power_request != id) return;  // a later request has taken over
  instance->power_request.clear();
  instance->boot_generation = json::intOr(message, "bootGeneration", instance->boot_generation);
  const auto error = printable(json::textOr(message, "error"));
  const auto reported = parseInstanceState(json::textOr(message, "state"));
  instance->power_error = error;
  if (!reported && instance->state == InstanceState::stopping && !instance->isMade())
    return awaitSight(txn, *instance, error.empty() ? "the holder of its driver does not say how its stop ended" : error);
  if (error.empty()) {
    if (!reported) {
      log::error("a power result names no state", {{"instance", instance->id}, {"state", json::textOr(message, "state")}});
      return save(txn, *instance);
    }
    return settle(txn, *instance, *reported, "");
  }
  log::warn("a power change failed", {{"instance", instance->id}, {"error", error}});
  if (!instance->power_known && !reported) {
    // Nothing is claimed of a machine that its driver has not seen.
    save(txn, *instance);
    return tell(txn, *instance, error);
  }
  if (!instance->reached_running && instance->state == InstanceState::pending) {
    // It never came up: nothing of it is worth keeping.
    instance->state = InstanceState::shuttingDown;
    instance->state_reason_code = "Server.InternalError";
    instance->state_reason = "Server.InternalError: " + error;
    request(txn, *instance, "power.destroy", "api", {});
    return tell(txn, *instance, error);
  }
  if (instance->state == InstanceState::shuttingDown) {
    save(txn, *instance);
    return tell(txn, *instance, error);
  }
  const auto before = instance->state == InstanceState::pending ? InstanceState::stopped : InstanceState::running;
  settle(txn, *instance, reported ? *reported : before, error);
}

void Instances::handleChanged(store::Txn& txn, const std::string& agent, const json::Object& message) {
  auto instance = find(txn, json::textOr(message, "instance"));
  const auto state = parseInstanceState(json::textOr(message, "state"));
  // While a change is under way its answer will tell.
  if (!instance || instance->held_by != agent || instance->isGone() || !instance->power_request.empty()) return;
  if (const auto error = printable(json::textOr(message, "error")); !instance->isMade() && instance->power_error != error) {
    instance->power_error = error;
    save(txn, *instance);
  }
  if (!state) return;
  const auto generation = json::intOr(message, "bootGeneration", instance->boot_generation);
  if (instance->state == *state && generation == instance->boot_generation) return;
  // What was seen of an earlier boot may come after the answer that tells the present one.
  if (generation < instance->boot_generation) return;
  instance->boot_generation = generation;
  if (*state == InstanceState::stopped && instance->state != InstanceState::stopping) {
    instance->state_reason_code = "Client.InstanceInitiatedShutdown";
    instance->state_reason = "Client.InstanceInitiatedShutdown: Instance initiated shutdown";
    instance->transition_reason.clear();
  }
  seen(txn, *instance, *state);
}

}  // namespace sp::services::ec2
