// SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat: what workers and callbacks tell of the task whose token they hold.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskSuccess.html
#include <fmt/format.h>

#include "engine/step.h"
#include "json/big_integer.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

constexpr std::size_t kTaskTokenLength = 2048;
constexpr std::size_t kMaxOutput = 262'144;

// The runtime's name of the task that waits for this token, or why none does.
Answer<std::string> taskOf(const Service& service, store::Txn& txn, const std::string& token) {
  using Kind = runtime::ExecutionRuntime::Waiting::Kind;
  const auto name = engine::readTaskToken(token);
  if (!name) return aws::refuse("InvalidToken", "Invalid Token: 'Invalid token'");
  const auto waiting = service.runtime.waitingFor(txn, *name);
  // Tasks that end by themselves are nobody's to settle, though their token can be read in the context object.
  const bool answers = waiting.resource.ends_with(".waitForTaskToken") || nameInArn(waiting.resource, "activity").has_value();
  if (waiting.kind == Kind::unknown || (waiting.kind == Kind::open && !answers))
    return aws::refuse("TaskDoesNotExist", "Task Does Not Exist: 'Provided task does not exist'");
  if (waiting.kind == Kind::settled) return aws::refuse("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'");
  return *name;
}

}  // namespace

aws::Outcome sendTaskSuccess(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto token = input.text("taskToken", kTaskTokenLength);
  const auto text = input.textIf("output", 16U << 20U);
  if (!text) input.require("output");
  SP_CHECK_OK(input.finish());
  if (text->size() > kMaxOutput)
    return aws::refuse("InvalidOutput",
                       fmt::format("Invalid Output: 'the output has {} bytes, at most {} are taken'", text->size(), kMaxOutput));
  auto output = json::parseExact(*text);
  if (!output) return aws::refuse("InvalidOutput", fmt::format("Invalid Output: '{}'", syntaxProblem(*text, output.error())));
  SP_TRY(const auto task, taskOf(service, *call.txn, token));
  service.runtime.taskSucceeded(*call.txn, task, engine::Payload::fromText(*text));
  return json::Object();
}

aws::Outcome sendTaskFailure(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto token = input.text("taskToken", kTaskTokenLength);
  const auto error = input.charactersIf("error", 256).value_or("");
  const auto cause = input.charactersIf("cause", 32'768).value_or("");
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto task, taskOf(service, *call.txn, token));
  service.runtime.taskFailed(*call.txn, task, error, cause);
  return json::Object();
}

aws::Outcome sendTaskHeartbeat(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto token = input.text("taskToken", kTaskTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto task, taskOf(service, *call.txn, token));
  service.runtime.taskHeartbeat(*call.txn, task);
  return json::Object();
}

}  // namespace sp::services::states
