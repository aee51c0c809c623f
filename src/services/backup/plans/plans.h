// Backup plans: what runs PrePostBackup by schedule, for the machines that its selections choose at that moment. Core thread only.
// https://docs.aws.amazon.com/aws-backup/latest/devguide/about-backup-plans.html
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/executions.h"
#include "services/backup/plans/plan_document.h"
#include "services/backup/plans/selection.h"
#include "services/context.h"

namespace sp::services::ec2 {
class Instances;
}

namespace sp::services::backup {

class Vaults;

/// PrePostBackup, as plans use it.
struct PlanRuns {
  /// Why it would refuse that input; "" if it would not.
  std::function<std::string(const json::Object& input)> refuses;
  /// An execution of that name: harmless when there is one already.
  std::function<std::expected<void, aws::ApiError>(store::Txn& txn, const std::string& name, const json::Object& input)> start;
  /// The execution's ARN.
  std::function<std::string(const std::string& name)> arn;
  /// Tells whoever listens to events that times of a rule were missed.
  std::function<void(store::Txn& txn, json::Object detail)> missed;
};

/// Record kind "backup_plan", key `id`; its earlier versions "backup_plan_version", key "ID/NUMBER".
struct Plan {
  std::string id;
  std::string version;
  /// Of all versions, from 1.
  std::int64_t number = 1;
  /// When this version was written.
  Instant created;
  std::string creator_request_id;
  TextMap tags;
  PlanDocument document;
  std::optional<Instant> deleted;
  std::optional<Instant> last_run;
  /// Since when nothing becomes due, and whose doing that is (an ARN).
  std::optional<Instant> paused;
  std::string paused_by;
  /// How often the clock's date was corrected: runs under the wrong dates are none of those of the right ones.
  std::int64_t era = 0;

  json::Object encode() const;
  static Result<Plan> decode(const json::Object& body);
};

enum class PlanChange { created, modified, deleted, paused, resumed };

/// Record kind "backup_selection", key "PLAN/ID".
struct PlanSelection {
  std::string id;
  std::string plan;
  Instant created;
  std::string creator_request_id;
  /// BackupSelection, as it was given.
  json::Object given;

  json::Object encode() const;
  static Result<PlanSelection> decode(const json::Object& body);
};

/// What a selection wants at this moment, without what an earlier one of its plan wants.
struct PlanChoice {
  PlanSelection selection;
  std::string name;
  std::string role;
  /// Instance ids.
  std::vector<std::string> machines;
  /// Those that it names by their ARNs and that are not there.
  std::vector<std::string> gone;
  /// No machine fits it, those that an earlier one has included.
  bool fits_none = true;
};

class Plans {
 public:
  /// Takes the core's timers: before it starts. All given outlive it.
  Plans(Context& context, const ec2::Instances& instances, const Vaults& vaults);
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;
  /// How runs are started; once, before the core starts.
  void attach(PlanRuns runs, runtime::Executions& executions);

  /// Deleted ones too.
  std::optional<Plan> find(store::Txn& txn, std::string_view id) const;
  std::optional<Plan> version(store::Txn& txn, std::string_view id, std::string_view version) const;
  /// By id, after `after`.
  std::vector<Plan> list(store::Txn& txn, std::string_view after, std::size_t limit, bool deleted) const;
  /// Newest first, with their keys.
  std::vector<std::pair<std::string, Plan>> versions(store::Txn& txn, std::string_view id, std::string_view before_key,
                                                     std::size_t limit) const;
  /// A new plan, or the one that an earlier call with the same CreatorRequestId made.
  std::expected<Plan, aws::ApiError> create(store::Txn& txn, PlanDocument document, std::string creator_request_id, TextMap tags);
  std::expected<Plan, aws::ApiError> update(store::Txn& txn, std::string_view id, PlanDocument document);
  std::expected<Plan, aws::ApiError> remove(store::Txn& txn, std::string_view id);
  /// Nothing of the plan becomes due until it is resumed, and what would have does not run afterwards; runs that have begun go on.
  /// Harmless when it is so already. `by`: who asks, an ARN.
  std::expected<Plan, aws::ApiError> pause(store::Txn& txn, std::string_view id, const std::string& by);
  std::expected<Plan, aws::ApiError> resume(store::Txn& txn, std::string_view id);
  /// In the transaction of each change. Before the core starts.
  using Listener = std::function<void(store::Txn&, const Plan&, PlanChange)>;
  void onChanged(Listener listener) { changed_ = std::move(listener); }

  std::expected<PlanSelection, aws::ApiError> select(store::Txn& txn, std::string_view plan, const json::Object& given,
                                                     std::string creator_request_id);
  std::optional<PlanSelection> selection(store::Txn& txn, std::string_view plan, std::string_view id) const;
  /// By id, after `after`.
  std::vector<PlanSelection> selections(store::Txn& txn, std::string_view plan, std::string_view after, std::size_t limit) const;
  void removeSelection(store::Txn& txn, const PlanSelection& selection) const;
  /// What each selection wants now, the one that was made first first.
  std::vector<PlanChoice> choose(store::Txn& txn, std::string_view plan) const;

  std::string arn(std::string_view id) const;

 private:
  std::optional<aws::ApiError> check(store::Txn& txn, const PlanDocument& document) const;
  void save(store::Txn& txn, const Plan& plan) const;
  void tell(store::Txn& txn, const Plan& plan, PlanChange change) const;
  /// Each rule's next run.
  void schedule(store::Txn& txn, const Plan& plan) const;
  void unschedule(store::Txn& txn, const Plan& plan) const;
  void schedule(store::Txn& txn, const Plan& plan, const PlanRule& rule) const;
  /// A clock that was put back: timers would come as late as it was ahead.
  void clockSet(store::Txn& txn, Duration by) const;
  void due(store::Txn& txn, const store::Timer& timer);
  /// One run for each selection that wants a machine which no earlier one wanted.
  void run(store::Txn& txn, const Plan& plan, const PlanRule& rule, Instant time);
  void start(store::Txn& txn, const std::string& name, const json::Object& order);

  Context& context_;
  const ec2::Instances& instances_;
  const Vaults& vaults_;
  PlanRuns runs_;
  Listener changed_;
};

/// Who made a job by which plan: BackupPlanId, BackupPlanArn, BackupPlanVersion and BackupRuleId, by the ARN of its run; empty: none.
TextMap planOfRun(store::Txn& txn, std::string_view execution);

}  // namespace sp::services::backup
