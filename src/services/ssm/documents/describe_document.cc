// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeDocument.html
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"

namespace sp::services::ssm {

aws::Operation describeDocument() {
  return {"DescribeDocument",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readDocumentName(call.input, true));
            SP_TRY(const auto found,
                   findDocument(*call.txn, name, json::textOr(call.input, "DocumentVersion"), json::textOr(call.input, "VersionName")));
            return json::Object{{"Document", descriptionView(found.document, found.version, call.realm)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
