#include "services/ec2/input.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "services/ec2/volumes.h"

namespace sp::services::ec2 {
namespace {

constexpr std::size_t kTagsPerResource = 50;
constexpr std::size_t kTaggedAtOnce = 1000;
constexpr std::size_t kTagKeyMax = 127;
constexpr std::size_t kTagValueMax = 256;
constexpr std::string_view kLoopback = "127.0.0.1";
#ifdef __aarch64__
constexpr std::string_view kArchitecture = "arm64";
#else
constexpr std::string_view kArchitecture = "x86_64";
#endif

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

// Filters that EC2 knows and whose attribute no machine here has: they match nothing, rather than being errors.
constexpr std::array<std::string_view, 21> kAbsentAttributes = {"capacity-reservation-id",
                                                                "dns-name",
                                                                "group-id",
                                                                "group-name",
                                                                "host-id",
                                                                "iam-instance-profile.arn",
                                                                "instance-lifecycle",
                                                                "instance.group-id",
                                                                "instance.group-name",
                                                                "ip-address",
                                                                "ipv6-address",
                                                                "kernel-id",
                                                                "key-name",
                                                                "network-interface.subnet-id",
                                                                "network-interface.vpc-id",
                                                                "outpost-arn",
                                                                "placement-group-name",
                                                                "platform",
                                                                "spot-instance-request-id",
                                                                "subnet-id",
                                                                "vpc-id"};

std::optional<std::vector<std::string>> mappingFilter(const Instance& instance, std::string_view filter) {
  constexpr std::string_view kMapping = "block-device-mapping.";
  if (!filter.starts_with(kMapping)) return std::nullopt;
  filter.remove_prefix(kMapping.size());
  const auto each = [&](auto text) {
    std::vector<std::string> values;
    for (const auto& volume : volumesOf(instance)) values.emplace_back(text(volume));
    return values;
  };
  if (filter == "device-name") return each([](const Volume& volume) { return volume.device; });
  if (filter == "volume-id") return each([](const Volume& volume) { return volume.id; });
  if (filter == "status") return each([](const Volume&) { return "attached"; });
  if (filter == "attach-time") return each([](const Volume& volume) { return toIso8601Millis(volume.attached); });
  if (filter == "delete-on-termination") return each([](const Volume& volume) { return volume.ends_with_instance ? "true" : "false"; });
  return std::nullopt;
}

}  // namespace

bool hasIdForm(std::string_view id, std::string_view prefix) {
  if (!id.starts_with(prefix)) return false;
  const auto digits = id.substr(prefix.size());
  return (digits.size() == 8 || digits.size() == 17) && digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<std::string> texts(const json::Object& input, std::string_view key) {
  std::vector<std::string> found;
  const auto* list = json::find(input, key);
  if (list == nullptr) return found;
  if (list->is_string()) found.push_back(json::toStd(list->get_string()));
  if (list->is_array())
    for (const auto& each : list->get_array())
      if (each.is_string()) found.push_back(json::toStd(each.get_string()));
  return found;
}

bool flag(const json::Object& input, std::string_view key) {
  const auto* value = json::find(input, key);
  if (value == nullptr) return false;
  return value->is_bool() ? value->get_bool() : value->is_string() && equalsIgnoreCase(json::toView(value->get_string()), "true");
}

std::unexpected<aws::ApiError> missing(std::string_view parameter) {
  return aws::refuse("MissingParameter", fmt::format("The request must contain the parameter {}", parameter));
}

std::unexpected<aws::ApiError> dryRun() {
  return aws::refuse("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412);
}

Checked<std::vector<Instance>> findInstances(store::Txn& txn, const Instances& instances, const std::vector<std::string>& ids) {
  std::vector<Instance> found;
  std::vector<std::string> unknown;
  std::set<std::string, std::less<>> seen;
  for (const auto& id : ids)
    if (!hasIdForm(id, "i-")) return aws::refuse("InvalidInstanceID.Malformed", fmt::format("Invalid id: \"{}\"", id));
  for (const auto& id : ids) {
    if (!seen.insert(id).second) continue;
    if (auto instance = instances.find(txn, id)) found.push_back(std::move(*instance));
    else unknown.push_back(id);
  }
  if (unknown.size() == 1)
    return aws::refuse("InvalidInstanceID.NotFound", fmt::format("The instance ID '{}' does not exist", unknown.front()));
  if (!unknown.empty())
    return aws::refuse("InvalidInstanceID.NotFound", fmt::format("The instance IDs '{}' do not exist", join(unknown, ", ")));
  return found;
}

Checked<std::vector<Instance>> namedInstances(const aws::Call& call, const Instances& instances) {
  const auto ids = texts(call.input, "InstanceId");
  if (ids.empty()) return missing("InstanceId");
  return findInstances(*call.txn, instances, ids);
}

Checked<std::vector<Filter>> readFilters(const json::Object& input) {
  std::vector<Filter> filters;
  const auto* list = json::find(input, "Filter");
  if (list == nullptr || !list->is_array()) return filters;
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto& each = list->get_array()[i];
    Filter filter;
    if (each.is_object()) filter = {json::textOr(each.get_object(), "Name"), texts(each.get_object(), "Value")};
    if (filter.name.empty()) return missing(fmt::format("Filter.{}.Name", i + 1));
    if (filter.values.empty()) return missing(fmt::format("Filter.{}.Value", i + 1));
    filters.push_back(std::move(filter));
  }
  return filters;
}

Checked<bool> passes(const std::vector<Filter>& filters, const FilterSource& source) {
  bool all = true;
  for (const auto& filter : filters) {
    const auto present = source(filter.name);
    if (!present) return aws::refuse("InvalidParameterValue", fmt::format("The filter '{}' is invalid", filter.name));
    const bool some = std::ranges::any_of(*present, [&](const std::string& value) {
      return std::ranges::any_of(filter.values, [&](const std::string& pattern) { return matchesWildcard(pattern, value); });
    });
    all = all && some;
  }
  return all;
}

std::optional<std::vector<std::string>> tagFilter(const std::map<std::string, std::string>& tags, std::string_view name) {
  std::vector<std::string> values;
  if (name == "tag-key") {
    for (const auto& [key, value] : tags) values.push_back(key);
    return values;
  }
  if (name == "tag-value") {
    for (const auto& [key, value] : tags) values.push_back(value);
    return values;
  }
  if (!name.starts_with("tag:") || name.size() == 4) return std::nullopt;
  if (const auto tag = tags.find(std::string(name.substr(4))); tag != tags.end()) values.push_back(tag->second);
  return values;
}

std::optional<std::vector<std::string>> instanceFilter(const Instance& instance, const Realm& realm, std::string_view filter) {
  if (auto tags = tagFilter(instance.tags, filter)) return tags;
  if (auto mapped = mappingFilter(instance, filter)) return mapped;
  const auto one = [](std::string_view text) { return text.empty() ? std::vector<std::string>{} : std::vector{std::string(text)}; };
  if (filter == "instance-id") return one(instance.id);
  if (filter == "instance-state-name") return one(name(instance.state));
  if (filter == "instance-state-code") return one(std::to_string(static_cast<int>(instance.state)));
  if (filter == "private-ip-address" || filter == "network-interface.addresses.private-ip-address")
    return one(instance.state == InstanceState::terminated || !instance.isMade() ? "" : kLoopback);
  if (filter == "instance-type") return one(instance.instance_type);
  if (filter == "availability-zone") return one(availabilityZone(realm));
  if (filter == "image-id") return one(instance.image_id);
  if (filter == "reservation-id") return one(instance.reservation_id);
  if (filter == "owner-id") return one(realm.account);
  if (filter == "client-token") return one(instance.client_token);
  if (filter == "launch-time") return one(toIso8601Millis(instance.launched));
  if (filter == "launch-index") return one("0");
  if (filter == "architecture") return one(kArchitecture);
  if (filter == "private-dns-name") return one(instance.hostname);
  if (filter == "reason") return one(instance.transition_reason);
  if (filter == "state-reason-code") return one(instance.state_reason_code);
  if (filter == "platform-details") return one("Linux/UNIX");
  if (filter == "root-device-type") return one("ebs");
  if (filter == "root-device-name") return one(kRootDevice);
  if (filter == "tenancy") return one("default");
  if (filter == "virtualization-type") return one("hvm");
  if (filter == "monitoring-state") return one("disabled");
  if (std::ranges::find(kAbsentAttributes, filter) != kAbsentAttributes.end()) return std::vector<std::string>{};
  return std::nullopt;
}

Checked<Page> readPage(const aws::Call& call, std::string_view operation, std::int64_t least, bool by_id, const PageRule& rule) {
  Page page;
  // Bound to what selects, not to the size of the pages: that may change from page to page.
  const auto* filters = json::find(call.input, "Filter");
  page.bound_to =
      fmt::format("ec2.{}.{}.{}", operation, filters == nullptr ? "" : json::toText(*filters), flag(call.input, "IncludeAllInstances"));
  const auto most = json::textOr(call.input, "MaxResults");
  const auto token = json::textOr(call.input, "NextToken");
  if (by_id && !most.empty())
    return aws::refuse("InvalidParameterCombination",
                       fmt::format("The parameter {} cannot be used with the parameter maxResults", rule.set));
  if (by_id && !token.empty())
    return aws::refuse("InvalidParameterCombination",
                       fmt::format("The parameter {} cannot be used with the parameter nextToken", rule.set));
  if (!most.empty()) {
    const auto limit = parseInt(most);
    if (!limit || *limit < least)
      return aws::refuse("InvalidParameterValue",
                         fmt::format("Value ( {} ) for parameter maxResults is invalid. Expecting a value greater than {}.", most, least));
    if (*limit > rule.most && !rule.cuts)
      return aws::refuse("InvalidParameterValue",
                         fmt::format("Value ( {} ) for parameter maxResults is invalid. Expecting a value less than {}.", most, rule.most));
    page.limit = static_cast<std::size_t>(std::min(*limit, rule.most));
  }
  if (!token.empty()) {
    const auto position = aws::readPageToken(page.bound_to, token);
    if (!position) return aws::refuse("InvalidParameterValue", fmt::format("The token '{}' is invalid", token));
    page.after = *position;
  }
  return page;
}

void setNext(json::Object& output, const Page& page, std::string_view position) {
  output["nextToken"] = aws::makePageToken(page.bound_to, position);
}

json::Object stateMember(InstanceState state) { return {{"code", static_cast<int>(state)}, {"name", name(state)}}; }

json::Array tagSet(const std::map<std::string, std::string>& tags) {
  json::Array set;
  for (const auto& [key, value] : tags) set.push_back(json::Object{{"key", key}, {"value", value}});
  return set;
}

std::string availabilityZone(const Realm& realm) { return realm.region + "a"; }

json::Object describe(const Instance& instance, const Realm& realm) {
  json::Object item{{"instanceId", instance.id},
                    {"imageId", instance.image_id},
                    {"instanceState", stateMember(instance.state)},
                    {"privateDnsName", instance.hostname},
                    {"dnsName", ""},
                    {"reason", instance.transition_reason},
                    {"amiLaunchIndex", 0},
                    {"productCodes", json::Array{}},
                    {"instanceType", instance.instance_type},
                    {"launchTime", toIso8601Millis(instance.launched)},
                    {"placement", json::Object{{"availabilityZone", availabilityZone(realm)}, {"groupName", ""}, {"tenancy", "default"}}},
                    {"monitoring", json::Object{{"state", "disabled"}}}};
  // Demo machines live in the network of the server's host.
  if (instance.state != InstanceState::terminated && instance.isMade()) item["privateIpAddress"] = kLoopback;
  item["groupSet"] = json::Array{};
  if (!instance.state_reason_code.empty())
    item["stateReason"] = json::Object{{"code", instance.state_reason_code}, {"message", instance.state_reason}};
  item["architecture"] = kArchitecture;
  item["rootDeviceType"] = "ebs";
  item["rootDeviceName"] = kRootDevice;
  item["blockDeviceMapping"] = blockDeviceMapping(instance);
  item["virtualizationType"] = "hvm";
  if (!instance.client_token.empty()) item["clientToken"] = instance.client_token;
  item["ebsOptimized"] = false;
  item["enclaveOptions"] = json::Object{{"enabled", false}};
  item["tagSet"] = tagSet(instance.tags);
  item["platformDetails"] = "Linux/UNIX";
  item["usageOperation"] = "RunInstances";
  item["usageOperationUpdateTime"] = toIso8601Millis(instance.created);
  return item;
}

json::Object stateChange(const Instance& before, const Instance& after) {
  return {{"instanceId", after.id}, {"currentState", stateMember(after.state)}, {"previousState", stateMember(before.state)}};
}

Checked<std::vector<Instance>> taggedInstances(const aws::Call& call, const Instances& instances) {
  const auto ids = texts(call.input, "ResourceId");
  if (ids.empty()) return missing("ResourceIdSet");
  if (ids.size() > kTaggedAtOnce)
    return aws::refuse("InvalidParameterValue",
                       fmt::format("{} resources are given; at most {} can be tagged at once.", ids.size(), kTaggedAtOnce));
  for (const auto& id : ids)
    if (!id.starts_with("i-")) return aws::refuse("InvalidID", fmt::format("The ID '{}' is not valid", id));
  return findInstances(*call.txn, instances, ids);
}

Checked<std::map<std::string, std::string>> readTags(const json::Object& holder) {
  std::map<std::string, std::string> tags;
  const auto* list = json::find(holder, "Tag");
  if (list == nullptr || !list->is_array()) return tags;
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const auto& each = list->get_array()[i];
    const auto key = each.is_object() ? json::textOr(each.get_object(), "Key") : "";
    const auto value = each.is_object() ? json::textOr(each.get_object(), "Value") : "";
    if (key.empty()) return missing(fmt::format("Tag.{}.Key", i + 1));
    if (key.starts_with("aws:")) return aws::refuse("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use");
    if (characters(key) > kTagKeyMax)
      return aws::refuse("InvalidParameterValue", fmt::format("Tag key exceeds the maximum length of {} characters", kTagKeyMax));
    if (characters(value) > kTagValueMax)
      return aws::refuse("InvalidParameterValue", fmt::format("Tag value exceeds the maximum length of {} characters", kTagValueMax));
    if (!tags.emplace(key, value).second)
      return aws::refuse("InvalidParameterValue", fmt::format("Duplicate tag key '{}' specified.", key));
  }
  return tags;
}

std::optional<aws::ApiError> tooManyTags(const std::map<std::string, std::string>& tags) {
  if (tags.size() <= kTagsPerResource) return std::nullopt;
  return aws::ApiError{"TagLimitExceeded",
                       fmt::format("The maximum number of tags ({}) for the resource would be exceeded: {}", kTagsPerResource, tags.size()),
                       400,
                       true,
                       {}};
}

}  // namespace sp::services::ec2
