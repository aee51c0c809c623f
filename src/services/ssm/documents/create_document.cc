// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ssm/documents/builtin.h"
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {
namespace {

constexpr std::uint64_t kDocumentsMax = 500;
constexpr std::array<std::string_view, 3> kReserved = {"aws", "amazon", "amzn"};

}  // namespace

aws::Operation createDocument(Context& context) {
  return {"CreateDocument",
          [&context](const aws::Call& call) -> aws::Outcome {
            const auto type = json::textOr(call.input, "DocumentType", "Command");
            SP_TRY(auto input, readDocumentInput(call.input));
            if (type != "Command")
              return aws::refuse("ValidationException",
                                 fmt::format("DocumentType {} is not served here: documents are of type Command.", type));
            for (const auto prefix : kReserved)
              if (toLower(input.name).starts_with(prefix))
                return aws::refuse(
                    "ValidationException",
                    fmt::format("The name '{}' begins with '{}', which is reserved for documents of AWS.", input.name, prefix));
            SP_TRY(auto tags, readTags(call.input));
            if (findDocument(*call.txn, input.name, ""))
              return aws::refuse("DocumentAlreadyExists", fmt::format("Document with same name {} already exists", input.name));
            if (countDocuments(*call.txn, kDocumentsMax) >= kDocumentsMax)
              return aws::refuse("DocumentLimitExceeded",
                                 fmt::format("There are {} documents, as many as there may be. Delete some first.", kDocumentsMax));
            DocumentRecord document;
            document.name = input.name;
            document.target_type = input.target_type;
            document.author = call.principal.arn;
            document.created = context.clock.now();
            document.tags = std::move(tags);
            DocumentVersion version;
            version.document = input.name;
            version.name = input.version_name;
            version.display_name = input.display_name;
            version.format = input.format;
            version.content = std::move(input.content);
            version.created = document.created;
            save(*call.txn, document);
            save(*call.txn, version);
            return json::Object{{"DocumentDescription", descriptionView(document, version, call.realm)}};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
