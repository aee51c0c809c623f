// AddInstance, SetInstancePower, TagInstance, RemoveInstance, ListInstances: docs/api/stillpoint.md, docs/power.md.
#include <fmt/format.h>

#include "aws/operation.h"
#include "base/time_format.h"
#include "services/ec2/input.h"
#include "services/ssm/nodes/registrations.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

using Problem = std::optional<aws::ApiError>;

/// Keys and values of Tags ([{"Key","Value"}]) by EC2's rules.
Problem readTags(const json::Array& list, std::map<std::string, std::string>& tags) {
  json::Array as_ec2;
  for (const auto& each : list) {
    if (!each.is_object()) return aws::ApiError::validation("Tags must be a list of objects with Key and Value");
    json::Reader reader(each.get_object(), "Tags");
    const auto key = reader.text("Key");
    const auto value = reader.textIf("Value").value_or("");
    if (auto read = reader.finish(true); !read) return aws::ApiError::validation(read.error().message);
    as_ec2.push_back(json::Object{{"Key", key}, {"Value", value}});
  }
  auto checked = ec2::readTags({{"Tag", std::move(as_ec2)}});
  if (!checked) return aws::ApiError::validation(checked.error().message);
  for (auto& [key, value] : *checked) tags[key] = value;
  if (auto many = ec2::tooManyTags(tags)) return aws::ApiError::validation(many->message);
  return std::nullopt;
}

/// What AddInstance and SetInstancePower have in common.
void readSpec(json::Reader& reader, ec2::AddSpec& spec) {
  spec.driver = reader.textIf("Driver");
  if (const auto* power = reader.objectIf("Power")) spec.power = *power;
  spec.held_by = reader.textIf("HeldBy");
  spec.hostname = reader.textIf("HostName");
  if (reader.arrayIf("Volumes") != nullptr) spec.volumes = reader.textsIf("Volumes");
}

std::string_view agentStatus(const aws::Call& call, const Context& context, const Instance& instance) {
  const auto registration = instance.isGone() ? std::nullopt : ssm::findRegistration(*call.txn, instance.id);
  if (registration && registration->isRevoked()) return "Revoked";
  if (context.agents.connected(instance.id)) return "Online";
  return instance.isGone() ? "None" : "Offline";
}

json::Object shapeOf(const Instance& instance) {
  json::Object out{{"InstanceId", instance.id}, {"State", name(instance.state)}, {"Driver", instance.driver}};
  if (!instance.image_id.empty()) out["ImageId"] = instance.image_id;
  if (!instance.hostname.empty()) out["HostName"] = instance.hostname;
  out["HeldBy"] = instance.held_by;
  if (!instance.power.empty()) out["Power"] = instance.power;
  if (!instance.isMade()) out["Volumes"] = json::Array(instance.volumes.begin(), instance.volumes.end());
  if (!instance.power_error.empty()) out["PowerError"] = instance.power_error;
  out["PowerKnown"] = instance.power_known;
  out["LaunchTime"] = toIso8601Millis(instance.launched);
  json::Object tags;
  for (const auto& [key, value] : instance.tags) tags[key] = value;
  out["Tags"] = std::move(tags);
  return out;
}

std::unexpected<aws::ApiError> noMachine(std::string_view id) {
  return aws::refuse("ResourceNotFoundException", fmt::format("there is no machine {}", id));
}

}  // namespace

aws::Operation addInstance(ec2::Instances& instances) {
  return {"AddInstance",
          [&instances](const aws::Call& call) -> aws::Outcome {
            ec2::AddSpec spec;
            json::Reader reader(call.input);
            readSpec(reader, spec);
            const auto* tags = reader.arrayIf("Tags");
            if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
            if (tags != nullptr)
              if (auto wrong = readTags(*tags, spec.tags)) return std::unexpected(std::move(*wrong));
            SP_TRY(const auto added, instances.add(*call.txn, spec));
            return shapeOf(added);
          },
          {},
          false};
}

aws::Operation setInstancePower(ec2::Instances& instances) {
  return {"SetInstancePower",
          [&instances](const aws::Call& call) -> aws::Outcome {
            ec2::AddSpec spec;
            json::Reader reader(call.input);
            const auto id = reader.text("InstanceId");
            readSpec(reader, spec);
            if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
            SP_TRY(const auto changed, instances.setPower(*call.txn, id, spec));
            return shapeOf(changed);
          },
          {},
          false};
}

aws::Operation tagInstance(ec2::Instances& instances) {
  return {"TagInstance",
          [&instances](const aws::Call& call) -> aws::Outcome {
            json::Reader reader(call.input);
            const auto id = reader.text("InstanceId");
            const auto* tags = reader.arrayIf("Tags");
            const auto removed = reader.textsIf("RemoveTagKeys");
            if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
            auto instance = instances.find(*call.txn, id);
            if (!instance) return noMachine(id);
            for (const auto& key : removed) instance->tags.erase(key);
            if (tags != nullptr)
              if (auto wrong = readTags(*tags, instance->tags)) return std::unexpected(std::move(*wrong));
            instances.setTags(*call.txn, id, instance->tags);
            return shapeOf(*instance);
          },
          {},
          false};
}

aws::Operation removeInstance(ec2::Instances& instances) {
  return {"RemoveInstance",
          [&instances](const aws::Call& call) -> aws::Outcome {
            json::Reader reader(call.input);
            const auto id = reader.text("InstanceId");
            if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
            const auto instance = instances.find(*call.txn, id);
            if (!instance || instance->isGone()) return noMachine(id);
            if (instance->isMade())
              return std::unexpected(aws::ApiError::validation(fmt::format(
                  "machine {} is a demo machine, whose files would stay: end it with `aws ec2 terminate-instances --instance-ids {}`", id,
                  id)));
            auto removed = instances.terminate(*call.txn, id, false, "api");
            if (!removed) return aws::refuse("ResourceInUseException", removed.error().message);
            instances.tellPersonPower(*call.txn, *removed, "terminate", call.principal);
            return shapeOf(*removed);
          },
          {},
          false};
}

aws::Operation listInstances(Context& context, ec2::Instances& instances) {
  return {"ListInstances",
          [&context, &instances](const aws::Call& call) -> aws::Outcome {
            json::Reader reader(call.input);
            const auto id = reader.textIf("InstanceId");
            const auto most = reader.integerIf("MaxResults").value_or(1000);
            const auto token = reader.textIf("NextToken").value_or("");
            if (auto read = reader.finish(true); !read) return std::unexpected(aws::ApiError::validation(read.error().message));
            if (most < 1 || most > 1000)
              return std::unexpected(aws::ApiError::validation(fmt::format("MaxResults is {}; it must be between 1 and 1000", most)));
            json::Object out;
            json::Array list;
            for (const auto& instance : instances.all(*call.txn)) {
              if (instance.id <= token || (id && instance.id != *id)) continue;
              if (list.size() == static_cast<std::size_t>(most)) {
                out["NextToken"] = json::textOr(list.back().get_object(), "InstanceId");
                break;
              }
              auto shape = shapeOf(instance);
              shape["Agent"] = agentStatus(call, context, instance);
              if (const auto holder = context.locks.holder(*call.txn, instance.id)) shape["InUseBy"] = *holder;
              list.push_back(std::move(shape));
            }
            if (id && list.empty()) return noMachine(*id);
            out["Instances"] = std::move(list);
            return out;
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
