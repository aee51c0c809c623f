// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
#include "services/ec2/operations.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "services/ec2/input.h"
#include "services/ec2/volumes.h"

namespace sp::services::ec2 {

namespace {

constexpr std::string_view kPrefix = "vol-";
constexpr PageRule kPages{"volumeSet", 500, true};

// Filters that EC2 knows and whose attribute no volume here has.
constexpr std::array<std::string_view, 9> kAbsent = {"availability-zone-id", "fast-restored", "operator.managed",
                                                     "operator.principal",   "size",          "snapshot-id",
                                                     "source-volume-id",     "volume-type",   "sse-type"};

std::optional<std::vector<std::string>> volumeFilter(const Volume& volume, const Realm& realm, std::string_view name) {
  const auto one = [](std::string_view text) { return std::vector{std::string(text)}; };
  if (auto tags = tagFilter({}, name); tags && name != "tag-value") return tags;
  if (name == "volume-id") return one(volume.id);
  if (name == "attachment.instance-id") return one(volume.instance);
  if (name == "attachment.device") return one(volume.device);
  if (name == "attachment.status") return one("attached");
  if (name == "attachment.attach-time" || name == "create-time") return one(toIso8601Millis(volume.attached));
  if (name == "attachment.delete-on-termination") return one(volume.ends_with_instance ? "true" : "false");
  if (name == "availability-zone") return one(availabilityZone(realm));
  if (name == "status") return one("in-use");
  if (name == "encrypted" || name == "multi-attach-enabled") return one("false");
  if (std::ranges::find(kAbsent, name) != kAbsent.end()) return std::vector<std::string>{};
  return std::nullopt;
}

/// Those of all machines, ordered by id; of `ids` alone unless it is empty.
Checked<std::vector<Volume>> find(const aws::Call& call, const Instances& instances, const std::vector<std::string>& ids) {
  for (const auto& id : ids) {
    if (!id.starts_with(kPrefix))
      return aws::refuse("InvalidParameterValue", fmt::format("Value ({}) for parameter volumes is invalid. Expected: 'vol-...'.", id));
    if (!hasIdForm(id, kPrefix)) return aws::refuse("InvalidVolumeID.Malformed", fmt::format("Invalid id: \"{}\"", id));
  }
  std::vector<Volume> found;
  std::set<std::string, std::less<>> unknown(ids.begin(), ids.end());
  for (const auto& instance : instances.all(*call.txn))
    for (auto& volume : volumesOf(instance)) {
      const bool named = unknown.erase(volume.id) > 0;
      if (named || ids.empty()) found.push_back(std::move(volume));
    }
  if (unknown.size() == 1) return aws::refuse("InvalidVolume.NotFound", fmt::format("The volume '{}' does not exist.", *unknown.begin()));
  if (!unknown.empty())
    return aws::refuse("InvalidVolume.NotFound",
                       fmt::format("The volumes '{}' do not exist.", join({unknown.begin(), unknown.end()}, ", ")));
  std::ranges::sort(found, {}, &Volume::id);
  return found;
}

json::Object describe(const Volume& volume, const Realm& realm) {
  const auto since = toIso8601Millis(volume.attached);
  // What only a disk of EC2's has is left out: size, type, iops.
  return {{"volumeId", volume.id},
          {"status", "in-use"},
          {"createTime", since},
          {"availabilityZone", availabilityZone(realm)},
          {"snapshotId", ""},
          {"encrypted", false},
          {"multiAttachEnabled", false},
          {"attachmentSet", json::Array{json::Object{{"volumeId", volume.id},
                                                     {"instanceId", volume.instance},
                                                     {"device", volume.device},
                                                     {"status", "attached"},
                                                     {"attachTime", since},
                                                     {"deleteOnTermination", volume.ends_with_instance}}}},
          {"tagSet", json::Array{}}};
}

}  // namespace

aws::Operation describeVolumes(Instances& instances) {
  return {"DescribeVolumes",
          [&instances](const aws::Call& call) -> aws::Outcome {
            const auto ids = texts(call.input, "VolumeId");
            SP_TRY(const auto filters, readFilters(call.input));
            SP_TRY(const auto page, readPage(call, "DescribeVolumes", 5, !ids.empty(), kPages));
            SP_TRY(const auto candidates, find(call, instances, ids));
            SP_TRY([[maybe_unused]] const bool known,
                   passes(filters, [&](std::string_view name) { return volumeFilter(Volume{}, call.realm, name); }));
            if (flag(call.input, "DryRun")) return dryRun();
            json::Object output;
            json::Array set;
            for (const auto& volume : candidates) {
              if (volume.id <= page.after) continue;
              SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) { return volumeFilter(volume, call.realm, name); }));
              if (!wanted) continue;
              if (page.limit > 0 && set.size() == page.limit) {
                setNext(output, page, json::textOr(set.back().get_object(), "volumeId"));
                break;
              }
              set.push_back(describe(volume, call.realm));
            }
            output["volumeSet"] = std::move(set);
            return output;
          },
          {},
          false};
}

}  // namespace sp::services::ec2
