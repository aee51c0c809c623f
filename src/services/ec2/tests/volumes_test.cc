// Volumes and snapshots, as far as there are any.
#include "services/ec2/volumes.h"

#include <set>

#include <fmt/format.h>

#include "services/ec2/tests/instances_fixture.h"

namespace sp::services::ec2 {
namespace {

class VolumesTest : public InstancesTest {
 protected:
  std::string added(const std::vector<std::string>& paths, const std::string& start = "/bin/start") {
    AddSpec spec;
    spec.driver = "exec";
    spec.power = {{"Start", json::Array{start}}, {"Stop", json::Array{"/bin/stop"}}, {"Status", json::Array{"/bin/status"}}};
    spec.volumes = paths;
    const auto id = in([&](store::Txn& txn) { return instances_->add(txn, spec); })->id;
    settle("running");
    return id;
  }
  json::Array list(std::string_view input) {
    const auto outcome = call("DescribeVolumes", input);
    return outcome ? outcome->at("volumeSet").get_array() : json::Array{};
  }
  /// Devices of the volumes that a filter lets through.
  std::set<std::string> devices(std::string_view name, std::string_view value) {
    std::set<std::string> found;
    for (const auto& volume : list(fmt::format(R"({{"Filter":[{{"Name":"{}","Value":["{}"]}}]}})", name, value)))
      found.insert(json::textOr(volume.get_object().at("attachmentSet").get_array()[0].get_object(), "device"));
    return found;
  }
};

TEST_F(VolumesTest, ADemoMachineIsOneVolumeAndAnAddedOneItsPaths) {
  const auto demo = running();
  const auto other = added({"/srv/b.img", "/srv/a.img", "/srv/a.img"});
  const auto volumes = volumesOf(get(demo));
  ASSERT_EQ(volumes.size(), 1U);
  EXPECT_EQ(volumes[0].device, "/");
  EXPECT_TRUE(volumes[0].ends_with_instance);
  const auto paths = volumesOf(get(other));
  ASSERT_EQ(paths.size(), 2U);
  EXPECT_EQ(paths[0].device, "/srv/a.img");
  EXPECT_FALSE(paths[0].ends_with_instance) << "Stillpoint removes only what it made";
  EXPECT_NE(paths[0].id, paths[1].id);
  EXPECT_EQ(volumesOf(get(other))[1].id, paths[1].id);
  ASSERT_TRUE(terminate(other));
  EXPECT_TRUE(volumesOf(get(other)).empty());
  EXPECT_EQ(list("{}").size(), 1U);
}

TEST_F(VolumesTest, VolumesAgreeWithTheMappingsOfTheirInstances) {
  running();
  added({"/srv/a.img", "/srv/b.img"});
  std::map<std::string, std::string> mapped;
  const auto found = call("DescribeInstances", "{}");
  ASSERT_TRUE(found);
  for (const auto& reservation : found->at("reservationSet").get_array()) {
    const auto& instance = reservation.get_object().at("instancesSet").get_array()[0].get_object();
    for (const auto& each : instance.at("blockDeviceMapping").get_array())
      mapped[json::textOr(each.get_object().at("ebs").get_object(), "volumeId")] =
          json::textOr(instance, "instanceId") + json::textOr(each.get_object(), "deviceName");
  }
  std::map<std::string, std::string> listed;
  for (const auto& volume : list("{}")) {
    const auto& attachment = volume.get_object().at("attachmentSet").get_array()[0].get_object();
    listed[json::textOr(volume.get_object(), "volumeId")] = json::textOr(attachment, "instanceId") + json::textOr(attachment, "device");
  }
  EXPECT_EQ(listed.size(), 3U);
  EXPECT_EQ(listed, mapped);
}

TEST_F(VolumesTest, AreFiltered) {
  const auto demo = running();
  const auto other = added({"/srv/a.img", "/srv/b.img"});
  EXPECT_EQ(devices("attachment.instance-id", other), (std::set<std::string>{"/srv/a.img", "/srv/b.img"}));
  EXPECT_EQ(devices("attachment.device", "*/b.*"), std::set<std::string>{"/srv/b.img"});
  EXPECT_EQ(devices("attachment.delete-on-termination", "true"), std::set<std::string>{"/"});
  EXPECT_EQ(devices("volume-id", volumesOf(get(demo))[0].id), std::set<std::string>{"/"});
  EXPECT_EQ(devices("status", "in-use").size(), 3U);
  EXPECT_TRUE(devices("status", "available").empty());
  EXPECT_TRUE(devices("size", "*").empty()) << "nobody knows it";
  EXPECT_TRUE(devices("tag:Name", "*").empty());
  EXPECT_EQ(told("DescribeVolumes", R"({"Filter":[{"Name":"colour","Value":["red"]}]})"),
            "InvalidParameterValue: The filter 'colour' is invalid");
  const auto by_volume =
      fmt::format(R"({{"Filter":[{{"Name":"block-device-mapping.volume-id","Value":["{}"]}}]}})", volumesOf(get(other))[1].id);
  const auto found = call("DescribeInstances", by_volume);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->at("reservationSet").get_array().size(), 1U);
  EXPECT_NE(json::toText(*found).find(other), std::string::npos);
  EXPECT_EQ(call("DescribeInstances", R"({"Filter":[{"Name":"block-device-mapping.colour","Value":["x"]}]})").error().code,
            "InvalidParameterValue");
}

TEST_F(VolumesTest, AreFoundById) {
  const auto id = volumesOf(get(running()))[0].id;
  added({"/srv/a.img"});
  const auto one = list(fmt::format(R"({{"VolumeId":["{}","{}"]}})", id, id));
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(json::textOr(one[0].get_object(), "volumeId"), id);
  EXPECT_EQ(told("DescribeVolumes", fmt::format(R"({{"VolumeId":["{}","vol-0123456789abcdef0"]}})", id)),
            "InvalidVolume.NotFound: The volume 'vol-0123456789abcdef0' does not exist.");
  EXPECT_EQ(told("DescribeVolumes", R"({"VolumeId":["vol-00000002","vol-00000001"]})"),
            "InvalidVolume.NotFound: The volumes 'vol-00000001, vol-00000002' do not exist.");
  EXPECT_EQ(told("DescribeVolumes", R"({"VolumeId":["vol-x"]})"), "InvalidVolumeID.Malformed: Invalid id: \"vol-x\"");
  EXPECT_EQ(told("DescribeVolumes", R"({"VolumeId":["disk"]})"),
            "InvalidParameterValue: Value (disk) for parameter volumes is invalid. Expected: 'vol-...'.");
  EXPECT_EQ(told("DescribeVolumes", fmt::format(R"({{"VolumeId":["{}"],"MaxResults":"5"}})", id)),
            "InvalidParameterCombination: The parameter volumeSet cannot be used with the parameter maxResults");
  EXPECT_EQ(call("DescribeVolumes", R"({"DryRun":"true"})").error().code, "DryRunOperation");
}

TEST_F(VolumesTest, ComeInPages) {
  std::vector<std::string> paths;
  for (int i = 0; i < 13; ++i) paths.push_back(fmt::format("/srv/{}.img", i));
  added(paths);
  std::vector<std::string> seen;
  std::string token;
  int pages = 0;
  do {
    const auto page =
        call("DescribeVolumes", token.empty() ? R"({"MaxResults":"5"})" : fmt::format(R"({{"MaxResults":"5","NextToken":"{}"}})", token));
    ASSERT_TRUE(page);
    for (const auto& volume : page->at("volumeSet").get_array()) seen.push_back(json::textOr(volume.get_object(), "volumeId"));
    token = json::textOr(*page, "nextToken");
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(seen.size(), 13U);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 13U);
  EXPECT_EQ(list(R"({"MaxResults":"9999"})").size(), 13U) << "as many as one page may hold";
  EXPECT_EQ(call("DescribeVolumes", R"({"MaxResults":"4"})").error().code, "InvalidParameterValue");
  EXPECT_EQ(call("DescribeVolumes", R"({"NextToken":"x"})").error().code, "InvalidParameterValue");
}

TEST_F(VolumesTest, NothingIsASnapshot) {
  running();
  EXPECT_EQ(told("DescribeSnapshots", R"({"Owner":["self"],"Filter":[{"Name":"volume-id","Value":["*"]},{"Name":"tag:a","Value":["b"]}]})"),
            R"({"snapshotSet":[]})");
  EXPECT_EQ(told("DescribeSnapshots", R"({"Owner":["000000000000","amazon"],"RestorableBy":["all"],"MaxResults":"5000"})"),
            R"({"snapshotSet":[]})");
  EXPECT_EQ(told("DescribeSnapshots", R"({"Owner":["me"]})"), "InvalidUserID.Malformed: Invalid user id: \"me\"");
  EXPECT_EQ(told("DescribeSnapshots", R"({"SnapshotId":["snap-0123456789abcdef0"]})"),
            "InvalidSnapshot.NotFound: The snapshot 'snap-0123456789abcdef0' does not exist.");
  EXPECT_EQ(told("DescribeSnapshots", R"({"SnapshotId":["snap-x"]})"), "InvalidSnapshotID.Malformed: Invalid id: \"snap-x\"");
  EXPECT_EQ(call("DescribeSnapshots", R"({"SnapshotId":["x"]})").error().code, "InvalidParameterValue");
  EXPECT_EQ(call("DescribeSnapshots", R"({"SnapshotId":["snap-0123456789abcdef0"],"MaxResults":"5"})").error().code,
            "InvalidParameterCombination");
  EXPECT_EQ(call("DescribeSnapshots", R"({"Filter":[{"Name":"colour","Value":["red"]}]})").error().code, "InvalidParameterValue");
  EXPECT_EQ(call("DescribeSnapshots", R"({"DryRun":"true"})").error().code, "DryRunOperation");
}

}  // namespace
}  // namespace sp::services::ec2
