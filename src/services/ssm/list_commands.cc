// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListCommands.html
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 50;

/// The newest commands that pass, from the page's position on.
std::vector<Command> collect(store::Txn& txn, const Commands& commands, const std::string& instance, const CommandFilters& filters,
                             ListPage& page, std::string& next) {
  std::vector<Command> found;
  while (found.size() <= page.limit) {
    auto position = page.position;
    std::vector<Command> batch;
    if (instance.empty()) batch = commands.newest(txn, position, 1);
    else
      for (const auto& each : commands.newestOn(txn, instance, position, 1))
        if (auto command = commands.find(txn, each.command_id)) batch.push_back(std::move(*command));
    if (position == page.position) break;
    if (!batch.empty() &&
        filters.passes(batch.front().requested, batch.front().status, batch.front().details, batch.front().document_name)) {
      if (found.size() == page.limit) {
        next = page.position;
        break;
      }
      found.push_back(std::move(batch.front()));
    }
    page.position = position;
  }
  return found;
}

}  // namespace

aws::Operation listCommands(Commands& commands, ec2::Instances& instances) {
  return {"ListCommands",
          [&commands, &instances](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "CommandId");
            const auto instance = json::textOr(call.input, "InstanceId");
            if (!instance.empty())
              if (auto unknown = unknownInstance(*call.txn, instances, instance)) return std::unexpected(std::move(*unknown));
            SP_TRY(const auto filters, readFilters(call.input, true));
            SP_TRY(auto page, readPage(call.input, "ListCommands", 1, kPage));
            json::Array list;
            if (!id.empty()) {
              const auto command = commands.find(*call.txn, id);
              const bool there = instance.empty() || commands.invocation(*call.txn, id, instance);
              if (command && there && filters.passes(command->requested, command->status, command->details, command->document_name))
                list.push_back(commandView(*command));
              return json::Object{{"Commands", std::move(list)}};
            }
            std::string next;
            for (const auto& command : collect(*call.txn, commands, instance, filters, page, next)) list.push_back(commandView(command));
            json::Object output{{"Commands", std::move(list)}};
            if (!next.empty()) output["NextToken"] = aws::makePageToken(page.bound_to, next);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
