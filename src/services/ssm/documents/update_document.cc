// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_UpdateDocument.html
#include <fmt/format.h>

#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kVersionsMax = 1000;

}  // namespace

aws::Operation updateDocument(Context& context) {
  return {"UpdateDocument",
          [&context](const aws::Call& call) -> aws::Outcome {
            SP_TRY(auto input, readDocumentInput(call.input));
            SP_TRY(auto document, ownDocument(*call.txn, input.name));
            const auto of = json::textOr(call.input, "DocumentVersion", "$LATEST");
            const auto latest = std::to_string(document.latest_version);
            if (of != "$LATEST" && of != latest && !(of == "$DEFAULT" && document.default_version == document.latest_version))
              return aws::refuse("InvalidDocumentVersion",
                                 fmt::format("DocumentVersion is {}: only the latest version of {}, {}, can be updated; $LATEST names it.",
                                             of, input.name, latest));
            const auto versions = versionsOf(*call.txn, input.name);
            for (const auto& each : versions) {
              if (each.content == input.content && each.format == input.format &&
                  (input.target_type.empty() || input.target_type == document.target_type))
                return aws::refuse(
                    "DuplicateDocumentContent",
                    fmt::format("The content of the document {} is that of its version {}. Change the content.", input.name, each.number));
              if (!input.version_name.empty() && each.name == input.version_name)
                return aws::refuse("DuplicateDocumentVersionName", fmt::format("Version {} of the document {} has the name {} already.",
                                                                               each.number, input.name, each.name));
            }
            if (versions.size() >= kVersionsMax)
              return aws::refuse(
                  "DocumentVersionLimitExceeded",
                  fmt::format("The document {} has {} versions, as many as it may have. Delete some first.", input.name, kVersionsMax));
            DocumentVersion version;
            version.document = input.name;
            version.number = document.next_version++;
            version.name = input.version_name;
            version.display_name = input.display_name;
            version.format = input.format;
            version.content = std::move(input.content);
            version.created = context.clock.now();
            document.latest_version = version.number;
            if (!input.target_type.empty()) document.target_type = input.target_type;
            save(*call.txn, document);
            save(*call.txn, version);
            return json::Object{{"DocumentDescription", descriptionView(document, version, call.realm)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
