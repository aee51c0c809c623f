// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteDocument.html
#include <algorithm>

#include <fmt/format.h>

#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"

namespace sp::services::ssm {

aws::Operation deleteDocument() {
  return {"DeleteDocument",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readDocumentName(call.input, false));
            const auto version = json::textOr(call.input, "DocumentVersion");
            const auto version_name = json::textOr(call.input, "VersionName");
            SP_TRY(auto document, ownDocument(*call.txn, name));
            if (version.empty() && version_name.empty()) {
              // Commands that were sent keep what they are to do: nothing under way depends on it.
              eraseDocument(*call.txn, name);
              return json::Object{};
            }
            SP_TRY(const auto found, findDocument(*call.txn, name, version, version_name));
            const auto number = found.version.number;
            if (number == document.default_version)
              return aws::refuse(
                  "InvalidDocumentOperation",
                  fmt::format("Version {} of {} is the default one and cannot be deleted: set another one first.", number, name));
            eraseVersion(*call.txn, name, number);
            if (number == document.latest_version) {
              document.latest_version = versionsOf(*call.txn, name).front().number;
              save(*call.txn, document);
            }
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
