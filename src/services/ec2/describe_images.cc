// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
#include "services/ec2/operations.h"

#include <algorithm>

#include <fmt/format.h>

#include "services/ec2/images.h"
#include "services/ec2/input.h"
#include "services/ec2/volumes.h"

namespace sp::services::ec2 {

std::optional<aws::ApiError> checkImage(std::string_view id) {
  if (std::ranges::find(kImages, id, &Image::id) != kImages.end()) return std::nullopt;
  if (!id.starts_with("ami-"))
    return aws::ApiError{"InvalidAMIID.Malformed", fmt::format("Invalid id: \"{}\" (expecting \"ami-...\")", id), 400, true, {}};
  return aws::ApiError{"InvalidAMIID.NotFound", fmt::format("The image id '[{}]' does not exist", id), 400, true, {}};
}

namespace {

constexpr std::string_view kCreated = "2026-11-01T00:00:00.000Z";

std::optional<std::vector<std::string>> imageFilter(const Image& image, const Realm& realm, std::string_view name) {
  const auto one = [](std::string_view text) { return std::vector{std::string(text)}; };
  if (auto tags = tagFilter({}, name)) return tags;
  if (name == "image-id") return one(image.id);
  if (name == "name") return one(image.name);
  if (name == "description") return one(image.description);
  if (name == "state") return one("available");
  if (name == "owner-id") return one(realm.account);
  if (name == "is-public") return one("false");
  if (name == "image-type") return one("machine");
  if (name == "root-device-type") return one("ebs");
  if (name == "virtualization-type") return one("hvm");
  if (name == "architecture") return instanceFilter(Instance{}, realm, name);
  if (name == "creation-date") return one(kCreated);
  if (name == "owner-alias" || name == "platform" || name == "product-code") return std::vector<std::string>{};
  return std::nullopt;
}

}  // namespace

aws::Operation describeImages() {
  return {"DescribeImages",
          [](const aws::Call& call) -> aws::Outcome {
            const auto ids = texts(call.input, "ImageId");
            for (const auto& id : ids)
              if (auto unknown = checkImage(id)) return std::unexpected(std::move(*unknown));
            SP_TRY(const auto filters, readFilters(call.input));
            const auto owners = texts(call.input, "Owner");
            const bool owned = owners.empty() || std::ranges::any_of(owners, [&](const std::string& owner) {
                                 return owner == "self" || owner == call.realm.account;
                               });
            if (flag(call.input, "DryRun")) return dryRun();
            json::Array set;
            for (const auto& image : kImages) {
              SP_TRY(const bool wanted, passes(filters, [&](std::string_view name) { return imageFilter(image, call.realm, name); }));
              if (!wanted || !owned || (!ids.empty() && std::ranges::find(ids, image.id) == ids.end())) continue;
              set.push_back(json::Object{{"imageId", image.id},
                                         {"imageLocation", fmt::format("{}/{}", call.realm.account, image.name)},
                                         {"imageState", "available"},
                                         {"imageOwnerId", call.realm.account},
                                         {"creationDate", kCreated},
                                         {"isPublic", false},
                                         {"architecture", instanceFilter(Instance{}, call.realm, "architecture")->front()},
                                         {"imageType", "machine"},
                                         {"name", image.name},
                                         {"description", image.description},
                                         {"rootDeviceType", "ebs"},
                                         {"rootDeviceName", kRootDevice},
                                         {"blockDeviceMapping", json::Array{}},
                                         {"virtualizationType", "hvm"},
                                         {"platformDetails", "Linux/UNIX"},
                                         {"tagSet", json::Array{}}});
            }
            return json::Object{{"imagesSet", std::move(set)}};
          },
          {},
          false};
}

}  // namespace sp::services::ec2
