// SendCommand's input, checked as far as that needs no store.
// AWS: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html
#pragma once
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "aws/api_error.h"
#include "json/json.h"

namespace sp::services::ssm {

/// One of Targets: all of them must hold (AND), any value of one will do (OR).
struct Target {
  /// "InstanceIds", or the tag's key.
  std::string key;
  bool is_tag = false;
  std::vector<std::string> values;
};

struct SendInput {
  std::string document;
  std::string version;
  std::string comment;
  json::Object parameters;
  /// What the document's hash must be; empty: not asked.
  std::string hash;
  std::vector<std::string> instance_ids;
  std::vector<Target> targets;
  json::Array raw_targets;
  std::int64_t timeout_seconds = 3600;
  std::string max_concurrency = "50";
  std::string max_errors = "0";
  std::string output_bucket;
  std::string output_prefix;
  std::string output_region;
  std::string service_role;
  json::Object notification;
  json::Object cloudwatch;
};

/// ValidationException, DuplicateInstanceId, InvalidRole, InvalidNotificationConfig, MaxDocumentSizeExceeded. The document itself is not
/// looked at.
std::expected<SendInput, aws::ApiError> readSendInput(const json::Object& input);

/// "1 validation error detected: Value 'v' at 'path' failed to satisfy constraint: Member must …"
std::unexpected<aws::ApiError> constraint(std::string_view value, std::string_view path, std::string_view must);

}  // namespace sp::services::ssm
