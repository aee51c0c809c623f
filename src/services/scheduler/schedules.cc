// CreateSchedule, GetSchedule, UpdateSchedule, DeleteSchedule, ListSchedules.
#include <fmt/format.h>

#include "services/ran_record.h"
#include "services/scheduler/operations.h"
#include "services/scheduler/targets.h"

namespace sp::services::scheduler {
namespace {

// A listing looks at so many records at most; a page may have fewer than it was asked for, or none, and a NextToken.
constexpr std::size_t kLookedAt = 5'000;
constexpr Duration kStartTolerance = std::chrono::minutes(5);

std::unexpected<aws::ApiError> refused(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

json::Object shown(const json::Object& schedule) {
  json::Object out{{"CreationDate", toEpochSeconds(*momentOf(schedule, "created"))},
                   {"LastModificationDate", toEpochSeconds(*momentOf(schedule, "modified"))}};
  for (const auto* key : {"Arn", "ActionAfterCompletion", "Description", "FlexibleTimeWindow", "GroupName", "Name", "ScheduleExpression",
                          "ScheduleExpressionTimezone", "State", "Target"})
    if (const auto* value = json::find(schedule, key)) out[key] = *value;
  if (const auto start = momentOf(schedule, "start")) out["StartDate"] = toEpochSeconds(*start);
  if (const auto end = momentOf(schedule, "end")) out["EndDate"] = toEpochSeconds(*end);
  return out;
}

json::Object summary(const json::Object& schedule) {
  const auto all = shown(schedule);
  json::Object out;
  for (const auto* key : {"Arn", "CreationDate", "GroupName", "LastModificationDate", "Name", "State"}) out[key] = all.at(key);
  out["Target"] = json::Object{{"Arn", all.at("Target").get_object().at("Arn")}};
  return out;
}

Checked<std::string> readWord(const json::Object& input, std::string_view key, std::string_view first, std::string_view second,
                              bool required = false) {
  SP_TRY(auto word, readText(input, key, 64, required));
  if (word.empty()) return std::string(first);
  if (word != first && word != second) return invalid(key, word, fmt::format("satisfy enum value set: [{}, {}]", first, second));
  return word;
}

Checked<json::Object> readWindow(const json::Object& input) {
  const auto* given = json::find(input, "FlexibleTimeWindow");
  if (given == nullptr || given->is_null()) return invalid("FlexibleTimeWindow", "null", "not be null");
  if (!given->is_object()) return aws::refuse("SerializationException", "Member 'flexibleTimeWindow' must be an object");
  const auto& window = given->get_object();
  SP_TRY(const auto mode, readWord(window, "Mode", "OFF", "FLEXIBLE", true));
  const auto* minutes = json::find(window, "MaximumWindowInMinutes");
  const bool sized = minutes != nullptr && !minutes->is_null();
  if (!sized && mode == "FLEXIBLE") return refused("FlexibleTimeWindow of mode FLEXIBLE needs MaximumWindowInMinutes.");
  if (!sized) return json::Object{{"Mode", mode}};
  if (mode == "OFF") return refused("FlexibleTimeWindow of mode OFF has no MaximumWindowInMinutes: leave it out.");
  if (!minutes->is_int64()) return aws::refuse("SerializationException", "Member 'maximumWindowInMinutes' must be a whole number");
  if (minutes->get_int64() < 1 || minutes->get_int64() > 1440)
    return invalid("flexibleTimeWindow.maximumWindowInMinutes", json::toText(*minutes),
                   minutes->get_int64() < 1 ? "have value greater than or equal to 1" : "have value less than or equal to 1440");
  return json::Object{{"MaximumWindowInMinutes", *minutes}, {"Mode", mode}};
}

// StartDate and EndDate. What an update leaves as it was may lie in the past.
Checked<void> readBounds(const aws::Call& call, const json::Object* before, json::Object& schedule) {
  SP_TRY(const auto start, readMoment(call.input, "StartDate"));
  SP_TRY(const auto end, readMoment(call.input, "EndDate"));
  const auto kept = [&](std::string_view key, const std::optional<Instant>& given) {
    return before != nullptr && momentOf(*before, key) == given;
  };
  const bool ignored = json::textOr(schedule, "ScheduleExpression").starts_with("at(");
  if (start && !ignored && !kept("start", start) && *start < call.now - kStartTolerance)
    return refused("The StartDate you specify cannot be earlier than 5 minutes ago.");
  if (end && !ignored && !kept("end", end) && *end < call.now) return refused("The EndDate you specify cannot be earlier than now.");
  if (start && end && *end <= *start) return refused("The EndDate you specify must be later than the StartDate.");
  if (start) schedule["start"] = toMicros(*start);
  if (end) schedule["end"] = toMicros(*end);
  return {};
}

Checked<void> readTimes(const aws::Call& call, const json::Object* before, json::Object& schedule) {
  SP_TRY(const auto expression, readText(call.input, "ScheduleExpression", 256, true));
  SP_TRY(auto zone, readText(call.input, "ScheduleExpressionTimezone", 50));
  if (zone.empty()) zone = "UTC";
  if (!schedule::TimeZone::find(zone)) return refused(fmt::format("Invalid Schedule Expression Timezone {}.", zone));
  schedule["ScheduleExpression"] = expression;
  schedule["ScheduleExpressionTimezone"] = zone;
  SP_TRY(auto window, readWindow(call.input));
  schedule["FlexibleTimeWindow"] = std::move(window);
  if (const auto parsed = schedule::Recurrence::parse({expression}); !parsed)
    return refused(fmt::format("Invalid Schedule Expression {}. {}", expression, parsed.error().message));
  return readBounds(call, before, schedule);
}

// All that a request says of a schedule; what it leaves out has its default, as on AWS, for an update too.
Checked<json::Object> readSchedule(const Scheduler& scheduler, const aws::Call& call, const std::string& group, const std::string& name,
                                   const json::Object* before) {
  json::Object schedule{{"Name", name}, {"GroupName", group}, {"Arn", scheduleArn(call.realm, group, name)}};
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  if (!description.empty()) schedule["Description"] = description;
  SP_TRY(const auto state, readWord(call.input, "State", "ENABLED", "DISABLED"));
  schedule["State"] = state;
  SP_TRY(const auto action, readWord(call.input, "ActionAfterCompletion", "NONE", "DELETE"));
  schedule["ActionAfterCompletion"] = action;
  if (const auto* key = json::find(call.input, "KmsKeyArn"); key != nullptr && !key->is_null())
    return refused("KmsKeyArn is not served here, there is no KMS: leave it out. The store is as safe as the disk it lies on.");
  SP_CHECK_OK(readTimes(call, before, schedule));
  SP_TRY(auto target, readTarget(call.realm, scheduler.sdk(), call.input, before));
  schedule["Target"] = std::move(target);
  return schedule;
}

void save(store::Txn& txn, const json::Object& schedule, const json::Object* before) {
  saveSchedule(txn, schedule);
  // Most are enabled: the others are those that a listing has to find among many.
  const bool off = json::textOr(schedule, "State") == "DISABLED";
  if (off || (before != nullptr && json::textOr(*before, "State") == "DISABLED"))
    txn.records().index(kSchedule, scheduleKey(json::textOr(schedule, "GroupName"), json::textOr(schedule, "Name")), "state",
                        off ? "DISABLED" : "");
}

// The group that is written into; one that is being deleted takes no more.
Checked<void> checkGroup(store::Txn& txn, const std::string& group) {
  SP_TRY(const auto found, findGroup(txn, group));
  if (json::textOr(found, "State") != "ACTIVE")
    return aws::refuse("ConflictException", fmt::format("Schedule group {} is being deleted.", group), 409);
  return {};
}

aws::Outcome create(Scheduler& scheduler, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto group, readGroup(call.input));
  SP_TRY(const auto token, readToken(call.input));
  const auto asked = askedBy(call.input);
  if (const auto body = txn.records().get(kSchedule, scheduleKey(group, name))) {
    const auto before = decode(*body);
    if (!token.empty() && json::textOr(before, "token") == token && json::textOr(before, "asked") == asked)
      return json::Object{{"ScheduleArn", before.at("Arn")}};
    SP_CHECK_OK(readSchedule(scheduler, call, group, name, nullptr));
    return aws::refuse("ConflictException", fmt::format("Schedule {} already exists.", name), 409);
  }
  SP_TRY(auto schedule, readSchedule(scheduler, call, group, name, nullptr));
  SP_CHECK_OK(checkGroup(txn, group));
  const auto count = countOf(txn);
  if (count >= kSchedules)
    return aws::refuse("ServiceQuotaExceededException",
                       fmt::format("There are {} schedules, as many as there may be: delete some that do not run any more.", count), 402);
  schedule["id"] = scheduler.context().random.uuid();
  for (const auto* key : {"created", "modified", "anchor", "since"}) schedule[key] = toMicros(txn.now());
  if (!token.empty()) {
    schedule["token"] = token;
    schedule["asked"] = asked;
  }
  save(txn, schedule, nullptr);
  saveCount(txn, count + 1);
  scheduler.arm(txn, schedule);
  return json::Object{{"ScheduleArn", schedule.at("Arn")}};
}

aws::Outcome update(Scheduler& scheduler, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto group, readGroup(call.input));
  SP_CHECK_OK(readToken(call.input));
  SP_TRY(const auto before, findSchedule(txn, group, name));
  SP_CHECK_OK(checkGroup(txn, group));
  SP_TRY(auto schedule, readSchedule(scheduler, call, group, name, &before));
  for (const auto* key : {"id", "created", "anchor", "since", "last", "ran", "token", "asked"})
    if (const auto* value = json::find(before, key)) schedule[key] = *value;
  schedule["modified"] = toMicros(txn.now());
  bool same = true;
  for (const auto* key : {"ScheduleExpression", "ScheduleExpressionTimezone", "start"}) {
    const auto* old = json::find(before, key);
    const auto* now = json::find(schedule, key);
    same = same && (old == nullptr) == (now == nullptr) && (old == nullptr || *old == *now);
  }
  // A period goes on counting unless it is another one; what was due while it stood still does not run.
  if (!same) {
    schedule["anchor"] = toMicros(txn.now());
    for (const auto* key : {"last", "ran"}) schedule.erase(key);
  }
  const bool anew = !same || json::textOr(before, "State") == "DISABLED";
  if (anew) schedule["since"] = toMicros(txn.now());
  save(txn, schedule, &before);
  if (anew || json::textOr(schedule, "State") == "DISABLED" || !comeTimer(txn, kTimer, scheduleKey(group, name)))
    scheduler.arm(txn, schedule);
  return json::Object{{"ScheduleArn", schedule.at("Arn")}};
}

aws::Outcome get(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto group, readGroup(call.input));
  SP_TRY(const auto schedule, findSchedule(*call.txn, group, name));
  return shown(schedule);
}

aws::Outcome remove(Scheduler& scheduler, const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto group, readGroup(call.input));
  SP_TRY(const auto token, readToken(call.input));
  const auto operation = "DeleteSchedule/" + scheduleKey(group, name);
  const auto schedule = findSchedule(*call.txn, group, name);
  if (!schedule) {
    if (wasDone(*call.txn, operation, token)) return json::Object();
    return std::unexpected(schedule.error());
  }
  scheduler.remove(*call.txn, *schedule);
  remember(*call.txn, operation, token);
  return json::Object();
}

aws::Outcome list(const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto group, readName(call.input, "GroupName", false));
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", false));
  SP_TRY(const auto state, readText(call.input, "State", 64));
  if (!state.empty() && state != "ENABLED" && state != "DISABLED")
    return invalid("State", state, "satisfy enum value set: [ENABLED, DISABLED]");
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListSchedules/{}/{}/{}", group, prefix, state)));
  if (!group.empty()) SP_CHECK_OK(findGroup(txn, group));
  const auto key_prefix = group.empty() ? std::string() : scheduleKey(group, prefix);
  json::Array found;
  json::Object out;
  auto after = page.after;
  // A page without filters asks the store for no more than it shows.
  const bool filtered = !state.empty() || (group.empty() && !prefix.empty());
  const auto at_once = filtered ? kLookedAt : page.limit + 1;
  const auto records = state == "DISABLED" ? txn.records().findBy(kSchedule, "state", state, after, at_once)
                                           : txn.records().scan(kSchedule, key_prefix, after, at_once);
  bool more = records.size() == at_once;
  for (const auto& record : records) {
    const auto schedule = decode(record.body);
    const bool wanted = (state.empty() || json::textOr(schedule, "State") == state) && json::textOr(schedule, "Name").starts_with(prefix) &&
                        (group.empty() || json::textOr(schedule, "GroupName") == group);
    if (wanted && found.size() == page.limit) {
      more = true;
      break;
    }
    after = record.key;
    if (wanted) found.push_back(summary(schedule));
  }
  if (more) out["NextToken"] = aws::makePageToken(page.bound_to, after);
  out["Schedules"] = std::move(found);
  return out;
}

}  // namespace

std::vector<aws::Operation> scheduleOperations(Scheduler& scheduler) {
  const std::string path = "/schedules/{Name}";
  const std::vector<std::pair<std::string, std::string>> group{{"groupName", "GroupName"}};
  const std::vector<std::pair<std::string, std::string>> deleting{{"groupName", "GroupName"}, {"clientToken", "ClientToken"}};
  const std::vector<std::pair<std::string, std::string>> filters{{"ScheduleGroup", "GroupName"},
                                                                 {"NamePrefix", "NamePrefix"},
                                                                 {"State", "State"},
                                                                 {"MaxResults", "MaxResults"},
                                                                 {"NextToken", "NextToken"}};
  return {{"CreateSchedule", [&scheduler](const aws::Call& call) { return create(scheduler, call); }, {"POST", path, {}, {}}},
          {"DeleteSchedule", [&scheduler](const aws::Call& call) { return remove(scheduler, call); }, {"DELETE", path, deleting, {}}},
          {"GetSchedule", get, {"GET", path, group, {}}},
          {"ListSchedules", list, {"GET", "/schedules", filters, {"MaxResults"}}},
          {"UpdateSchedule", [&scheduler](const aws::Call& call) { return update(scheduler, call); }, {"PUT", path, {}, {}}}};
}

}  // namespace sp::services::scheduler
