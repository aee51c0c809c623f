// CreateScheduleGroup, GetScheduleGroup, DeleteScheduleGroup, ListScheduleGroups, TagResource, UntagResource, ListTagsForResource.
#include <fmt/format.h>

#include "services/scheduler/operations.h"

namespace sp::services::scheduler {
namespace {

json::Object shown(const json::Object& group) {
  return {{"Arn", group.at("Arn")},
          {"CreationDate", toEpochSeconds(*momentOf(group, "created"))},
          {"LastModificationDate", toEpochSeconds(*momentOf(group, "modified"))},
          {"Name", group.at("Name")},
          {"State", group.at("State")}};
}

aws::Outcome create(const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto token, readToken(call.input));
  json::Object tags;
  SP_CHECK_OK(readTags(call.input, tags));
  const auto asked = askedBy(call.input);
  if (const auto body = txn.records().get(kGroup, name)) {
    const auto before = decode(*body);
    if (!token.empty() && json::textOr(before, "token") == token && json::textOr(before, "asked") == asked)
      return json::Object{{"ScheduleGroupArn", before.at("Arn")}};
    return aws::refuse("ConflictException", fmt::format("Schedule group {} already exists.", name), 409);
  }
  if (txn.records().count(kGroup, kGroups) >= kGroups)
    return aws::refuse("ServiceQuotaExceededException", fmt::format("There are {} schedule groups, as many as there may be.", kGroups),
                       402);
  json::Object group{{"Name", name},
                     {"Arn", groupArn(call.realm, name)},
                     {"State", "ACTIVE"},
                     {"created", toMicros(txn.now())},
                     {"modified", toMicros(txn.now())},
                     {"tags", std::move(tags)}};
  if (!token.empty()) {
    group["token"] = token;
    group["asked"] = asked;
  }
  saveGroup(txn, group);
  return json::Object{{"ScheduleGroupArn", group.at("Arn")}};
}

aws::Outcome get(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto group, findGroup(*call.txn, name));
  return shown(group);
}

// A large group goes in several steps, and is DELETING until then.
aws::Outcome remove(Scheduler& scheduler, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", true));
  SP_TRY(const auto token, readToken(call.input));
  if (name == kDefaultGroup) return std::unexpected(aws::ApiError::validation("The default schedule group cannot be deleted."));
  const auto operation = "DeleteScheduleGroup/" + name;
  auto group = findGroup(txn, name);
  if (!group) {
    if (wasDone(txn, operation, token)) return json::Object();
    return std::unexpected(group.error());
  }
  remember(txn, operation, token);
  if (json::textOr(*group, "State") != "ACTIVE" || scheduler.removeSome(txn, name)) return json::Object();
  (*group)["State"] = "DELETING";
  (*group)["modified"] = toMicros(txn.now());
  saveGroup(txn, *group);
  return json::Object();
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", false));
  SP_TRY(const auto page, readPage(call.input, "ListScheduleGroups/" + prefix));
  const auto records = call.txn->records().scan(kGroup, prefix, page.after, page.limit + 1);
  json::Array groups;
  for (std::size_t i = 0; i < records.size() && i < page.limit; ++i) groups.push_back(shown(decode(records[i].body)));
  json::Object out{{"ScheduleGroups", std::move(groups)}};
  if (records.size() > page.limit) out["NextToken"] = aws::makePageToken(page.bound_to, records[page.limit - 1].key);
  return out;
}

// Groups alone carry tags.
Checked<json::Object> tagged(const aws::Call& call) {
  SP_TRY(const auto text, readText(call.input, "ResourceArn", 1011, true));
  const auto arn = Arn::parse(text);
  constexpr std::string_view kMark = "schedule-group/";
  if (!arn || arn->service != "scheduler" || !arn->resource.starts_with(kMark))
    return invalid(
        "ResourceArn", text,
        "satisfy regular expression pattern: ^arn:aws(-[a-z]+)?:scheduler:[a-z0-9\\-]+:\\d{12}:schedule-group\\/[0-9a-zA-Z-_.]+$");
  auto group = findGroup(*call.txn, arn->resource.substr(kMark.size()));
  if (group && json::textOr(*group, "Arn") != text)
    return aws::refuse("ResourceNotFoundException", fmt::format("Resource {} does not exist.", text), 404);
  return group;
}

aws::Outcome tag(const aws::Call& call) {
  SP_TRY(auto group, tagged(call));
  if (!call.input.contains("Tags")) return invalid("Tags", "null", "not be null");
  SP_CHECK_OK(readTags(call.input, group.at("tags").get_object()));
  saveGroup(*call.txn, group);
  return json::Object();
}

aws::Outcome untag(const aws::Call& call) {
  SP_TRY(auto group, tagged(call));
  // One key in the query comes as a text, several as a list.
  const auto* keys = json::find(call.input, "TagKeys");
  if (keys == nullptr || keys->is_null()) return invalid("TagKeys", "null", "not be null");
  const auto given = keys->is_array() ? keys->get_array() : json::Array{*keys};
  for (const auto& key : given)
    if (key.is_string()) group.at("tags").get_object().erase(key.get_string());
  saveGroup(*call.txn, group);
  return json::Object();
}

aws::Outcome listTags(const aws::Call& call) {
  SP_TRY(const auto group, tagged(call));
  json::Array tags;
  for (const auto& member : group.at("tags").get_object()) tags.push_back(json::Object{{"Key", member.key()}, {"Value", member.value()}});
  return json::Object{{"Tags", std::move(tags)}};
}

}  // namespace

std::vector<aws::Operation> groupOperations(Scheduler& scheduler) {
  const std::string path = "/schedule-groups/{Name}";
  const std::string tags = "/tags/{ResourceArn}";
  const std::vector<std::pair<std::string, std::string>> filters{
      {"NamePrefix", "NamePrefix"}, {"MaxResults", "MaxResults"}, {"NextToken", "NextToken"}};
  return {{"CreateScheduleGroup", create, {"POST", path, {}, {}}},
          {"DeleteScheduleGroup",
           [&scheduler](const aws::Call& call) { return remove(scheduler, call); },
           {"DELETE", path, {{"clientToken", "ClientToken"}}, {}}},
          {"GetScheduleGroup", get, {"GET", path, {}, {}}},
          {"ListScheduleGroups", list, {"GET", "/schedule-groups", filters, {"MaxResults"}}},
          {"ListTagsForResource", listTags, {"GET", tags, {}, {}}},
          {"TagResource", tag, {"POST", tags, {}, {}}},
          {"UntagResource", untag, {"DELETE", tags, {{"TagKeys", "TagKeys"}}, {}}}};
}

}  // namespace sp::services::scheduler
