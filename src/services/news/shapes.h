// What the events of Stillpoint's own services say: each a record as AWS's event of that kind tells it. Pure.
// https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html,
// https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html,
// https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html,
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-instance-state-changes.html
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "model/arn.h"
#include "model/instance.h"
#include "quiesce/debt.h"
#include "services/backup/records.h"
#include "services/ssm/records.h"

namespace sp::services::news {

/// An event without what all events have.
struct Told {
  std::string_view source;
  std::string_view type;
  /// ARNs.
  std::vector<std::string> resources;
  json::Object detail;
};

inline constexpr std::string_view kStates = "aws.states";
inline constexpr std::string_view kEc2 = "aws.ec2";
inline constexpr std::string_view kSsm = "aws.ssm";
inline constexpr std::string_view kBackup = "aws.backup";
inline constexpr std::string_view kDebts = "stillpoint.debts";
inline constexpr std::string_view kRuns = "stillpoint.runs";

inline constexpr std::string_view kExecutionChange = "Step Functions Execution Status Change";
inline constexpr std::string_view kInstanceChange = "EC2 Instance State-change Notification";
inline constexpr std::string_view kCommandChange = "EC2 Command Status-change Notification";
inline constexpr std::string_view kInvocationChange = "EC2 Command Invocation Status-change Notification";
inline constexpr std::string_view kJobChange = "Backup Job State Change";
inline constexpr std::string_view kRestoreChange = "Restore Job State Change";
inline constexpr std::string_view kPointChange = "Recovery Point State Change";
inline constexpr std::string_view kVaultChange = "Backup Vault State Change";
inline constexpr std::string_view kPlanChange = "Backup Plan State Change";
inline constexpr std::string_view kMachineSkipped = "Machine Skipped";

/// Input and output are left out where they are longer than this as texts in JSON: AWS's limit of an event is 256 KiB.
inline constexpr std::size_t kMostEscaped = 248U << 10U;

/// An execution as DescribeExecution tells it.
struct ExecutionView {
  std::string arn;
  std::string machine_arn;
  std::string name;
  std::string status;
  Instant started;
  std::optional<Instant> stopped;
  /// JSON texts.
  std::optional<std::string> input;
  std::optional<std::string> output;
  std::optional<std::string> error;
  std::optional<std::string> cause;
  std::int64_t redrives = 0;
  std::optional<Instant> redriven;
  bool redrivable = false;
  /// Why it is not.
  std::string redrive_reason;
};

/// `paused`: nullopt but for a pause or its end, which AWS does not have: they are MODIFIED, and tell it in a member of ours.
Told planChange(const std::string& plan, const std::string& version, std::string_view state, Instant at, std::optional<bool> paused,
                const Realm& realm);

/// A machine that a run left alone because its start window passed.
struct SkippedView {
  std::string execution;
  std::string instance;
  std::int64_t minutes = 0;
  /// "run:EXECUTION_ARN", "job:ID"; empty: nobody held it.
  std::string held_by;
  std::string message;
  /// Of a plan's run: the job that expired.
  std::string job;
};

Told executionChange(const ExecutionView& execution);
Told instanceChange(const Instance& instance, const Realm& realm);
/// `targets`: the machines it was sent to; the first hundred are named.
Told commandChange(const ssm::Command& command, const std::vector<std::string>& targets, const Realm& realm);
Told invocationChange(const ssm::Invocation& invocation, const Realm& realm);
Told jobChange(const backup::Job& job, const Realm& realm);
Told restoreChange(const backup::RestoreJob& job, const std::optional<backup::RecoveryPoint>& point, const Realm& realm);
Told pointChange(const backup::RecoveryPoint& point, const Realm& realm);
/// `state`: CREATED or DELETED.
Told vaultChange(const std::string& vault, std::string_view state, const Realm& realm);

Told machineSkipped(const SkippedView& skipped, const Realm& realm);

/// "Debt Opened", "Debt Suspended", "Debt Resumed", "Debt Paid", "Debt Voided"; "Debt Payment Failed" when a payment has just `failed` and
/// will be tried again. Empty: the change is not worth an event. `before`: as it was; nullptr: there was none.
std::string_view debtNews(const quiesce::Debt* before, const quiesce::Debt& now, bool failed);
Told debtChange(std::string_view type, const quiesce::Debt& debt, const Realm& realm);

}  // namespace sp::services::news
