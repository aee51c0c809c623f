// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceAttribute.html
#include "services/ec2/operations.h"

#include <fmt/format.h>

#include "services/ec2/attributes.h"
#include "services/ec2/input.h"
#include "services/ec2/volumes.h"

namespace sp::services::ec2 {

aws::ApiError unknownAttribute(std::string_view name) {
  return {"InvalidParameterValue", fmt::format("Value ({}) for parameter attribute is invalid. Unknown attribute.", name), 400, true, {}};
}

namespace {

json::Object holding(json::Value value) { return {{"value", std::move(value)}}; }

/// nullopt: there is no such attribute. What EC2's instances have and no machine here, is empty. `enaSupport` EC2 lists and refuses too.
std::optional<json::Value> attributeOf(const Instance& instance, std::string_view name) {
  if (name == "disableApiStop") return holding(instance.stop_protected);
  if (name == "disableApiTermination") return holding(instance.termination_protected);
  if (name == "instanceInitiatedShutdownBehavior") return holding(json::Value(kShutdownBehavior));
  if (name == "instanceType") return instance.instance_type.empty() ? json::Object{} : holding(json::Value(instance.instance_type));
  if (name == "rootDeviceName") return holding(json::Value(kRootDevice));
  if (name == "blockDeviceMapping") return blockDeviceMapping(instance);
  if (name == "ebsOptimized") return holding(false);
  if (name == "enclaveOptions") return json::Object{{"enabled", false}};
  if (name == "groupSet" || name == "productCodes") return json::Array{};
  for (const std::string_view none : {"kernel", "ramdisk", "sourceDestCheck", "sriovNetSupport", "userData"})
    if (name == none) return json::Object{};
  return std::nullopt;
}

}  // namespace

aws::Operation describeInstanceAttribute(Instances& instances) {
  return {"DescribeInstanceAttribute",
          [&instances](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "InstanceId");
            const auto name = json::textOr(call.input, "Attribute");
            if (id.empty()) return missing("InstanceId");
            if (name.empty()) return missing("Attribute");
            if (!attributeOf(Instance{}, name)) return std::unexpected(unknownAttribute(name));
            SP_TRY(const auto found, findInstances(*call.txn, instances, {id}));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Object output;
            output["instanceId"] = id;
            output[name] = *attributeOf(found.front(), name);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ec2
