// Universal targets: any operation of the APIs served here, spelled as the AWS SDK spells it.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"

namespace sp::services::scheduler {

class SdkCalls {
 public:
  virtual ~SdkCalls() = default;
  /// Whether `action` ("startBackupJob") of `service` ("backup") can be called.
  virtual bool knowsSdk(std::string_view service, std::string_view action) const = 0;
  /// Members that its input, or a structure in it, does not have.
  virtual std::vector<std::string> unknownOfSdk(std::string_view service, std::string_view action,
                                                const json::Object& parameters) const = 0;
  /// Calls it in the given transaction; a refusal leaves nothing behind. Calls with the same id are one call and its retries.
  virtual aws::Outcome callSdk(store::Txn& txn, std::string_view service, std::string_view action, const json::Object& parameters,
                               const std::string& id) = 0;
};

}  // namespace sp::services::scheduler
