// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ListDocuments.html
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/ssm/documents/views.h"
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kPage = 50;
constexpr std::size_t kBatch = 100;
constexpr std::array<std::string_view, 6> kKeys = {"Name", "Owner", "PlatformTypes", "DocumentType", "TargetType", "SearchKeyword"};
constexpr std::array<std::string_view, 6> kOwners = {"Amazon", "Self", "Private", "Public", "ThirdParty", "All"};

struct Filter {
  std::string key;
  std::vector<std::string> values;
};

std::expected<std::vector<Filter>, aws::ApiError> readDocumentFilters(const json::Object& input) {
  std::vector<Filter> filters;
  const auto take = [&](std::string_view member, std::string_view key_name, std::string_view value_name) -> std::optional<aws::ApiError> {
    const auto* list = json::find(input, member);
    if (list == nullptr || !list->is_array()) return std::nullopt;
    for (const auto& each : list->get_array()) {
      if (!each.is_object())
        return aws::ApiError{"SerializationException", fmt::format("A member of {} is no object.", member), 400, true, {}};
      Filter filter{json::textOr(each.get_object(), key_name), {}};
      const auto* values = json::find(each.get_object(), value_name);
      if (values != nullptr && values->is_string()) filter.values.push_back(json::toStd(values->get_string()));
      if (values != nullptr && values->is_array())
        for (const auto& value : values->get_array())
          if (value.is_string()) filter.values.push_back(json::toStd(value.get_string()));
      const bool tag = filter.key.starts_with("tag:") && filter.key.size() > 4;
      if (!tag && std::ranges::find(kKeys, filter.key) == kKeys.end())
        return aws::ApiError{"InvalidFilterKey",
                             fmt::format("'{}' is no key of a filter here: use {} or tag:KEY.", filter.key, fmt::join(kKeys, ", ")),
                             400,
                             true,
                             {}};
      if (filter.values.empty()) return aws::ApiError::validation(fmt::format("The filter {} has no value.", filter.key));
      if (filter.key == "Owner")
        for (const auto& owner : filter.values)
          if (std::ranges::find(kOwners, owner) == kOwners.end())
            return aws::ApiError::validation(fmt::format("The filter Owner is one of {}, not '{}'.", fmt::join(kOwners, ", "), owner));
      filters.push_back(std::move(filter));
    }
    return std::nullopt;
  };
  if (auto wrong = take("Filters", "Key", "Values")) return std::unexpected(std::move(*wrong));
  if (auto wrong = take("DocumentFilterList", "key", "value")) return std::unexpected(std::move(*wrong));
  return filters;
}

bool passesOne(const Filter& filter, const DocumentRecord& document, const json::Object& view) {
  const auto is_one = [&](std::string_view text) { return std::ranges::find(filter.values, text) != filter.values.end(); };
  if (filter.key == "Name") return std::ranges::any_of(filter.values, [&](const auto& value) { return document.name.starts_with(value); });
  if (filter.key == "SearchKeyword")
    return std::ranges::any_of(filter.values,
                               [&](const auto& value) { return toLower(document.name).find(toLower(value)) != std::string::npos; });
  if (filter.key == "Owner")
    return is_one("All") || (document.amazon ? is_one("Amazon") || is_one("Public") : is_one("Self") || is_one("Private"));
  if (filter.key == "DocumentType") return is_one("Command");
  if (filter.key == "TargetType") return is_one(document.target_type);
  if (filter.key == "PlatformTypes") {
    const auto* platforms = json::find(view, "PlatformTypes");
    return platforms != nullptr &&
           std::ranges::any_of(platforms->get_array(), [&](const auto& each) { return is_one(json::toView(each.get_string())); });
  }
  const auto tag = document.tags.find(filter.key.substr(4));
  return tag != document.tags.end() && is_one(tag->second);
}

}  // namespace

aws::Operation listDocumentsOperation() {
  return {"ListDocuments",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto filters, readDocumentFilters(call.input));
            SP_TRY(const auto page, readPage(call.input, "ListDocuments", 1, kPage));
            json::Array list;
            std::string next;
            auto position = page.position;
            for (auto batch = listDocuments(*call.txn, position, kBatch); !batch.empty() && next.empty();
                 batch = listDocuments(*call.txn, position, kBatch))
              for (const auto& document : batch) {
                position = document.name;
                const auto found = findDocument(*call.txn, document.name, "");
                if (!found) continue;
                auto view = descriptionView(document, found->version, call.realm);
                if (!std::ranges::all_of(filters, [&](const Filter& filter) { return passesOne(filter, document, view); })) continue;
                if (list.size() == page.limit) {
                  next = json::textOr(list.back().get_object(), "Name");
                  break;
                }
                // An identifier is a description without what takes room.
                for (const auto* other : {"Hash", "HashType", "Status", "Description", "Parameters", "LatestVersion", "DefaultVersion"})
                  view.erase(other);
                list.push_back(std::move(view));
              }
            json::Object output{{"DocumentIdentifiers", std::move(list)}};
            if (!next.empty()) output["NextToken"] = aws::makePageToken(page.bound_to, next);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ssm
