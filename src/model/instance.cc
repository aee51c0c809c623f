#include "model/instance.h"

#include <fmt/format.h>

namespace sp {
namespace {

struct StateName {
  InstanceState state;
  std::string_view name;
};
constexpr std::array kStates = {
    StateName{InstanceState::pending, "pending"},
    StateName{InstanceState::running, "running"},
    StateName{InstanceState::shuttingDown, "shutting-down"},
    StateName{InstanceState::terminated, "terminated"},
    StateName{InstanceState::stopping, "stopping"},
    StateName{InstanceState::stopped, "stopped"},
};

}  // namespace

std::string_view name(InstanceState state) {
  for (const auto& each : kStates)
    if (each.state == state) return each.name;
  return "pending";
}

Result<InstanceState> parseInstanceState(std::string_view text) {
  for (const auto& each : kStates)
    if (each.name == text) return each.state;
  return fail("instance.state", fmt::format("'{}' is no state of an instance", text));
}

json::Object Instance::encode() const {
  json::Object all_tags;
  for (const auto& [key, value] : tags) all_tags.emplace(key, value);
  json::Object body{{"id", id},
                    {"reservation", reservation_id},
                    {"image", image_id},
                    {"state", name(state)},
                    {"tags", std::move(all_tags)},
                    {"launched", toMicros(launched)},
                    {"created", toMicros(created)},
                    {"bootGeneration", boot_generation},
                    {"reachedRunning", reached_running},
                    {"stateReasonCode", state_reason_code},
                    {"stateReason", state_reason},
                    {"transitionReason", transition_reason},
                    {"hostname", hostname},
                    {"clientToken", client_token},
                    {"launchHash", launch_hash},
                    {"launchIndex", launch_index},
                    {"type", instance_type},
                    {"driver", driver},
                    {"powerRequest", power_request},
                    {"powerBy", power_by},
                    {"readingJob", reading_job}};
  if (stop_protected) body["stopProtected"] = true;
  if (termination_protected) body["terminationProtected"] = true;
  if (isMade()) return body;
  body["power"] = power;
  body["heldBy"] = held_by;
  body["volumes"] = json::Array(volumes.begin(), volumes.end());
  body["powerKnown"] = power_known;
  body["powerError"] = power_error;
  body["checkRequest"] = check_request;
  body["stopError"] = stop_error;
  return body;
}

Result<Instance> Instance::decode(const json::Object& body) {
  json::Reader reader(body, "instance");
  Instance instance;
  instance.id = reader.text("id");
  instance.reservation_id = reader.text("reservation");
  instance.image_id = reader.text("image");
  const auto state = reader.text("state");
  if (const auto* tags = reader.objectIf("tags"))
    for (const auto& [key, value] : *tags)
      if (value.is_string()) instance.tags.emplace(std::string(key), json::toStd(value.get_string()));
  instance.launched = fromMicros(reader.integer("launched"));
  instance.created = fromMicros(reader.integer("created"));
  instance.boot_generation = reader.integer("bootGeneration");
  instance.reached_running = reader.boolean("reachedRunning");
  instance.state_reason_code = reader.text("stateReasonCode");
  instance.state_reason = reader.text("stateReason");
  instance.transition_reason = reader.text("transitionReason");
  instance.hostname = reader.text("hostname");
  instance.client_token = reader.text("clientToken");
  instance.launch_hash = reader.text("launchHash");
  instance.launch_index = reader.integer("launchIndex");
  instance.instance_type = reader.text("type");
  instance.driver = reader.text("driver");
  instance.power_request = reader.text("powerRequest");
  instance.power_by = reader.text("powerBy");
  instance.reading_job = reader.text("readingJob");
  instance.stop_protected = reader.booleanIf("stopProtected").value_or(false);
  instance.termination_protected = reader.booleanIf("terminationProtected").value_or(false);
  if (const auto* power = reader.objectIf("power")) instance.power = *power;
  instance.held_by = reader.textIf("heldBy").value_or("host");
  instance.volumes = reader.textsIf("volumes");
  instance.power_known = reader.booleanIf("powerKnown").value_or(true);
  instance.power_error = reader.textIf("powerError").value_or("");
  instance.check_request = reader.textIf("checkRequest").value_or("");
  instance.stop_error = reader.textIf("stopError").value_or("");
  SP_CHECK_OK(reader.finish());
  SP_TRY(instance.state, parseInstanceState(state));
  return instance;
}

}  // namespace sp
