// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommandInvocations.html
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

// Callers that never page (the AWS sample among them) lose what stands on later pages: without MaxResults all comes at once.
constexpr std::size_t kUnasked = 1000;

/// Position: "ORDER|INSTANCE" of the last one given.
struct Walk {
  Commands& commands;
  ec2::Instances& instances;
  const aws::Call& call;
  CommandFilters filters;
  ListPage page;
  bool details = false;
  json::Array list;
  std::string last;
  bool more = false;

  /// False when the page is full.
  bool add(const Command& command, const Invocation& invocation, const std::string& position) {
    if (!filters.passes(invocation.requested, commands.shownStatus(invocation), commands.shownDetails(invocation),
                        invocation.document_name))
      return true;
    if (list.size() == page.limit) {
      more = true;
      return false;
    }
    const auto instance = instances.find(*call.txn, invocation.instance_id);
    list.push_back(invocationView(commands, command, invocation, instance ? instance->hostname : "", details, call.realm));
    last = position;
    return true;
  }

  void ofCommand(const std::string& id, const std::string& only_instance) {
    const auto command = commands.find(*call.txn, id);
    if (!command) return;
    for (const auto& each : commands.invocations(*call.txn, id)) {
      if (!only_instance.empty() && each.instance_id != only_instance) continue;
      if (each.instance_id <= page.position) continue;
      if (!add(*command, each, each.instance_id)) return;
    }
  }

  void ofInstance(const std::string& instance) {
    auto position = page.position;
    while (true) {
      const auto batch = commands.newestOn(*call.txn, instance, position, 1);
      if (batch.empty()) return;
      const auto command = commands.find(*call.txn, batch.front().command_id);
      if (command && !add(*command, batch.front(), position)) return;
    }
  }

  void ofAll() {
    const auto bar = page.position.find('|');
    auto position = page.position.substr(0, bar);
    // The position's command first: the page may have ended within it.
    auto after = bar == std::string::npos ? std::string() : page.position.substr(bar + 1);
    if (!after.empty()) {
      const auto id = position.substr(position.rfind('/') + 1);
      if (const auto command = commands.find(*call.txn, id))
        for (const auto& each : commands.invocations(*call.txn, id))
          if (each.instance_id > after && !add(*command, each, position + "|" + each.instance_id)) return;
    }
    while (true) {
      const auto batch = commands.newest(*call.txn, position, 1);
      if (batch.empty()) return;
      for (const auto& each : commands.invocations(*call.txn, batch.front().id))
        if (!add(batch.front(), each, position + "|" + each.instance_id)) return;
    }
  }
};

}  // namespace

aws::Operation listCommandInvocations(Context& /*context*/, Commands& commands, ec2::Instances& instances) {
  return {"ListCommandInvocations",
          [&commands, &instances](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "CommandId");
            const auto instance = json::textOr(call.input, "InstanceId");
            if (!instance.empty())
              if (auto unknown = unknownInstance(*call.txn, instances, instance)) return std::unexpected(std::move(*unknown));
            SP_TRY(auto filters, readFilters(call.input, false));
            SP_TRY(auto page, readPage(call.input, "ListCommandInvocations", 1, kUnasked));
            Walk walk{commands, instances, call, std::move(filters), std::move(page), json::boolOr(call.input, "Details", false),
                      {},       {},        false};
            if (!id.empty()) walk.ofCommand(id, instance);
            else if (!instance.empty()) walk.ofInstance(instance);
            else walk.ofAll();
            json::Object output{{"CommandInvocations", std::move(walk.list)}};
            if (walk.more) output["NextToken"] = aws::makePageToken(walk.page.bound_to, walk.last);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
