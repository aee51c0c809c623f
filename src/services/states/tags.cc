// TagResource, UntagResource, ListTagsForResource.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_TagResource.html
#include <fmt/format.h>

#include "services/states/configurations.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

/// A state machine or an activity, whatever the ARN names.
struct Tagged {
  std::optional<Machine> machine;
  std::optional<Activity> activity;

  json::Object& tags() { return machine ? machine->tags : activity->tags; }
  void put(const Service& service, store::Txn& txn) const {
    if (machine) service.put(txn, *machine);
    else service.activities.put(txn, *activity);
  }
};

Answer<Tagged> taggable(const Service& service, const aws::Call& call, const std::string& arn) {
  Tagged found;
  if (nameInArn(arn, "activity")) {
    found.activity = service.activities.find(*call.txn, arn);
  } else {
    SP_TRY(const auto name, nameInArn(arn, "stateMachine"));
    found.machine = service.find(*call.txn, name);
    if (found.machine && found.machine->arn != arn) found.machine.reset();
  }
  if (!found.machine && !found.activity) return aws::refuse("ResourceNotFound", fmt::format("Resource not found: '{}'", arn));
  return found;
}

}  // namespace

aws::Outcome tagResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("resourceArn");
  const auto* list = input.arrayIf("tags");
  SP_CHECK_OK(input.finish());
  SP_TRY(auto found, taggable(service, call, arn));
  SP_TRY(found.tags(), tagsOf(list, found.tags()));
  found.put(service, *call.txn);
  return json::Object();
}

aws::Outcome untagResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("resourceArn");
  const auto* keys = input.arrayIf("tagKeys");
  SP_CHECK_OK(input.finish());
  SP_TRY(auto found, taggable(service, call, arn));
  if (keys != nullptr)
    for (const auto& key : *keys)
      if (key.is_string()) found.tags().erase(key.get_string());
  found.put(service, *call.txn);
  return json::Object();
}

aws::Outcome listTagsForResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("resourceArn");
  SP_CHECK_OK(input.finish());
  SP_TRY(auto found, taggable(service, call, arn));
  json::Array tags;
  for (const auto& member : found.tags()) tags.push_back(json::Object{{"key", member.key()}, {"value", member.value()}});
  return json::Object{{"tags", std::move(tags)}};
}

}  // namespace sp::services::states
