// Commands and invocations in the API's words.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "services/ssm/commands.h"

namespace sp::services::ssm {

json::Object commandView(const Command& command);
/// What SendCommand answers: nothing has happened yet, whatever has.
json::Object freshCommandView(const Command& command);
/// `details`: with CommandPlugins.
json::Object invocationView(const Commands& commands, const Command& command, const Invocation& invocation, std::string_view host,
                            bool details, const Realm& realm);
/// Where a stream of a step lies in S3, as a URL; empty if the command stores no output.
std::string outputUrl(const Command& command, const Invocation& invocation, const StepRecord& step, std::string_view stream,
                      const Realm& realm);
json::Object notificationView(const json::Object& given);
json::Object cloudwatchView(const json::Object& given);

/// Filters of ListCommands and ListCommandInvocations.
struct CommandFilters {
  std::optional<Instant> after;
  std::optional<Instant> before;
  std::string status;
  std::string document;
  /// "Executing" or "Complete"; ListCommands only.
  std::string stage;

  bool passes(Instant requested, std::string_view status_now, std::string_view details_now, std::string_view document_name) const;
};
/// InvalidFilterKey, ValidationException.
std::expected<CommandFilters, aws::ApiError> readFilters(const json::Object& input, bool stage_allowed);

struct ListPage {
  std::size_t limit = 0;
  std::string position;
  std::string bound_to;
};
/// MaxResults (`least`..50, else `otherwise`) and NextToken, bound to all other arguments. ValidationException, InvalidNextToken.
std::expected<ListPage, aws::ApiError> readPage(const json::Object& input, std::string_view operation, std::int64_t least,
                                                std::size_t otherwise);

/// InvalidInstanceId unless that machine exists.
std::optional<aws::ApiError> unknownInstance(store::Txn& txn, const ec2::Instances& instances, std::string_view id);

}  // namespace sp::services::ssm
