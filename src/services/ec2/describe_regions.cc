// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
#include "services/ec2/operations.h"

#include <fmt/format.h>

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation describeRegions() {
  return {"DescribeRegions",
          [](const aws::Call& call) -> aws::Outcome {
            for (const auto& name : texts(call.input, "RegionName"))
              if (name != call.realm.region)
                return aws::refuse("InvalidParameterValue", fmt::format("Invalid region provided: [{}]", name));
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) -> std::optional<std::vector<std::string>> {
                     if (name == "region-name") return std::vector{call.realm.region};
                     if (name == "endpoint") return std::vector{"ec2." + call.realm.region + ".amazonaws.com"};
                     if (name == "opt-in-status") return std::vector<std::string>{"opt-in-not-required"};
                     return std::nullopt;
                   }));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array set;
            if (wanted)
              set.push_back(json::Object{{"regionName", call.realm.region},
                                         {"regionEndpoint", "ec2." + call.realm.region + ".amazonaws.com"},
                                         {"optInStatus", "opt-in-not-required"}});
            return json::Object{{"regionInfo", std::move(set)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
