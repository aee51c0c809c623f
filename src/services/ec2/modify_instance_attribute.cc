// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
#include "services/ec2/operations.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ec2/attributes.h"
#include "services/ec2/input.h"

namespace sp::services::ec2 {

std::optional<aws::ApiError> refuseShutdownBehavior(std::string_view behavior) {
  if (behavior == kShutdownBehavior) return std::nullopt;
  if (behavior == "terminate")
    return aws::ApiError{"UnsupportedOperation",
                         "The instanceInitiatedShutdownBehavior 'terminate' is not supported: a machine that shuts itself down stays, "
                         "stopped. Use 'stop'.",
                         400,
                         true,
                         {}};
  return aws::ApiError{
      "InvalidParameterValue",
      fmt::format("Value ({}) for parameter instanceInitiatedShutdownBehavior is invalid. Expected: 'stop' or 'terminate'.", behavior),
      400,
      true,
      {}};
}

namespace {

constexpr std::string_view kStop = "disableApiStop";
constexpr std::string_view kTermination = "disableApiTermination";
constexpr std::string_view kShutdown = "instanceInitiatedShutdownBehavior";

/// An attribute and the parameter that holds its new value.
struct Parameter {
  std::string_view name;
  std::string_view key;
};
constexpr std::array kParameters = {Parameter{"blockDeviceMapping", "BlockDeviceMapping"},
                                    Parameter{kStop, "DisableApiStop"},
                                    Parameter{kTermination, "DisableApiTermination"},
                                    Parameter{"ebsOptimized", "EbsOptimized"},
                                    Parameter{"enaSupport", "EnaSupport"},
                                    Parameter{"enclaveOptions", ""},
                                    Parameter{"groupSet", "GroupId"},
                                    Parameter{kShutdown, "InstanceInitiatedShutdownBehavior"},
                                    Parameter{"instanceType", "InstanceType"},
                                    Parameter{"kernel", "Kernel"},
                                    Parameter{"nvmeSupport", ""},
                                    Parameter{"ramdisk", "Ramdisk"},
                                    Parameter{"sourceDestCheck", "SourceDestCheck"},
                                    Parameter{"sriovNetSupport", "SriovNetSupport"},
                                    Parameter{"userData", "UserData"}};

/// What shall become of one attribute.
struct Change {
  std::string_view name;
  /// Empty for an attribute whose value is no text.
  std::string value;
};

std::string valueOf(const json::Value& parameter) {
  if (!parameter.is_object()) return {};
  const auto* value = json::find(parameter.get_object(), "Value");
  if (value != nullptr && value->is_bool()) return value->get_bool() ? "true" : "false";
  return value != nullptr && value->is_string() ? json::toStd(value->get_string()) : std::string();
}

/// The one attribute of the call: `Attribute` with `Value`, or a parameter of its own.
Checked<Change> readChange(const json::Object& input) {
  std::vector<Change> changes;
  if (const auto name = json::textOr(input, "Attribute"); !name.empty()) {
    const auto* known = std::ranges::find(kParameters, name, &Parameter::name);
    if (known == kParameters.end()) return std::unexpected(unknownAttribute(name));
    changes.push_back({known->name, json::textOr(input, "Value")});
  }
  for (const auto& parameter : kParameters) {
    const auto* given = parameter.key.empty() ? nullptr : json::find(input, parameter.key);
    if (given == nullptr) continue;
    // `Attribute` may say again what the parameter says.
    if (!changes.empty() && changes.front().name == parameter.name && changes.front().value.empty()) changes.clear();
    changes.push_back({parameter.name, valueOf(*given)});
  }
  if (changes.empty()) return aws::refuse("InvalidParameterCombination", "No attributes specified.");
  if (changes.size() == 1) return changes.front();
  std::vector<std::string> names;
  for (const auto& change : changes) names.emplace_back(change.name);
  return aws::refuse("InvalidParameterCombination", fmt::format("Fields for multiple attribute types specified: {}", join(names, ", ")));
}

Checked<bool> readSwitch(const Change& change) {
  if (equalsIgnoreCase(change.value, "true")) return true;
  if (equalsIgnoreCase(change.value, "false")) return false;
  return aws::refuse("InvalidParameterValue",
                     fmt::format("Value ({}) for parameter {} is invalid. Expected: 'true' or 'false'.", change.value, change.name));
}

}  // namespace

aws::Operation modifyInstanceAttribute(Instances& instances) {
  return {"ModifyInstanceAttribute",
          [&instances](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "InstanceId");
            if (id.empty()) return missing("InstanceId");
            SP_TRY(const auto change, readChange(call.input));
            const bool protects = change.name == kStop || change.name == kTermination;
            const bool known = protects || change.name == kShutdown;
            if (known && change.value.empty()) return missing("Value");
            SP_TRY(const auto found, findInstances(*call.txn, instances, {id}));
            if (!known)
              return aws::refuse("UnsupportedOperation",
                                 fmt::format("Modifying '{}' is not supported for instance '{}'.", change.name, id));
            bool on = false;
            if (protects) {
              SP_TRY(on, readSwitch(change));
            } else if (auto refused = refuseShutdownBehavior(change.value)) {
              return std::unexpected(std::move(*refused));
            }
            if (found.front().isGone())
              return aws::refuse("IncorrectInstanceState",
                                 fmt::format("The instance '{}' is not in a state from which its attributes can be modified.", id));
            if (flag(call.input, "DryRun")) return dryRun();
            if (change.name == kStop) instances.setProtection(*call.txn, id, on, std::nullopt);
            if (change.name == kTermination) instances.setProtection(*call.txn, id, std::nullopt, on);
            return json::Object{{"return", true}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
