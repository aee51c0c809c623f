// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceStatus.html
#include "services/ec2/operations.h"

#include "services/ec2/input.h"

namespace sp::services::ec2 {

namespace {

struct Health {
  std::string_view status;
  std::string_view reachability;
};

/// What the machine itself says: its agent is connected or it is not.
Health healthOf(const Context& context, const Instance& instance) {
  if (instance.state != InstanceState::running) return {"not-applicable", ""};
  return context.agents.connected(instance.id) ? Health{"ok", "passed"} : Health{"initializing", "initializing"};
}

json::Object healthMember(const Health& health) {
  json::Array details;
  if (!health.reachability.empty()) details.push_back(json::Object{{"name", "reachability"}, {"status", health.reachability}});
  return {{"status", health.status}, {"details", std::move(details)}};
}

std::optional<std::vector<std::string>> statusFilter(const Context& context, const Instance& instance, const Realm& realm,
                                                     std::string_view name) {
  const auto health = healthOf(context, instance);
  const bool running = instance.state == InstanceState::running;
  if (name == "instance-status.status") return std::vector{std::string(health.status)};
  if (name == "instance-status.reachability") return std::vector{std::string(health.reachability)};
  if (name == "system-status.status") return std::vector<std::string>{running ? "ok" : "not-applicable"};
  if (name == "system-status.reachability") return std::vector<std::string>{running ? "passed" : ""};
  if (name.starts_with("event.")) return std::vector<std::string>{};
  if (name == "availability-zone" || name == "instance-state-name" || name == "instance-state-code")
    return instanceFilter(instance, realm, name);
  return std::nullopt;
}

}  // namespace

aws::Operation describeInstanceStatus(Context& context, Instances& instances) {
  return {"DescribeInstanceStatus",
          [&context, &instances](const aws::Call& call) -> aws::Outcome {
            const auto ids = texts(call.input, "InstanceId");
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const auto page, readPage(call, "DescribeInstanceStatus", 5, !ids.empty()));
            auto candidates =
                ids.empty() ? Checked<std::vector<Instance>>(instances.all(*call.txn)) : findInstances(*call.txn, instances, ids);
            if (!candidates) return std::unexpected(std::move(candidates.error()));
            SP_TRY([[maybe_unused]] const bool known,
                   passes(filters, [&](std::string_view name) { return statusFilter(context, Instance{}, call.realm, name); }));
            if (flag(call.input, "DryRun")) return dryRun();
            const bool everyone = flag(call.input, "IncludeAllInstances");
            json::Object output;
            json::Array set;
            for (const auto& instance : *candidates) {
              if (instance.id <= page.after || (!everyone && instance.state != InstanceState::running)) continue;
              SP_TRY(const bool wanted,
                     passes(filters, [&](std::string_view name) { return statusFilter(context, instance, call.realm, name); }));
              if (!wanted) continue;
              if (page.limit > 0 && set.size() == page.limit) {
                setNext(output, page, json::textOr(set.back().get_object(), "instanceId"));
                break;
              }
              const bool running = instance.state == InstanceState::running;
              set.push_back(json::Object{{"instanceId", instance.id},
                                         {"availabilityZone", availabilityZone(call.realm)},
                                         {"instanceState", stateMember(instance.state)},
                                         {"systemStatus", healthMember(running ? Health{"ok", "passed"} : Health{"not-applicable", ""})},
                                         {"instanceStatus", healthMember(healthOf(context, instance))}});
            }
            output["instanceStatusSet"] = std::move(set);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ec2
