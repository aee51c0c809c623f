// TagResource, UntagResource, ListTagsForResource: of buses and rules, by ARN.
#include <fmt/format.h>

#include "services/events/operations.h"

namespace sp::services::events {
namespace {

struct Tagged {
  json::Object record;
  bool rule = false;

  json::Object& tags() { return record.at("tags").get_object(); }
  void save(store::Txn& txn) const { rule ? saveRule(txn, record) : saveBus(txn, record); }
};

Checked<Tagged> find(const aws::Call& call) {
  SP_TRY(const auto text, readText(call.input, "ResourceARN", 1600, true));
  const auto arn = Arn::parse(text);
  Tagged found;
  if (arn && arn->service == "events" && arn->resource.starts_with("event-bus/")) {
    SP_TRY(found.record, findBus(*call.txn, arn->resource.substr(10)));
    return found;
  }
  if (!arn || arn->service != "events" || !arn->resource.starts_with("rule/"))
    return std::unexpected(
        aws::ApiError::validation(fmt::format("Parameter {} is not valid. Reason: Provided Arn is not in correct format.", text)));
  const auto path = arn->resource.substr(5);
  const auto slash = path.find('/');
  const auto bus = slash == std::string::npos ? std::string(kDefaultBus) : path.substr(0, slash);
  SP_TRY(found.record, findRule(*call.txn, bus, slash == std::string::npos ? path : path.substr(slash + 1)));
  found.rule = true;
  return found;
}

aws::Outcome tag(Events& events, const aws::Call& call) {
  SP_TRY(auto found, find(call));
  SP_CHECK_OK(readTags(call.input, found.tags()));
  found.save(*call.txn);
  if (found.rule) events.ruleChanged(*call.txn, found.record, false);
  return json::Object();
}

aws::Outcome untag(Events& events, const aws::Call& call) {
  SP_TRY(auto found, find(call));
  if (const auto* keys = json::find(call.input, "TagKeys"); keys != nullptr && keys->is_array())
    for (const auto& key : keys->get_array())
      if (key.is_string()) found.tags().erase(key.get_string());
  found.save(*call.txn);
  if (found.rule) events.ruleChanged(*call.txn, found.record, false);
  return json::Object();
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(auto found, find(call));
  json::Array tags;
  for (const auto& member : found.tags()) tags.push_back(json::Object{{"Key", member.key()}, {"Value", member.value()}});
  return json::Object{{"Tags", std::move(tags)}};
}

}  // namespace

std::vector<aws::Operation> tagOperations(Events& events) {
  return {row("ListTagsForResource", list), row("TagResource", [&events](const aws::Call& call) { return tag(events, call); }),
          row("UntagResource", [&events](const aws::Call& call) { return untag(events, call); })};
}

}  // namespace sp::services::events
