// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html
#include "asl/warnings.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

// What is wrong is the answer, not a refusal.
aws::Outcome validateStateMachineDefinition(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto definition = input.textIf("definition", kDefinitionLength);
  if (!definition) input.require("definition");
  const auto type = input.choiceIf("type", {"STANDARD", "EXPRESS"}).value_or("STANDARD");
  const auto severity = input.choiceIf("severity", {"ERROR", "WARNING"}).value_or("ERROR");
  const auto most = input.countIf("maxResults", 100).value_or(100);
  SP_CHECK_OK(input.finish());
  auto surroundings = service.surroundings();
  if (type == "EXPRESS") surroundings.type = asl::MachineType::express;
  const auto compiled = asl::compileNew(*definition, surroundings);
  auto found = compiled ? std::vector<asl::Diagnostic>() : compiled.error();
  const auto errors = found.size();
  if (severity == "WARNING") std::ranges::move(asl::warningsOf(*definition), std::back_inserter(found));
  const auto shown = most == 0 ? std::size_t(100) : most;
  json::Array diagnostics;
  for (std::size_t i = 0; i < found.size() && i < shown; ++i) {
    json::Object one{{"severity", i < errors ? "ERROR" : "WARNING"}, {"code", found[i].code}, {"message", found[i].message}};
    if (!found[i].location.empty() && found[i].location != "null") one["location"] = found[i].location;
    diagnostics.push_back(std::move(one));
  }
  return json::Object{
      {"result", errors == 0 ? "OK" : "FAIL"}, {"diagnostics", std::move(diagnostics)}, {"truncated", found.size() > shown}};
}

}  // namespace sp::services::states
