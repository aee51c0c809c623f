// What a schedule may start: state machines, event buses, and operations of the APIs served here.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "services/scheduler/records.h"
#include "services/scheduler/sdk_calls.h"

namespace sp::services::scheduler {

/// "arn:aws:scheduler:::aws-sdk:backup:startBackupJob" taken apart.
struct SdkTarget {
  std::string service;
  std::string action;
};
std::optional<SdkTarget> sdkTargetOf(std::string_view arn);

/// The Target of a request as it is kept, with its RetryPolicy's defaults; ValidationException. `before`: the schedule that is updated,
/// null: it is made; members that the call does not have may stay in an Input that stays as it was.
Checked<json::Object> readTarget(const Realm& realm, const SdkCalls* sdk, const json::Object& input, const json::Object* before);

}  // namespace sp::services::scheduler
