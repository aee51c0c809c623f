// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshots.html
//
// Nothing here is an EBS snapshot: a backup is a recovery point, which AWS Backup's API shows. So there is never one, and whoever asks
// for his own is told so, rather than that the operation does not exist.
#include "services/ec2/operations.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "services/ec2/input.h"

namespace sp::services::ec2 {

namespace {

constexpr std::string_view kPrefix = "snap-";
constexpr PageRule kPages{"snapshotSet", 1000, true};
constexpr std::size_t kAccountDigits = 12;
constexpr std::array<std::string_view, 14> kFilters = {"description", "encrypted",     "owner-alias", "owner-id", "progress",
                                                       "snapshot-id", "start-time",    "status",      "tag-key",  "storage-tier",
                                                       "volume-id",   "transfer-type", "volume-size", "sse-type"};

/// The accounts of Owner and RestorableBy, each with the words that stand for some.
std::optional<aws::ApiError> refuseAccounts(const std::vector<std::string>& accounts, std::initializer_list<std::string_view> words) {
  for (const auto& account : accounts) {
    const bool digits = account.size() == kAccountDigits && account.find_first_not_of("0123456789") == std::string::npos;
    if (!digits && std::ranges::find(words, account) == words.end())
      return aws::ApiError{"InvalidUserID.Malformed", fmt::format("Invalid user id: \"{}\"", account), 400, true, {}};
  }
  return std::nullopt;
}

}  // namespace

aws::Operation describeSnapshots() {
  return {"DescribeSnapshots",
          [](const aws::Call& call) -> aws::Outcome {
            const auto ids = texts(call.input, "SnapshotId");
            for (const auto& id : ids) {
              if (!id.starts_with(kPrefix))
                return aws::refuse("InvalidParameterValue",
                                   fmt::format("Value ({}) for parameter snapshotId is invalid. Expected: 'snap-...'.", id));
              if (!hasIdForm(id, kPrefix)) return aws::refuse("InvalidSnapshotID.Malformed", fmt::format("Invalid id: \"{}\"", id));
            }
            if (auto refused = refuseAccounts(texts(call.input, "Owner"), {"self", "amazon"})) return std::unexpected(std::move(*refused));
            if (auto refused = refuseAccounts(texts(call.input, "RestorableBy"), {"self", "all"}))
              return std::unexpected(std::move(*refused));
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY([[maybe_unused]] const bool known, passes(filters, [](std::string_view name) -> std::optional<std::vector<std::string>> {
                     const bool tag = name.starts_with("tag:") && name.size() > std::string_view("tag:").size();
                     if (tag || std::ranges::find(kFilters, name) != kFilters.end()) return std::vector<std::string>{};
                     return std::nullopt;
                   }));
            SP_TRY([[maybe_unused]] const auto page, readPage(call, "DescribeSnapshots", 5, !ids.empty(), kPages));
            if (!ids.empty()) return aws::refuse("InvalidSnapshot.NotFound", fmt::format("The snapshot '{}' does not exist.", ids.front()));
            if (flag(call.input, "DryRun")) return dryRun();
            return json::Object{{"snapshotSet", json::Array{}}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
