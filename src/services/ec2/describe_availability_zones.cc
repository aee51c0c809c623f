// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAvailabilityZones.html
#include "services/ec2/operations.h"

#include <fmt/format.h>

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation describeAvailabilityZones() {
  return {"DescribeAvailabilityZones",
          [](const aws::Call& call) -> aws::Outcome {
            const auto zone = availabilityZone(call.realm);
            for (const auto& name : texts(call.input, "ZoneName"))
              if (name != zone) return aws::refuse("InvalidParameterValue", fmt::format("Invalid availability zone: [{}]", name));
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) -> std::optional<std::vector<std::string>> {
                     if (name == "zone-name") return std::vector{zone};
                     if (name == "region-name") return std::vector{call.realm.region};
                     if (name == "state") return std::vector<std::string>{"available"};
                     if (name == "zone-type") return std::vector<std::string>{"availability-zone"};
                     if (name == "opt-in-status") return std::vector<std::string>{"opt-in-not-required"};
                     if (name == "zone-id") return std::vector<std::string>{"local-az1"};
                     return std::nullopt;
                   }));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array set;
            if (wanted)
              set.push_back(json::Object{{"zoneName", zone},
                                         {"zoneState", "available"},
                                         {"optInStatus", "opt-in-not-required"},
                                         {"messageSet", json::Array{}},
                                         {"regionName", call.realm.region},
                                         {"zoneId", "local-az1"},
                                         {"groupName", call.realm.region},
                                         {"networkBorderGroup", call.realm.region},
                                         {"zoneType", "availability-zone"}});
            return json::Object{{"availabilityZoneInfo", std::move(set)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
