#include "services/backup/plans/plans.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/time_format.h"
#include "schedule/catch_up.h"
#include "services/backup/jobs.h"
#include "services/backup/shapes.h"
#include "services/backup/table.h"
#include "services/backup/vaults.h"
#include "services/ec2/instances.h"
#include "services/ran_record.h"

namespace sp::services::backup {
namespace {

constexpr std::string_view kPlanKind = "backup_plan";
constexpr std::string_view kVersionKind = "backup_plan_version";
constexpr std::string_view kSelectionKind = "backup_selection";
/// By execution: which plan it is a run of. Goes when the execution has ended.
constexpr std::string_view kRunKind = "backup_plan_run";
/// By plan and rule: which of its times have run.
constexpr std::string_view kRanKind = "backup_plan_ran";
constexpr std::string_view kTimer = "backup.plan";
/// A run that could not be started yet.
constexpr std::string_view kAgainTimer = "backup.plan_again";
constexpr Duration kAgain = std::chrono::minutes(1);
constexpr Duration kUnreadablePause = std::chrono::hours(1);
constexpr std::size_t kMostPlans = 100;
constexpr std::size_t kMostVersions = 2'000;
constexpr std::size_t kMostSelections = 100;
constexpr std::size_t kAll = 10'000;

aws::ApiError invalid(std::string message) { return apiError("InvalidParameterValueException", std::move(message)); }

aws::ApiError noPlan(std::string_view id) {
  return apiError("ResourceNotFoundException", fmt::format("Backup plan {} does not exist.", id));
}

std::string versionKey(std::string_view id, std::int64_t number) { return fmt::format("{}/{:06d}", id, number); }
std::string selectionKey(std::string_view plan, std::string_view id) { return fmt::format("{}/{}", plan, id); }

/// The same for each try of one run of one selection: nothing starts twice.
std::string nameOf(const Plan& plan, const PlanRule& rule, const PlanSelection& selection, Instant time) {
  const auto era = plan.era == 0 ? std::string() : fmt::format("\n{}", plan.era);
  const auto hash = sha256Hex(fmt::format("{}\n{}\n{}\n{}{}", plan.id, rule.id, selection.id, toMicros(time), era));
  auto stamp = toIso8601Seconds(time);
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("{}-{}-{}", plan.document.name.substr(0, 40), stamp, hash.substr(0, 16));
}

std::string expressionOf(const PlanRule& rule) { return fmt::format("{} {}", rule.schedule, rule.zone); }

}  // namespace

json::Object Plan::encode() const {
  json::Object tag_texts;
  for (const auto& [key, value] : tags) tag_texts[key] = value;
  json::Object out{
      {"id", id},          {"version", version},      {"number", number}, {"created", toMicros(created)}, {"creator", creator_request_id},
      {"tags", tag_texts}, {"plan", document.shape()}};
  if (deleted) out["deleted"] = toMicros(*deleted);
  if (last_run) out["lastRun"] = toMicros(*last_run);
  if (paused) {
    out["paused"] = toMicros(*paused);
    out["pausedBy"] = paused_by;
  }
  if (era > 0) out["era"] = era;
  return out;
}

Result<Plan> Plan::decode(const json::Object& body) {
  json::Reader reader(body, "backup_plan");
  Plan out;
  out.id = reader.text("id");
  out.version = reader.text("version");
  out.number = reader.integer("number");
  out.created = fromMicros(reader.integer("created"));
  out.creator_request_id = reader.text("creator");
  if (const auto* tags = reader.object("tags"); tags != nullptr)
    for (const auto& tag : *tags)
      if (tag.value().is_string()) out.tags[std::string(tag.key())] = json::toStd(tag.value().get_string());
  if (const auto deleted = reader.integerIf("deleted")) out.deleted = fromMicros(*deleted);
  if (const auto run = reader.integerIf("lastRun")) out.last_run = fromMicros(*run);
  if (const auto paused = reader.integerIf("paused")) out.paused = fromMicros(*paused);
  out.paused_by = reader.textIf("pausedBy").value_or("");
  out.era = reader.integerIf("era").value_or(0);
  const auto* plan = reader.object("plan");
  SP_CHECK_OK(reader.finish());
  auto document = parsePlan(*plan);
  if (!document) return fail("backup_plan.form", document.error().message);
  out.document = std::move(*document);
  return out;
}

json::Object PlanSelection::encode() const {
  return {{"id", id}, {"plan", plan}, {"created", toMicros(created)}, {"creator", creator_request_id}, {"selection", given}};
}

Result<PlanSelection> PlanSelection::decode(const json::Object& body) {
  json::Reader reader(body, "backup_selection");
  PlanSelection out;
  out.id = reader.text("id");
  out.plan = reader.text("plan");
  out.created = fromMicros(reader.integer("created"));
  out.creator_request_id = reader.text("creator");
  if (const auto* given = reader.object("selection"); given != nullptr) out.given = *given;
  SP_CHECK_OK(reader.finish());
  return out;
}

TextMap planOfRun(store::Txn& txn, std::string_view execution) {
  TextMap out;
  const auto body = txn.records().get(kRunKind, execution);
  const auto parsed = body ? json::parse(*body) : Result<json::Value>(json::Object());
  if (!parsed || !parsed->is_object()) return out;
  for (const auto& member : parsed->get_object())
    if (member.value().is_string()) out[std::string(member.key())] = json::toStd(member.value().get_string());
  return out;
}

Plans::Plans(Context& context, const ec2::Instances& instances, const Vaults& vaults)
    : context_(context), instances_(instances), vaults_(vaults) {
  context_.core.onTimer(std::string(kTimer), [this](store::Txn& txn, const store::Timer& timer) { due(txn, timer); });
  context_.core.onDatesSet([this](store::Txn& txn, Duration by) { clockSet(txn, by); });
  context_.core.onTimer(std::string(kAgainTimer), [this](store::Txn& txn, const store::Timer& timer) {
    if (const auto order = json::parse(timer.payload); order && order->is_object()) start(txn, timer.id, order->get_object());
  });
}

void Plans::attach(PlanRuns runs, runtime::Executions& executions) {
  runs_ = std::move(runs);
  executions.onEnd([](store::Txn& txn, const store::ExecutionRow& row) { txn.records().erase(kRunKind, row.arn); });
}

std::string Plans::arn(std::string_view id) const { return context_.realm.arn("backup", fmt::format("backup-plan:{}", id)); }

std::optional<Plan> Plans::find(store::Txn& txn, std::string_view id) const {
  const auto body = txn.records().get(kPlanKind, id);
  return body ? decodeRecord<Plan>(kPlanKind, std::string(id), *body) : std::nullopt;
}

std::optional<Plan> Plans::version(store::Txn& txn, std::string_view id, std::string_view version) const {
  for (auto& [key, plan] : versions(txn, id, "", kMostVersions))
    if (plan.version == version) return std::move(plan);
  return std::nullopt;
}

std::vector<Plan> Plans::list(store::Txn& txn, std::string_view after, std::size_t limit, bool deleted) const {
  std::vector<Plan> out;
  std::string position(after);
  while (out.size() < limit) {
    const auto records = txn.records().scan(kPlanKind, "", position, limit);
    for (const auto& record : records) {
      position = record.key;
      auto plan = decodeRecord<Plan>(kPlanKind, record.key, record.body);
      if (plan && (deleted || !plan->deleted) && out.size() < limit) out.push_back(std::move(*plan));
    }
    if (records.size() < limit) break;
  }
  return out;
}

std::vector<std::pair<std::string, Plan>> Plans::versions(store::Txn& txn, std::string_view id, std::string_view before_key,
                                                          std::size_t limit) const {
  std::vector<std::pair<std::string, Plan>> out;
  for (const auto& record : txn.records().scanBack(kVersionKind, fmt::format("{}/", id), before_key, limit))
    if (auto plan = decodeRecord<Plan>(kVersionKind, record.key, record.body)) out.emplace_back(record.key, std::move(*plan));
  return out;
}

std::optional<aws::ApiError> Plans::check(store::Txn& txn, const PlanDocument& document) const {
  for (const auto& rule : document.rules) {
    if (auto refused = checkRule(rule)) return refused;
    if (!vaults_.find(txn, rule.vault)) return invalid(fmt::format("TargetBackupVaultName '{}': there is no such vault.", rule.vault));
    // Any machine and any role: whether its scripts would be taken.
    const auto input = runInput(document, rule, context_.realm.arn("iam", "role/any"), {"i-00000000000000000"});
    if (const auto why = runs_.refuses(input); !why.empty()) return invalid(fmt::format("Rule '{}': {}", rule.name, why));
  }
  return std::nullopt;
}

void Plans::save(store::Txn& txn, const Plan& plan) const {
  const auto text = json::toText(plan.encode());
  txn.records().put(kPlanKind, plan.id, text);
  txn.records().put(kVersionKind, versionKey(plan.id, plan.number), text);
}

std::expected<Plan, aws::ApiError> Plans::create(store::Txn& txn, PlanDocument document, std::string creator_request_id, TextMap tags) {
  const auto others = list(txn, "", kMostPlans + 1, false);
  for (const auto& other : others) {
    if (!creator_request_id.empty() && other.creator_request_id == creator_request_id) return other;
    if (other.document.name != document.name) continue;
    auto plain = other.document;
    for (auto& rule : plain.rules) rule.id.clear();
    for (auto& rule : document.rules) rule.id.clear();
    if (plain.shape() != document.shape()) continue;
    auto error = apiError("AlreadyExistsException", "Backup plan with the same plan document already exists");
    error.extra["Arn"] = arn(other.id);
    error.extra["CreatorRequestId"] = other.creator_request_id;
    return std::unexpected(std::move(error));
  }
  if (others.size() >= kMostPlans)
    return std::unexpected(
        apiError("LimitExceededException", fmt::format("There are {} backup plans already, the most there may be.", kMostPlans)));
  if (auto refused = check(txn, document)) return std::unexpected(std::move(*refused));
  Plan plan;
  plan.id = context_.random.uuid();
  plan.version = context_.random.uuid();
  plan.created = txn.now();
  plan.creator_request_id = std::move(creator_request_id);
  plan.tags = std::move(tags);
  plan.document = std::move(document);
  for (auto& rule : plan.document.rules) rule.id = context_.random.uuid();
  save(txn, plan);
  schedule(txn, plan);
  tell(txn, plan, PlanChange::created);
  return plan;
}

std::expected<Plan, aws::ApiError> Plans::update(store::Txn& txn, std::string_view id, PlanDocument document) {
  auto plan = find(txn, id);
  if (!plan || plan->deleted) return std::unexpected(noPlan(id));
  if (auto refused = check(txn, document)) return std::unexpected(std::move(*refused));
  if (plan->number >= static_cast<std::int64_t>(kMostVersions))
    return std::unexpected(invalid(fmt::format("Backup plan {} has {} versions, the most there may be.", id, kMostVersions)));
  // A rule goes by its name: it keeps its id.
  for (auto& rule : document.rules) {
    const auto before = std::ranges::find_if(plan->document.rules, [&](const PlanRule& other) { return other.name == rule.name; });
    rule.id = before == plan->document.rules.end() ? context_.random.uuid() : before->id;
  }
  for (const auto& rule : plan->document.rules) {
    const auto key = selectionKey(plan->id, rule.id);
    const auto* now = document.rule(rule.id);
    if (now == nullptr) txn.records().erase(kRanKind, key);
    if (now == nullptr || expressionOf(*now) != expressionOf(rule)) txn.timers().drop(kTimer, key);
  }
  plan->document = std::move(document);
  plan->version = context_.random.uuid();
  plan->created = txn.now();
  ++plan->number;
  save(txn, *plan);
  schedule(txn, *plan);
  tell(txn, *plan, PlanChange::modified);
  return std::move(*plan);
}

std::expected<Plan, aws::ApiError> Plans::remove(store::Txn& txn, std::string_view id) {
  auto plan = find(txn, id);
  if (!plan || plan->deleted) return std::unexpected(noPlan(id));
  if (!selections(txn, id, "", 1).empty())
    return std::unexpected(
        apiError("InvalidRequestException", "Related backup plan selections must be deleted prior to backup plan deletion"));
  unschedule(txn, *plan);
  for (const auto& rule : plan->document.rules) txn.records().erase(kRanKind, selectionKey(plan->id, rule.id));
  plan->deleted = txn.now();
  save(txn, *plan);
  tell(txn, *plan, PlanChange::deleted);
  return std::move(*plan);
}

std::expected<Plan, aws::ApiError> Plans::pause(store::Txn& txn, std::string_view id, const std::string& by) {
  auto plan = find(txn, id);
  if (!plan || plan->deleted) return std::unexpected(noPlan(id));
  if (plan->paused) return std::move(*plan);
  unschedule(txn, *plan);
  plan->paused = txn.now();
  plan->paused_by = by;
  save(txn, *plan);
  tell(txn, *plan, PlanChange::paused);
  return std::move(*plan);
}

std::expected<Plan, aws::ApiError> Plans::resume(store::Txn& txn, std::string_view id) {
  auto plan = find(txn, id);
  if (!plan || plan->deleted) return std::unexpected(noPlan(id));
  if (!plan->paused) return std::move(*plan);
  plan->paused.reset();
  plan->paused_by.clear();
  save(txn, *plan);
  schedule(txn, *plan);
  tell(txn, *plan, PlanChange::resumed);
  return std::move(*plan);
}

void Plans::tell(store::Txn& txn, const Plan& plan, PlanChange change) const {
  if (changed_) changed_(txn, plan, change);
}

std::expected<PlanSelection, aws::ApiError> Plans::select(store::Txn& txn, std::string_view plan, const json::Object& given,
                                                          std::string creator_request_id) {
  const auto found = find(txn, plan);
  // CreateBackupSelection has no error for a resource that is not there.
  if (!found || found->deleted) return std::unexpected(invalid(fmt::format("Backup plan {} does not exist.", plan)));
  const auto parsed = Selection::parse(given, context_.realm);
  if (!parsed) return std::unexpected(parsed.error());
  const auto others = selections(txn, plan, "", kMostSelections + 1);
  for (const auto& other : others) {
    if (!creator_request_id.empty() && other.creator_request_id == creator_request_id) return other;
    if (json::textOr(other.given, "SelectionName") == parsed->name())
      return std::unexpected(apiError("AlreadyExistsException", fmt::format("The plan has a selection named {} already.", parsed->name())));
  }
  if (others.size() >= kMostSelections)
    return std::unexpected(
        apiError("LimitExceededException", fmt::format("The plan has {} selections, the most there may be.", kMostSelections)));
  auto kept = only(given, {"SelectionName", "IamRoleArn", "Resources", "NotResources", "ListOfTags", "Conditions"});
  PlanSelection out{context_.random.uuid(), std::string(plan), txn.now(), std::move(creator_request_id), std::move(kept)};
  txn.records().put(kSelectionKind, selectionKey(plan, out.id), json::toText(out.encode()));
  return out;
}

std::optional<PlanSelection> Plans::selection(store::Txn& txn, std::string_view plan, std::string_view id) const {
  const auto key = selectionKey(plan, id);
  const auto body = txn.records().get(kSelectionKind, key);
  return body ? decodeRecord<PlanSelection>(kSelectionKind, key, *body) : std::nullopt;
}

std::vector<PlanSelection> Plans::selections(store::Txn& txn, std::string_view plan, std::string_view after, std::size_t limit) const {
  std::vector<PlanSelection> out;
  const auto position = after.empty() ? std::string() : selectionKey(plan, after);
  for (const auto& record : txn.records().scan(kSelectionKind, fmt::format("{}/", plan), position, limit))
    if (auto selection = decodeRecord<PlanSelection>(kSelectionKind, record.key, record.body)) out.push_back(std::move(*selection));
  return out;
}

void Plans::removeSelection(store::Txn& txn, const PlanSelection& selection) const {
  txn.records().erase(kSelectionKind, selectionKey(selection.plan, selection.id));
}

void Plans::schedule(store::Txn& txn, const Plan& plan) const {
  if (plan.paused) return;
  for (const auto& rule : plan.document.rules) schedule(txn, plan, rule);
}

void Plans::schedule(store::Txn& txn, const Plan& plan, const PlanRule& rule) const {
  const auto recurrence = recurrenceOf(rule);
  if (!recurrence) return;
  const auto key = selectionKey(plan.id, rule.id);
  if (comeTimer(txn, kTimer, key)) return;
  const auto ran = readRan(txn, kRanKind, key, expressionOf(rule));
  const auto next = ran.next([&](Instant after) { return recurrence->next(after); }, txn.now());
  if (next) txn.timers().set({std::string(kTimer), key, *next, ""});
}

void Plans::clockSet(store::Txn& txn, Duration by) const {
  if (by >= Duration(0)) return;
  for (auto& plan : list(txn, "", kMostPlans, false)) {
    if (-by > schedule::kOtherDates) {
      for (const auto& rule : plan.document.rules) txn.records().erase(kRanKind, selectionKey(plan.id, rule.id));
      ++plan.era;
      save(txn, plan);
    }
    schedule(txn, plan);
  }
}

void Plans::unschedule(store::Txn& txn, const Plan& plan) const {
  for (const auto& rule : plan.document.rules) txn.timers().drop(kTimer, selectionKey(plan.id, rule.id));
}

// The runs and the rule's next time are one commit.
void Plans::due(store::Txn& txn, const store::Timer& timer) {
  const auto slash = timer.id.find('/');
  auto plan = find(txn, timer.id.substr(0, slash));
  const auto* rule = plan && !plan->deleted && !plan->paused ? plan->document.rule(timer.id.substr(slash + 1)) : nullptr;
  if (rule == nullptr) return;
  const auto recurrence = recurrenceOf(*rule);
  if (!recurrence) {
    // Its time zone may come back with tzdata.
    log::error("a rule of a backup plan cannot be read", {{"plan", plan->id}, {"rule", rule->name}, {"error", recurrence.error().text()}});
    return txn.timers().set({std::string(kTimer), timer.id, txn.now() + kUnreadablePause, ""});
  }
  const schedule::NextTime times = [&](Instant after) { return recurrence->next(after); };
  auto ran = readRan(txn, kRanKind, timer.id, expressionOf(*rule));
  const auto caught = ran.catchUp(times, timer.due, txn.now());
  if (const auto next = caught ? caught->next : ran.next(times, timer.due)) txn.timers().set({std::string(kTimer), timer.id, *next, ""});
  // The clock was put back before, and on again over times that it had shown.
  if (!caught) return;
  ran.add(times, caught->run);
  saveRan(txn, kRanKind, timer.id, expressionOf(*rule), ran);
  if (caught->missed > 0) {
    log::warn("runs of a backup plan were missed; the latest is made up for", {{"plan", plan->id},
                                                                               {"rule", rule->name},
                                                                               {"missed", static_cast<std::int64_t>(caught->missed)},
                                                                               {"first", toIso8601Seconds(timer.due)}});
    runs_.missed(txn, {{"plan", arn(plan->id)},
                       {"rule", rule->name},
                       {"missed", caught->missed},
                       {"first", toIso8601Seconds(timer.due)},
                       {"made-up-for", toIso8601Seconds(caught->run)}});
  }
  run(txn, *plan, *rule, caught->run);
  plan->last_run = caught->run;
  save(txn, *plan);
  static_cast<void>(failpoint::hit("backup.plan_due"));
}

std::vector<PlanChoice> Plans::choose(store::Txn& txn, std::string_view plan) const {
  const auto machines = instances_.all(txn);
  std::set<std::string> taken;
  std::vector<PlanChoice> out;
  auto all = selections(txn, plan, "", kAll);
  std::ranges::sort(all, {}, &PlanSelection::created);
  for (auto& selection : all) {
    const auto parsed = Selection::parse(selection.given, context_.realm);
    if (!parsed) {
      log::error("a selection of a backup plan cannot be read",
                 {{"plan", plan}, {"selection", selection.id}, {"error", parsed.error().message}});
      continue;
    }
    std::vector<std::string> wanted;
    bool none = true;
    for (const auto& machine : machines) {
      if (machine.isGone() || !parsed->wants(context_.realm.arn("ec2", "instance/" + machine.id), machine.tags)) continue;
      none = false;
      if (!taken.contains(machine.id)) wanted.push_back(machine.id);
    }
    taken.insert(wanted.begin(), wanted.end());
    std::vector<std::string> gone;
    for (const auto& resource : parsed->resources()) {
      const auto named = instanceOfArn(resource, context_.realm);
      const auto found = named ? instances_.find(txn, *named) : std::nullopt;
      if (named && (!found || found->isGone())) gone.push_back(*named);
    }
    out.push_back({std::move(selection), parsed->name(), parsed->role(), std::move(wanted), std::move(gone), none});
  }
  return out;
}

void Plans::run(store::Txn& txn, const Plan& plan, const PlanRule& rule, Instant time) {
  for (const auto& choice : choose(txn, plan.id)) {
    if (choice.machines.empty()) {
      log::info("a selection of a backup plan wants no machine now", {{"plan", plan.id}, {"rule", rule.name}, {"selection", choice.name}});
      continue;
    }
    const auto until = txn.now() + std::chrono::minutes(rule.start_window.value_or(kStartWindowDefault));
    const json::Object of{
        {"BackupPlanId", plan.id}, {"BackupPlanArn", arn(plan.id)}, {"BackupPlanVersion", plan.version}, {"BackupRuleId", rule.id}};
    start(txn, nameOf(plan, rule, choice.selection, time),
          {{"input", runInput(plan.document, rule, choice.role, choice.machines)}, {"of", of}, {"until", toMicros(until)}});
  }
}

void Plans::start(store::Txn& txn, const std::string& name, const json::Object& order) {
  const auto execution = runs_.arn(name);
  const auto& of = order.at("of").get_object();
  // Paused or deleted while it was tried again.
  if (const auto plan = find(txn, json::textOr(of, "BackupPlanId")); !plan || plan->paused || plan->deleted)
    return log::info("a run of a backup plan is not tried again: the plan is paused or deleted", {{"execution", execution}});
  std::expected<void, aws::ApiError> started;
  txn.nested([&] {
    // Before it begins: its first step may start jobs already.
    txn.records().put(kRunKind, execution, json::toText(of));
    started = runs_.start(txn, name, order.at("input").get_object());
    return started.has_value();
  });
  if (started) return;
  const auto& error = started.error();
  const bool again = txn.now() + kAgain < fromMicros(json::intOr(order, "until", 0));
  log::warn("a run of a backup plan could not be started",
            {{"execution", execution}, {"error", error.code}, {"message", error.message}, {"again", again}});
  if (again) txn.timers().set({std::string(kAgainTimer), name, txn.now() + kAgain, json::toText(order)});
}

}  // namespace sp::services::backup
