// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListStateMachines.html
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {

aws::Outcome listStateMachines(const Service&, const aws::Call& call) {
  Input input(call.input);
  const auto size = input.pageSize();
  const auto token = input.filledIf("nextToken", kTokenLength);
  SP_CHECK_OK(input.finish());
  constexpr std::string_view kBound = "ListStateMachines";
  SP_TRY(const auto after, positionOf(token, kBound));
  auto records = call.txn->records().scan("state_machine", "", after, size + 1);
  const bool more = records.size() > size;
  if (more) records.pop_back();
  json::Array machines;
  for (const auto& record : records) {
    const auto parsed = json::parse(record.body);
    if (!parsed || !parsed->is_object()) continue;
    const auto machine = Machine::decode(parsed->get_object());
    machines.push_back(json::Object{
        {"stateMachineArn", machine.arn}, {"name", machine.name}, {"type", "STANDARD"}, {"creationDate", toEpochSeconds(machine.created)}});
  }
  json::Object out{{"stateMachines", std::move(machines)}};
  if (more) out["nextToken"] = aws::makePageToken(kBound, records.back().key);
  return out;
}

}  // namespace sp::services::states
