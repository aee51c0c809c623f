// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstanceInformation.html
#include <algorithm>

#include <fmt/format.h>

#include "agentwire/messages.h"
#include "model/power.h"
#include "services/ssm/agent_info.h"
#include "services/ssm/nodes/registrations.h"
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::int64_t kLeastResults = 5;
constexpr std::size_t kPage = 10;

struct Filter {
  std::string key;
  std::vector<std::string> values;
};

constexpr std::array<std::string_view, 10> kKeys = {"InstanceIds", "AgentVersion", "PingStatus",        "PlatformTypes", "ActivationIds",
                                                    "IamRole",     "ResourceType", "AssociationStatus", "SourceIds",     "SourceTypes"};
constexpr std::array<std::string_view, 3> kPingStatuses = {"Online", "ConnectionLost", "Inactive"};
constexpr std::array<std::string_view, 3> kPlatforms = {"Windows", "Linux", "MacOS"};
constexpr std::array<std::string_view, 3> kSources = {"AWS::EC2::Instance", "AWS::IoT::Thing", "AWS::SSM::ManagedInstance"};

std::expected<std::vector<Filter>, aws::ApiError> readInformationFilters(const aws::Call& call, const ec2::Instances& instances) {
  std::vector<Filter> filters;
  const auto read = [&](std::string_view list, std::string_view key, std::string_view values) {
    if (const auto* given = json::find(call.input, list); given != nullptr && given->is_array())
      for (const auto& each : given->get_array())
        if (each.is_object()) filters.push_back({json::textOr(each.get_object(), key), json::Reader(each.get_object()).textsIf(values)});
  };
  read("Filters", "Key", "Values");
  read("InstanceInformationFilterList", "key", "valueSet");
  for (const auto& filter : filters) {
    const bool known = filter.key == "tag-key" || filter.key.starts_with("tag:") || std::ranges::find(kKeys, filter.key) != kKeys.end();
    if (!known)
      return aws::refuse("InvalidFilterKey", fmt::format("'{}' is no key of a filter of DescribeInstanceInformation.", filter.key));
    if (filter.values.empty())
      return aws::refuse("InvalidInstanceInformationFilterValue", fmt::format("The filter {} has no values.", filter.key));
    for (const auto& value : filter.values) {
      const bool wrong = (filter.key == "PingStatus" && std::ranges::find(kPingStatuses, value) == kPingStatuses.end()) ||
                         (filter.key == "PlatformTypes" && std::ranges::find(kPlatforms, value) == kPlatforms.end()) ||
                         (filter.key == "SourceTypes" && std::ranges::find(kSources, value) == kSources.end());
      if (wrong)
        return aws::refuse("InvalidInstanceInformationFilterValue", fmt::format("'{}' is no value of the filter {}.", value, filter.key));
      if (filter.key == "InstanceIds")
        if (auto unknown = unknownInstance(*call.txn, instances, value)) return std::unexpected(std::move(*unknown));
    }
  }
  return filters;
}

/// The member of the view that a filter compares; tags are looked at apart.
std::string_view memberOf(std::string_view key) {
  if (key == "InstanceIds") return "InstanceId";
  if (key == "PlatformTypes") return "PlatformType";
  if (key == "ActivationIds") return "ActivationId";
  if (key == "SourceIds") return "SourceId";
  if (key == "SourceTypes") return "SourceType";
  return key;
}

bool passes(const std::vector<Filter>& filters, const Instance& instance, const json::Object& view) {
  return std::ranges::all_of(filters, [&](const Filter& filter) {
    return std::ranges::any_of(filter.values, [&](const std::string& value) {
      if (filter.key == "tag-key") return instance.tags.contains(value);
      if (filter.key.starts_with("tag:")) {
        const auto tag = instance.tags.find(filter.key.substr(4));
        return tag != instance.tags.end() && tag->second == value;
      }
      return json::textOr(view, memberOf(filter.key)) == value;
    });
  });
}

json::Object viewOf(store::Txn& txn, const Context& context, const Instance& instance, const AgentInfo& info, Instant now) {
  const bool online = context.agents.connected(instance.id);
  const auto registration = findRegistration(txn, instance.id);
  const bool enrolled = registration && !registration->enrolment.empty();
  // Whose power is not ours is what Systems Manager calls a managed instance.
  const bool managed = enrolled && instance.driver == kNoPower;
  json::Object view{{"InstanceId", instance.id},
                    {"PingStatus", online ? "Online" : "ConnectionLost"},
                    {"LastPingDateTime", toEpochSeconds(lastHeard(context, instance.id, info, now))},
                    {"AgentVersion", info.version},
                    {"IsLatestVersion", info.version == agentwire::kAgentVersion},
                    {"PlatformType", "Linux"},
                    {"PlatformName", info.platform_name.empty() ? "Linux" : info.platform_name},
                    {"PlatformVersion", info.platform_version},
                    {"ResourceType", managed ? "ManagedInstance" : "EC2Instance"},
                    {"IPAddress", info.address.empty() ? "127.0.0.1" : info.address},
                    {"ComputerName", info.hostname},
                    {"RegistrationDate", toEpochSeconds(enrolled ? registration->enrolled : info.registered)},
                    {"SourceId", instance.id},
                    {"SourceType", managed ? "AWS::SSM::ManagedInstance" : "AWS::EC2::Instance"}};
  if (const auto name = instance.tags.find("Name"); managed && name != instance.tags.end()) view["Name"] = name->second;
  if (enrolled && registration->by_activation) {
    view["ActivationId"] = registration->token;
    view["IamRole"] = registration->role;
  }
  return view;
}

}  // namespace

aws::Operation describeInstanceInformation(Context& context, ec2::Instances& instances) {
  return {"DescribeInstanceInformation",
          [&context, &instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto filters, readInformationFilters(call, instances));
            SP_TRY(const auto page, readPage(call.input, "DescribeInstanceInformation", kLeastResults, kPage));
            json::Array list;
            json::Object output;
            for (const auto& instance : instances.all(*call.txn)) {
              const bool there = instance.state == InstanceState::running || instance.state == InstanceState::pending;
              if (!there || instance.id <= page.position) continue;
              const auto info = findAgentInfo(*call.txn, instance.id);
              if (!info) continue;
              auto view = viewOf(*call.txn, context, instance, *info, call.now);
              if (!passes(filters, instance, view)) continue;
              if (list.size() == page.limit) {
                output["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(list.back().get_object(), "InstanceId"));
                break;
              }
              list.push_back(std::move(view));
            }
            output["InstanceInformationList"] = std::move(list);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
