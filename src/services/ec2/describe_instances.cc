// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

aws::Operation describeInstances(Instances& instances) {
  return {"DescribeInstances",
          [&instances](const aws::Call& call) -> aws::Outcome {
            const auto ids = texts(call.input, "InstanceId");
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const auto page, readPage(call, "DescribeInstances", 5, !ids.empty()));
            auto candidates =
                ids.empty() ? Checked<std::vector<Instance>>(instances.all(*call.txn)) : findInstances(*call.txn, instances, ids);
            if (!candidates) return std::unexpected(std::move(candidates.error()));
            // A filter that does not exist is an error also when there is no machine to try it on.
            SP_TRY([[maybe_unused]] const bool known,
                   passes(filters, [&](std::string_view name) { return instanceFilter(Instance{}, call.realm, name); }));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Object output;
            json::Array reservations;
            for (const auto& instance : *candidates) {
              if (instance.id <= page.after) continue;
              SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) { return instanceFilter(instance, call.realm, name); }));
              if (!wanted) continue;
              if (page.limit > 0 && reservations.size() == page.limit) {
                setNext(output, page,
                        json::textOr(reservations.back().get_object().at("instancesSet").get_array()[0].get_object(), "instanceId"));
                break;
              }
              reservations.push_back(json::Object{{"reservationId", instance.reservation_id},
                                                  {"ownerId", call.realm.account},
                                                  {"groupSet", json::Array{}},
                                                  {"instancesSet", json::Array{describe(instance, call.realm)}}});
            }
            output["reservationSet"] = std::move(reservations);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ec2
