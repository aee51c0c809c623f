// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetDocument.html
#include "model/documents/yaml.h"
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/send_input.h"

namespace sp::services::ssm {

aws::Operation getDocument() {
  return {"GetDocument",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readDocumentName(call.input, true));
            const auto format = json::textOr(call.input, "DocumentFormat", "JSON");
            if (format != "JSON" && format != "YAML")
              return constraint(format, "documentFormat", "satisfy enum value set: [JSON, YAML]: documents of type Command have no other");
            SP_TRY(auto found,
                   findDocument(*call.txn, name, json::textOr(call.input, "DocumentVersion"), json::textOr(call.input, "VersionName")));
            const auto& version = found.version;
            auto content = version.content;
            // Whoever asks in the form in which it was given gets it as it was given.
            if (format != formatName(version.format)) {
              const auto value = document::parseText(version.content, version.format);
              if (!value) return std::unexpected(documentError(value.error()));
              content = format == "YAML" ? document::toYaml(*value) : json::toPrettyText(*value);
            }
            json::Object view{{"Name", name},
                              {"CreatedDate", toEpochSeconds(version.created)},
                              {"DocumentVersion", std::to_string(version.number)},
                              {"Status", "Active"},
                              {"Content", std::move(content)},
                              {"DocumentType", "Command"},
                              {"DocumentFormat", format}};
            if (!version.name.empty()) view["VersionName"] = version.name;
            if (!version.display_name.empty()) view["DisplayName"] = version.display_name;
            return view;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
