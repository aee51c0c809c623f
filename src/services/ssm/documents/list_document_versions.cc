// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListDocumentVersions.html
#include "base/strings.h"
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 50;

json::Object versionView(const DocumentRecord& document, const DocumentVersion& version) {
  json::Object view{{"Name", document.name},
                    {"DocumentVersion", std::to_string(version.number)},
                    {"CreatedDate", toEpochSeconds(version.created)},
                    {"IsDefaultVersion", version.number == document.default_version},
                    {"DocumentFormat", formatName(version.format)},
                    {"Status", "Active"}};
  if (!version.name.empty()) view["VersionName"] = version.name;
  if (!version.display_name.empty()) view["DisplayName"] = version.display_name;
  return view;
}

}  // namespace

aws::Operation listDocumentVersions() {
  return {"ListDocumentVersions",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto name, readDocumentName(call.input, true));
            SP_TRY(const auto page, readPage(call.input, "ListDocumentVersions", 1, kPage));
            SP_TRY(auto found, findDocument(*call.txn, name, ""));
            auto versions = found.document.amazon ? std::vector{found.version} : versionsOf(*call.txn, name);
            json::Array list;
            std::string next;
            for (const auto& version : versions) {
              if (const auto last = parseInt(page.position); last && version.number >= *last) continue;
              if (list.size() == page.limit) {
                next = aws::makePageToken(page.bound_to, json::textOr(list.back().get_object(), "DocumentVersion"));
                break;
              }
              list.push_back(versionView(found.document, version));
            }
            json::Object output{{"DocumentVersions", std::move(list)}};
            if (!next.empty()) output["NextToken"] = next;
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
