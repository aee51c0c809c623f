// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
#include "services/ec2/operations.h"

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "services/ec2/attributes.h"
#include "services/ec2/images.h"
#include "services/ec2/input.h"

namespace sp::services::ec2 {

namespace {

constexpr std::string_view kDefaultType = "stillpoint.sandbox";
constexpr std::size_t kTokenMax = 64;
constexpr std::int64_t kCountMax = 1000;

Checked<std::int64_t> readCount(const json::Object& input, std::string_view key) {
  const auto text = json::textOr(input, key);
  if (text.empty()) return missing(key);
  const auto count = parseInt(text);
  if (!count || *count < 1 || *count > kCountMax)
    return aws::refuse("InvalidParameterValue",
                       fmt::format("Value ({}) for parameter {} is invalid. Expecting a number from 1 to {}.", text, key, kCountMax));
  return *count;
}

/// Tags for the instances; those for their volumes and interfaces have nothing to stand on.
Checked<std::map<std::string, std::string>> readSpecifications(const json::Object& input) {
  std::map<std::string, std::string> tags;
  const auto* list = json::find(input, "TagSpecification");
  if (list == nullptr || !list->is_array()) return tags;
  for (const auto& each : list->get_array()) {
    if (!each.is_object()) continue;
    const auto kind = json::textOr(each.get_object(), "ResourceType");
    if (kind != "instance" && kind != "volume" && kind != "network-interface")
      return aws::refuse("InvalidParameterValue", fmt::format("'{}' is not a valid taggable resource type for this operation.", kind));
    SP_TRY(auto given, readTags(each.get_object()));
    if (kind != "instance") continue;
    for (auto& [key, value] : given)
      if (!tags.emplace(key, value).second)
        return aws::refuse("InvalidParameterValue", fmt::format("Duplicate tag key '{}' specified.", key));
  }
  if (auto refused = tooManyTags(tags)) return std::unexpected(std::move(*refused));
  return tags;
}

Checked<LaunchSpec> readLaunch(const json::Object& input) {
  LaunchSpec spec;
  spec.image_id = json::textOr(input, "ImageId");
  if (spec.image_id.empty()) return missing("ImageId");
  if (auto unknown = checkImage(spec.image_id)) return std::unexpected(std::move(*unknown));
  SP_TRY(const auto least, readCount(input, "MinCount"));
  SP_TRY(spec.count, readCount(input, "MaxCount"));
  if (least > spec.count)
    return aws::refuse("InvalidParameterValue",
                       fmt::format("Value ({}) for parameter MinCount is invalid. Expecting at most MaxCount ({}).", least, spec.count));
  if (!json::textOr(input, "UserData").empty())
    return aws::refuse("UnsupportedOperation", "UserData is not run by machines of this driver; send a command after the launch instead.");
  spec.instance_type = json::textOr(input, "InstanceType", kDefaultType);
  spec.client_token = json::textOr(input, "ClientToken");
  if (spec.client_token.size() > kTokenMax)
    return aws::refuse("InvalidParameterValue",
                       fmt::format("The client token has {} characters; at most {} are allowed.", spec.client_token.size(), kTokenMax));
  if (const auto behavior = json::textOr(input, "InstanceInitiatedShutdownBehavior"); !behavior.empty())
    if (auto refused = refuseShutdownBehavior(behavior)) return std::unexpected(std::move(*refused));
  spec.stop_protected = flag(input, "DisableApiStop");
  spec.termination_protected = flag(input, "DisableApiTermination");
  SP_TRY(spec.tags, readSpecifications(input));
  // MinCount does not matter: all of MaxCount are always made, or none.
  std::string asked = fmt::format("{}\n{}\n{}", spec.image_id, spec.count, spec.instance_type);
  for (const auto& [key, value] : spec.tags) asked += fmt::format("\n{}={}", json::quote(key), json::quote(value));
  // Behind the rest: a token of an earlier version goes on standing for what it stood for.
  if (spec.stop_protected) asked += "\ndisableApiStop";
  if (spec.termination_protected) asked += "\ndisableApiTermination";
  spec.launch_hash = sha256Hex(asked);
  return spec;
}

// DescribeInstances shows each machine in a reservation of its own; the answer to one call is one reservation, as on AWS.
json::Object answer(const std::vector<Instance>& made, const Realm& realm) {
  json::Array set;
  for (const auto& instance : made) set.push_back(describe(instance, realm));
  return {{"reservationId", made.front().reservation_id},
          {"ownerId", realm.account},
          {"groupSet", json::Array{}},
          {"instancesSet", std::move(set)}};
}

}  // namespace

aws::Operation runInstances(Instances& instances) {
  return {"RunInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto spec, readLaunch(call.input));
            if (flag(call.input, "DryRun")) return dryRun();
            if (!spec.client_token.empty()) {
              const auto earlier = instances.byClientToken(*call.txn, spec.client_token);
              if (!earlier.empty() && earlier.front().launch_hash != spec.launch_hash)
                return aws::refuse("IdempotentParameterMismatch",
                                   fmt::format("The client token '{}' was used before with other parameters.", spec.client_token));
              if (!earlier.empty()) return answer(earlier, call.realm);
            }
            SP_TRY(const auto made, instances.launch(*call.txn, spec));
            return answer(made, call.realm);
          },
          {},
          false};
}

}  // namespace sp::services::ec2
