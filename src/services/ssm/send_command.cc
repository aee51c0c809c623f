// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html
#include "base/hash.h"
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {

aws::Operation sendCommand(Commands& commands) {
  return {"SendCommand",
          [&commands](const aws::Call& call) -> aws::Outcome {
            SendSpec spec;
            spec.input = call.input;
            spec.by = call.principal.arn;
            // There is no idempotency token in this API: a retry is told by the SDK's id of the call.
            if (!call.invocation_id.empty())
              spec.dedup_key = sha256Hex(std::string(call.principal.access_key) + "\n" + std::string(call.invocation_id) + "\n" +
                                         json::toText(call.input));
            SP_TRY(const auto command, commands.send(*call.txn, spec));
            return json::Object{{"Command", freshCommandView(command)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
