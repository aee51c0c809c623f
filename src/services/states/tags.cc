// TagResource, UntagResource, ListTagsForResource.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_TagResource.html
#include <fmt/format.h>

#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

Answer<Machine> taggable(const Service& service, const aws::Call& call, const std::string& arn) {
  SP_TRY(const auto name, nameInArn(arn, "stateMachine"));
  auto found = service.find(*call.txn, name);
  if (!found || found->arn != arn) return aws::refuse("ResourceNotFound", fmt::format("Resource not found: '{}'", arn));
  return std::move(*found);
}

}  // namespace

aws::Outcome tagResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.text("resourceArn", kArnLength);
  const auto* list = input.arrayIf("tags");
  SP_CHECK_OK(input.finish());
  SP_TRY(auto machine, taggable(service, call, arn));
  SP_TRY(machine.tags, tagsOf(list, machine.tags));
  service.put(*call.txn, machine);
  return json::Object();
}

aws::Outcome untagResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.text("resourceArn", kArnLength);
  const auto* keys = input.arrayIf("tagKeys");
  SP_CHECK_OK(input.finish());
  SP_TRY(auto machine, taggable(service, call, arn));
  if (keys != nullptr)
    for (const auto& key : *keys)
      if (key.is_string()) machine.tags.erase(key.get_string());
  service.put(*call.txn, machine);
  return json::Object();
}

aws::Outcome listTagsForResource(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.text("resourceArn", kArnLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto machine, taggable(service, call, arn));
  json::Array tags;
  for (const auto& member : machine.tags) tags.push_back(json::Object{{"key", member.key()}, {"value", member.value()}});
  return json::Object{{"tags", std::move(tags)}};
}

}  // namespace sp::services::states
