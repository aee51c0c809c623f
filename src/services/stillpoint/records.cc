#include "services/stillpoint/records.h"

#include <algorithm>

#include "base/log.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::size_t kPage = 1000;

void putTime(json::Object& out, std::string_view key, const std::optional<Instant>& at) {
  if (at) out[key] = toMicros(*at);
}

std::optional<Instant> timeIf(const json::Object& from, std::string_view key) {
  if (json::find(from, key) == nullptr) return std::nullopt;
  return fromMicros(json::intOr(from, key, 0));
}

json::Array listOf(const std::vector<std::string>& texts) {
  json::Array list;
  for (const auto& text : texts) list.emplace_back(text);
  return list;
}

std::vector<std::string> textsIf(const json::Object& from, std::string_view key) {
  std::vector<std::string> texts;
  if (const auto* list = json::find(from, key); list != nullptr && list->is_array())
    for (const auto& text : list->get_array())
      if (text.is_string()) texts.push_back(json::toStd(text.get_string()));
  return texts;
}

json::Object encodeFailure(const Failure& failure) {
  json::Object out;
  out["order"] = failure.order;
  out["error"] = failure.error;
  out["phase"] = failure.phase;
  out["message"] = failure.message;
  return out;
}

Failure decodeFailure(const json::Object& from) {
  const auto* value = json::find(from, "failure");
  if (value == nullptr || !value->is_object()) return {};
  const auto& object = value->get_object();
  return {static_cast<int>(json::intOr(object, "order", 0)), json::textOr(object, "error"), json::textOr(object, "phase"),
          json::textOr(object, "message")};
}

std::optional<json::Object> parseObject(const std::optional<std::string>& body) {
  if (!body) return std::nullopt;
  auto parsed = json::parse(*body);
  if (!parsed || !parsed->is_object()) {
    log::error("a record cannot be read", {{"record", body->substr(0, 100)}});
    return std::nullopt;
  }
  return std::move(parsed->get_object());
}

Lane decodeLane(const json::Object& from) {
  Lane lane;
  lane.execution = json::textOr(from, "execution");
  lane.instance = json::textOr(from, "instance");
  lane.index = static_cast<int>(json::intOr(from, "index", 0));
  lane.attempt = static_cast<int>(json::intOr(from, "attempt", 1));
  lane.step = json::textOr(from, "step");
  lane.token = json::textOr(from, "token");
  lane.waits = json::textOr(from, "waits");
  lane.reserved = json::boolOr(from, "reserved", false);
  lane.found_stopped = json::boolOr(from, "foundStopped", false);
  lane.skipped = json::boolOr(from, "skipped", false);
  lane.over = json::boolOr(from, "over", false);
  lane.over_at = timeIf(from, "overAt");
  lane.waits_since = timeIf(from, "waitsSince");
  lane.preflight_until = timeIf(from, "preflightUntil");
  lane.repository_until = timeIf(from, "repositoryUntil");
  lane.pre = json::textOr(from, "pre");
  lane.stop = json::textOr(from, "stop");
  lane.backup = json::textOr(from, "backup");
  lane.post = json::textOr(from, "post");
  lane.start = json::textOr(from, "start");
  lane.failure = decodeFailure(from);
  lane.warnings = textsIf(from, "warnings");
  lane.notes = textsIf(from, "notes");
  if (const auto* freeze = json::find(from, "freeze"); freeze != nullptr && freeze->is_object())
    if (auto decoded = quiesce::decodeFreeze(freeze->get_object())) lane.freeze = std::move(*decoded);
  lane.boot = json::textOr(from, "boot");
  lane.pre_command = json::textOr(from, "preCommand");
  lane.post_command = json::textOr(from, "postCommand");
  lane.job = json::textOr(from, "job");
  lane.promise = json::textOr(from, "promise");
  lane.guarded = json::boolOr(from, "guarded", false);
  lane.woken_by = json::textOr(from, "wokenBy");
  lane.woken_why = json::textOr(from, "wokenWhy");
  lane.pre_running = json::boolOr(from, "preRunning", false);
  lane.job_open = json::boolOr(from, "jobOpen", false);
  lane.cut = json::boolOr(from, "cut", false);
  lane.recovery_point = json::textOr(from, "recoveryPoint");
  // Earlier versions did not tell: it was over and had done nothing.
  lane.left_out = json::boolOr(from, "leftOut", lane.over && !lane.reserved && !lane.waits_since && !lane.failure && lane.job.empty());
  lane.reserved_at = timeIf(from, "reservedAt");
  lane.pre_at = timeIf(from, "preAt");
  lane.frozen_at = timeIf(from, "frozenAt");
  lane.stopped_at = timeIf(from, "stoppedAt");
  lane.job_at = timeIf(from, "jobAt");
  lane.job_ended_at = timeIf(from, "jobEndedAt");
  lane.started_at = timeIf(from, "startedAt");
  lane.thawed_at = timeIf(from, "thawedAt");
  return lane;
}

json::Object encodeLane(const Lane& lane) {
  json::Object out;
  out["execution"] = lane.execution;
  out["instance"] = lane.instance;
  out["index"] = lane.index;
  out["attempt"] = lane.attempt;
  out["step"] = lane.step;
  out["token"] = lane.token;
  out["waits"] = lane.waits;
  out["reserved"] = lane.reserved;
  out["foundStopped"] = lane.found_stopped;
  if (lane.skipped) out["skipped"] = true;
  out["leftOut"] = lane.left_out;
  out["over"] = lane.over;
  putTime(out, "overAt", lane.over_at);
  putTime(out, "waitsSince", lane.waits_since);
  putTime(out, "preflightUntil", lane.preflight_until);
  putTime(out, "repositoryUntil", lane.repository_until);
  out["pre"] = lane.pre;
  out["stop"] = lane.stop;
  out["backup"] = lane.backup;
  out["post"] = lane.post;
  out["start"] = lane.start;
  if (lane.failure) out["failure"] = encodeFailure(lane.failure);
  out["warnings"] = listOf(lane.warnings);
  out["notes"] = listOf(lane.notes);
  if (lane.freeze) out["freeze"] = quiesce::encode(*lane.freeze);
  if (!lane.boot.empty()) out["boot"] = lane.boot;
  out["preCommand"] = lane.pre_command;
  out["postCommand"] = lane.post_command;
  out["job"] = lane.job;
  if (!lane.promise.empty()) out["promise"] = lane.promise;
  if (lane.guarded) out["guarded"] = true;
  if (!lane.woken_by.empty()) out["wokenBy"] = lane.woken_by;
  if (!lane.woken_why.empty()) out["wokenWhy"] = lane.woken_why;
  out["preRunning"] = lane.pre_running;
  out["jobOpen"] = lane.job_open;
  out["cut"] = lane.cut;
  out["recoveryPoint"] = lane.recovery_point;
  putTime(out, "reservedAt", lane.reserved_at);
  putTime(out, "preAt", lane.pre_at);
  putTime(out, "frozenAt", lane.frozen_at);
  putTime(out, "stoppedAt", lane.stopped_at);
  putTime(out, "jobAt", lane.job_at);
  putTime(out, "jobEndedAt", lane.job_ended_at);
  putTime(out, "startedAt", lane.started_at);
  putTime(out, "thawedAt", lane.thawed_at);
  return out;
}

std::string debtKey(std::string_view execution, std::string_view instance, quiesce::DebtKind kind) {
  return laneKey(execution, instance) + "#" + std::string(quiesce::toText(kind));
}

std::optional<quiesce::Debt> readDebt(const std::optional<std::string>& body) {
  const auto object = parseObject(body);
  if (!object) return std::nullopt;
  auto debt = quiesce::decodeDebt(*object);
  if (!debt) {
    log::error("a debt cannot be read", {{"error", debt.error().text()}});
    return std::nullopt;
  }
  return std::move(*debt);
}

}  // namespace

// '#' stands in no execution's name (StartExecution refuses it), so keys of one run never begin with another's.
std::string laneKey(std::string_view execution, std::string_view instance) { return std::string(execution) + "#" + std::string(instance); }

std::string holderOf(std::string_view execution) { return "run:" + std::string(execution); }

std::string_view executionOf(std::string_view holder) {
  constexpr std::string_view kPrefix = "run:";
  return holder.starts_with(kPrefix) ? holder.substr(kPrefix.size()) : std::string_view();
}

std::optional<Run> loadRun(store::Txn& txn, std::string_view execution) {
  const auto from = parseObject(txn.records().get("run", execution));
  if (!from) return std::nullopt;
  Run run;
  run.execution = json::textOr(*from, "execution");
  run.machine = json::textOr(*from, "machine");
  run.started = fromMicros(json::intOr(*from, "started", 0));
  run.ended = timeIf(*from, "ended");
  if (const auto* input = json::find(*from, "input"); input != nullptr && input->is_object())
    run.input = decodeRunInput(input->get_object());
  run.failure = decodeFailure(*from);
  run.failures = static_cast<int>(json::intOr(*from, "failures", 0));
  run.redrives = static_cast<int>(json::intOr(*from, "redrives", 0));
  run.row_written = json::boolOr(*from, "rowWritten", false);
  run.list_revision = json::intOr(*from, "listRevision", 0);
  run.list_at = json::textOr(*from, "listAt");
  run.ended_as = json::textOr(*from, "endedAs");
  run.save_token = json::textOr(*from, "saveToken");
  return run;
}

void saveRun(store::Txn& txn, const Run& run) {
  json::Object out;
  out["execution"] = run.execution;
  out["machine"] = run.machine;
  out["started"] = toMicros(run.started);
  putTime(out, "ended", run.ended);
  if (run.input) out["input"] = encode(*run.input);
  if (run.failure) out["failure"] = encodeFailure(run.failure);
  out["failures"] = run.failures;
  out["redrives"] = run.redrives;
  out["rowWritten"] = run.row_written;
  if (run.list_revision != 0) out["listRevision"] = run.list_revision;
  if (!run.list_at.empty()) out["listAt"] = run.list_at;
  out["endedAs"] = run.ended_as;
  out["saveToken"] = run.save_token;
  txn.records().put("run", run.execution, json::toText(out));
}

std::optional<Lane> loadLane(store::Txn& txn, std::string_view execution, std::string_view instance) {
  const auto from = parseObject(txn.records().get("lane", laneKey(execution, instance)));
  if (!from) return std::nullopt;
  return decodeLane(*from);
}

void saveLane(store::Txn& txn, const Lane& lane) {
  txn.records().put("lane", laneKey(lane.execution, lane.instance), json::toText(encodeLane(lane)));
}

void eraseLane(store::Txn& txn, const Lane& lane) { txn.records().erase("lane", laneKey(lane.execution, lane.instance)); }

std::vector<Lane> loadLanes(store::Txn& txn, std::string_view execution) {
  std::vector<Lane> lanes;
  std::string after;
  while (true) {
    const auto page = txn.records().scan("lane", laneKey(execution, ""), after, kPage);
    for (const auto& record : page)
      if (const auto from = parseObject(record.body)) lanes.push_back(decodeLane(*from));
    if (page.size() < kPage) break;
    after = page.back().key;
  }
  std::ranges::sort(lanes, {}, &Lane::index);
  return lanes;
}

std::optional<quiesce::Debt> loadDebt(store::Txn& txn, std::string_view execution, std::string_view instance, quiesce::DebtKind kind) {
  return readDebt(txn.records().get("debt", debtKey(execution, instance, kind)));
}

void saveDebt(store::Txn& txn, const quiesce::Debt& debt) {
  const auto key = debtKey(debt.execution, debt.instance, debt.kind);
  const bool owed = debt.state == quiesce::DebtState::open || debt.state == quiesce::DebtState::suspended;
  txn.records().put("debt", key, json::toText(quiesce::encode(debt)));
  txn.records().index("debt", key, "owed", owed ? "yes" : "");
  txn.records().index("debt", key, "owedTo", owed ? debt.instance : "");
}

std::vector<quiesce::Debt> debtsOfLane(store::Txn& txn, std::string_view execution, std::string_view instance) {
  std::vector<quiesce::Debt> debts;
  for (const auto kind : {quiesce::DebtKind::start, quiesce::DebtKind::thaw, quiesce::DebtKind::post})
    if (auto debt = loadDebt(txn, execution, instance, kind)) debts.push_back(std::move(*debt));
  return debts;
}

std::vector<quiesce::Debt> owed(store::Txn& txn, std::string_view instance) {
  std::vector<quiesce::Debt> debts;
  std::string after;
  while (true) {
    const auto page = instance.empty() ? txn.records().findBy("debt", "owed", "yes", after, kPage)
                                       : txn.records().findBy("debt", "owedTo", instance, after, kPage);
    for (const auto& record : page)
      if (auto debt = readDebt(record.body)) debts.push_back(std::move(*debt));
    if (page.size() < kPage) return debts;
    after = page.back().key;
  }
}

}  // namespace sp::services::stillpoint
