#include "agent/scripts/local_document.h"

#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "model/documents/plan.h"
#include "os/file.h"

namespace sp::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kDocumentBytesMax = 64U << 10U;

Result<std::string> pathOf(const json::Object& step, const std::string& downloads) {
  const auto asked = json::textOr(step, "documentPath");
  if (!asked.empty()) return (fs::path(downloads) / asked).string();
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(downloads, ignored))
    if (entry.is_regular_file(ignored)) files.push_back(entry.path().string());
  if (files.size() == 1) return files.front();
  if (files.empty()) return fail("document.missing", "no document was downloaded");
  return fail("document.missing", fmt::format("{} files were downloaded; documentPath must name the document", files.size()));
}

void refuseSources(std::vector<document::PlannedStep>& steps) {
  for (auto& step : steps) {
    refuseSources(step.steps);
    if (step.source)
      step.error = fmt::format("s3://{}/{}: a document that lies on the machine fetches nothing; fetch in the document that runs it",
                               step.source->bucket, step.source->key);
  }
}

}  // namespace

Result<json::Array> readLocalDocument(const json::Object& step, const std::string& downloads) {
  SP_TRY(const auto path, pathOf(step, downloads));
  SP_TRY(const auto text, os::readFile(path, kDocumentBytesMax));
  json::Object given;
  if (const auto* parameters = json::find(step, "documentParameters"); parameters != nullptr && parameters->is_object())
    given = parameters->get_object();
  const auto name = fs::path(path).filename().string();
  SP_TRY(const auto content, withContext(document::parseContent(text), name));
  SP_TRY(const auto values, document::readInnerValues(content, name, given));
  SP_TRY(auto plan, withContext(document::makePlan(content, values, {}), name));
  refuseSources(plan.steps);
  return plan.encode();
}

}  // namespace sp::agent
