// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeTags.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

namespace {

std::optional<std::vector<std::string>> filterOf(const std::string& id, const std::string& key, const std::string& value,
                                                 std::string_view name) {
  if (name == "key") return std::vector{key};
  if (name == "value") return std::vector{value};
  if (name == "resource-id") return std::vector{id};
  if (name == "resource-type") return std::vector<std::string>{"instance"};
  if (name.starts_with("tag:")) return name.substr(4) == key ? std::vector{value} : std::vector<std::string>{};
  return std::nullopt;
}

}  // namespace

aws::Operation describeTags(Instances& instances) {
  return {"DescribeTags",
          [&instances](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const auto page, readPage(call, "DescribeTags", 5, false));
            SP_TRY([[maybe_unused]] const bool known, passes(filters, [](std::string_view name) { return filterOf("", "", "", name); }));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Object output;
            json::Array set;
            std::string last;
            for (const auto& instance : instances.all(*call.txn)) {
              for (const auto& [key, value] : instance.tags) {
                const auto position = instance.id + "/" + key;
                if (position <= page.after) continue;
                SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) { return filterOf(instance.id, key, value, name); }));
                if (!wanted) continue;
                if (page.limit > 0 && set.size() == page.limit) {
                  setNext(output, page, last);
                  output["tagSet"] = std::move(set);
                  return output;
                }
                set.push_back(json::Object{{"resourceId", instance.id}, {"resourceType", "instance"}, {"key", key}, {"value", value}});
                last = position;
              }
            }
            output["tagSet"] = std::move(set);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ec2
