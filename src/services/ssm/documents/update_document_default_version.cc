// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateDocumentDefaultVersion.html
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {

aws::Operation updateDocumentDefaultVersion() {
  return {"UpdateDocumentDefaultVersion",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readDocumentName(call.input, false));
            const auto number = json::textOr(call.input, "DocumentVersion");
            if (number.empty() || number.find_first_not_of("0123456789") != std::string::npos || number.front() == '0')
              return constraint(number, "documentVersion", "satisfy regular expression pattern: (^[1-9][0-9]*$)");
            SP_TRY(auto document, ownDocument(*call.txn, name));
            SP_TRY(const auto found, findDocument(*call.txn, name, number));
            document.default_version = found.version.number;
            save(*call.txn, document);
            json::Object description{{"Name", name}, {"DefaultVersion", number}};
            if (!found.version.name.empty()) description["DefaultVersionName"] = found.version.name;
            return json::Object{{"Description", std::move(description)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
