#include "tasks/naming.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/strings.h"
#include "base/time_format.h"
#include "json/big_integer.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kPrefix = "arn:aws:states:::";
constexpr std::string_view kSdk = "aws-sdk:";
struct Suffix {
  std::string_view text;
  Resource::Pattern pattern;
};
constexpr std::array kSuffixes = {Suffix{".sync", Resource::Pattern::sync}, Suffix{".sync:2", Resource::Pattern::sync2},
                                  Suffix{".waitForTaskToken", Resource::Pattern::callback}};

struct Renamed {
  std::string_view from;
  std::string_view to;
};

// The lists of SSM's inputs whose structures have members in lower case.
struct List {
  std::string_view operation;
  std::string_view member;
};
constexpr std::array kSsmLowered = {List{"DescribeInstanceInformation", "InstanceInformationFilterList"},
                                    List{"ListCommandInvocations", "Filters"}, List{"ListCommands", "Filters"},
                                    List{"ListDocuments", "DocumentFilterList"}};

// EC2's query names of what the SDK calls otherwise.
constexpr std::array kEc2Input = {Renamed{"ExecutableUsers", "ExecutableBy"},
                                  Renamed{"Filters", "Filter"},
                                  Renamed{"Groups", "GroupId"},
                                  Renamed{"ImageIds", "ImageId"},
                                  Renamed{"InstanceIds", "InstanceId"},
                                  Renamed{"OwnerIds", "Owner"},
                                  Renamed{"Owners", "Owner"},
                                  Renamed{"RegionNames", "RegionName"},
                                  Renamed{"Resources", "ResourceId"},
                                  Renamed{"RestorableByUserIds", "RestorableBy"},
                                  Renamed{"SecurityGroupIds", "SecurityGroupId"},
                                  Renamed{"SnapshotIds", "SnapshotId"},
                                  Renamed{"TagSpecifications", "TagSpecification"},
                                  Renamed{"Tags", "Tag"},
                                  Renamed{"Values", "Value"},
                                  Renamed{"VolumeIds", "VolumeId"},
                                  Renamed{"ZoneIds", "ZoneId"},
                                  Renamed{"ZoneNames", "ZoneName"},
                                  Renamed{"BlockDeviceMappings", "BlockDeviceMapping"}};

// EC2's XML names whose SDK name is not just capitalised.
constexpr std::array kEc2Output = {Renamed{"attachmentSet", "Attachments"},
                                   Renamed{"availabilityZoneInfo", "AvailabilityZones"},
                                   Renamed{"blockDeviceMapping", "BlockDeviceMappings"},
                                   Renamed{"dnsName", "PublicDnsName"},
                                   Renamed{"eventsSet", "Events"},
                                   Renamed{"imageOwnerId", "OwnerId"},
                                   Renamed{"imageState", "State"},
                                   Renamed{"imagesSet", "Images"},
                                   Renamed{"instanceStatusSet", "InstanceStatuses"},
                                   Renamed{"instancesSet", "Instances"},
                                   Renamed{"ipAddress", "PublicIpAddress"},
                                   Renamed{"isPublic", "Public"},
                                   Renamed{"kernel", "KernelId"},
                                   Renamed{"messageSet", "Messages"},
                                   Renamed{"networkInterfaceSet", "NetworkInterfaces"},
                                   Renamed{"ramdisk", "RamdiskId"},
                                   Renamed{"reason", "StateTransitionReason"},
                                   Renamed{"regionEndpoint", "Endpoint"},
                                   Renamed{"regionInfo", "Regions"},
                                   Renamed{"reservationSet", "Reservations"},
                                   Renamed{"snapshotSet", "Snapshots"},
                                   Renamed{"tagSet", "Tags"},
                                   Renamed{"volumeSet", "Volumes"},
                                   Renamed{"zoneState", "State"}};

struct ServiceName {
  /// As a resource writes it.
  std::string_view written;
  std::string_view signing;
  /// As errors and causes write it.
  std::string_view shown;
};
constexpr std::array kServices = {ServiceName{"sfn", "states", "Sfn"},
                                  ServiceName{"dynamodb", "dynamodb", "DynamoDb"},
                                  ServiceName{"ec2", "ec2", "Ec2"},
                                  ServiceName{"ssm", "ssm", "Ssm"},
                                  ServiceName{"backup", "backup", "Backup"},
                                  ServiceName{"iam", "iam", "Iam"},
                                  ServiceName{"sts", "sts", "Sts"},
                                  ServiceName{"eventbridge", "events", "EventBridge"},
                                  ServiceName{"scheduler", "scheduler", "Scheduler"},
                                  ServiceName{"stillpoint", "stillpoint", "Stillpoint"}};

std::string_view shownName(std::string_view signing_name) {
  for (const auto& service : kServices)
    if (service.signing == signing_name) return service.shown;
  return signing_name;
}

std::string withFirst(std::string_view text, int (*change)(int)) {
  std::string out(text);
  if (!out.empty()) out[0] = static_cast<char>(change(static_cast<unsigned char>(out[0])));
  return out;
}
std::string capitalised(std::string_view text) { return withFirst(text, std::toupper); }
std::string lowered(std::string_view text) { return withFirst(text, std::tolower); }

template <class Names>
std::string_view renamed(const Names& names, std::string_view key) {
  for (const auto& name : names)
    if (name.from == key) return name.to;
  return {};
}

// Forms carry texts alone.
json::Value formScalar(const json::Value& value) {
  if (value.is_bool()) return json::Value(value.get_bool() ? "true" : "false");
  if (json::isNumber(value)) return json::Value(json::toText(value));
  return value;
}

json::Value ec2Input(const json::Value& value) {
  if (value.is_array()) {
    json::Array out;
    for (const auto& element : value.get_array()) out.push_back(ec2Input(element));
    return out;
  }
  if (!value.is_object()) return formScalar(value);
  json::Object out;
  for (const auto& member : value.get_object()) {
    const auto other = renamed(kEc2Input, member.key());
    out[other.empty() ? std::string_view(member.key()) : other] = ec2Input(member.value());
  }
  return out;
}

json::Value queryInput(const json::Value& value) {
  if (value.is_array()) {
    json::Array out;
    for (const auto& element : value.get_array()) out.push_back(queryInput(element));
    return out;
  }
  if (!value.is_object()) return formScalar(value);
  json::Object out;
  for (const auto& member : value.get_object()) out[member.key()] = queryInput(member.value());
  return out;
}

json::Value stepFunctionsInput(const json::Value& value) {
  if (value.is_array()) {
    json::Array out;
    for (const auto& element : value.get_array()) out.push_back(stepFunctionsInput(element));
    return out;
  }
  if (!value.is_object()) return value;
  json::Object out;
  for (const auto& member : value.get_object()) {
    const auto key = lowered(member.key());
    // Documents travel as texts in this API; a state machine may write them as JSON.
    const bool document = key == "input" || key == "definition";
    if (document && !json::isText(member.value())) out[key] = json::toText(member.value());
    else out[key] = stepFunctionsInput(member.value());
  }
  return out;
}

json::Object ssmInput(std::string_view operation, json::Object parameters) {
  for (const auto& list : kSsmLowered) {
    auto* given = list.operation == operation ? parameters.if_contains(list.member) : nullptr;
    if (given == nullptr || !given->is_array()) continue;
    for (auto& element : given->get_array()) {
      if (!element.is_object()) continue;
      json::Object out;
      for (const auto& member : element.get_object()) out[lowered(member.key())] = member.value();
      element = std::move(out);
    }
  }
  return parameters;
}

bool isTime(std::string_view key) {
  for (const std::string_view end :
       {"Date", "DateTime", "DeleteAt", "ExpiresAfter", "LastRestoreTime", "MoveToColdStorageAt", "StartBy", "Timestamp", "timestamp"})
    if (key.ends_with(end)) return true;
  return false;
}

std::string outputName(std::string_view signing_name, std::string_view operation, std::string_view parent, std::string_view key) {
  // Spoken as the SDK names it; what is in lower case there callers chose.
  if (signing_name == "dynamodb" || signing_name == "events") return std::string(key);
  if (signing_name == "ec2") {
    if (key == "instancesSet" && operation == "StartInstances") return "StartingInstances";
    if (key == "instancesSet" && operation == "StopInstances") return "StoppingInstances";
    if (key == "instancesSet" && operation == "TerminateInstances") return "TerminatingInstances";
    if (key == "instanceState" && parent == "instancesSet") return "State";
    if (key == "status" && (parent == "volumeSet" || parent == "attachmentSet")) return "State";
    if (key == "groupSet") return parent == "instancesSet" ? "SecurityGroups" : "Groups";
    if (const auto other = renamed(kEc2Output, key); !other.empty()) return std::string(other);
  }
  return capitalised(key);
}

json::Value result(std::string_view signing_name, std::string_view operation, std::string_view parent, const json::Value& value) {
  if (value.is_array()) {
    json::Array out;
    for (const auto& element : value.get_array()) out.push_back(result(signing_name, operation, parent, element));
    return out;
  }
  if (!value.is_object()) {
    if (value.is_number() && isTime(parent))
      return json::Value(toIso8601Millis(fromMicros(static_cast<std::int64_t>(value.to_number<double>() * 1e6))));
    return value;
  }
  json::Object out;
  for (const auto& member : value.get_object()) {
    const std::string_view key = member.key();
    // Names that callers chose (parameters of a command, options of a job, tags) are data, not members.
    const bool chosen =
        parent == "Parameters" || parent == "BackupOptions" || parent == "RecoveryPointTags" || parent == "Metadata" || parent == "Tags";
    out[chosen ? std::string(key) : outputName(signing_name, operation, parent, key)] =
        result(signing_name, operation, key, member.value());
  }
  return out;
}

// What a service's model does not name the SDK throws as the service's own exception. EC2's names none.
bool isUnmodelled(std::string_view signing_name, std::string_view code) {
  if (signing_name == "ec2" || code == "SerializationException" || code == "ValidationError") return true;
  return code == "ValidationException" && (signing_name == "dynamodb" || signing_name == "events" || signing_name == "ssm");
}

json::Object attributes(const json::Object& from);

// An attribute value as the integration reads it: a bare string, at any depth, is type S.
json::Value attribute(const json::Value& value) {
  if (json::isText(value)) return json::Object{{"S", value}};
  if (!value.is_object()) return value;
  auto out = value.get_object();
  if (auto* map = out.if_contains("M"); map != nullptr && map->is_object()) *map = attributes(map->get_object());
  if (auto* list = out.if_contains("L"); list != nullptr && list->is_array())
    for (auto& element : list->get_array()) element = attribute(element);
  return out;
}

json::Object attributes(const json::Object& from) {
  json::Object out;
  for (const auto& member : from) out[member.key()] = attribute(member.value());
  return out;
}

}  // namespace

std::string operationName(std::string_view action) { return capitalised(action); }

std::string Resource::operation() const { return operationName(action); }

std::optional<Resource> parseResource(std::string_view arn) {
  if (!arn.starts_with(kPrefix)) return std::nullopt;
  arn.remove_prefix(kPrefix.size());
  Resource out;
  if (arn.starts_with(kSdk)) {
    out.sdk = true;
    arn.remove_prefix(kSdk.size());
  }
  for (const auto& suffix : kSuffixes) {
    if (!arn.ends_with(suffix.text)) continue;
    out.pattern = suffix.pattern;
    arn.remove_suffix(suffix.text.size());
    break;
  }
  const auto parts = split(arn, ':');
  if (parts.size() != 2 || parts[0].empty() || parts[1].empty()) return std::nullopt;
  out.service = parts[0];
  out.action = parts[1];
  return out;
}

std::string_view signingName(std::string_view service) {
  for (const auto& name : kServices)
    if (name.written == service) return name.signing;
  for (const auto& name : kServices)
    if (name.signing == service) return {};
  return service;
}

json::Object toInput(std::string_view signing_name, std::string_view operation, const json::Object& parameters) {
  if (signing_name == "ec2") return ec2Input(parameters).as_object();
  if (signing_name == "iam" || signing_name == "sts") return queryInput(parameters).as_object();
  if (signing_name == "states") return stepFunctionsInput(parameters).as_object();
  if (signing_name == "ssm") return ssmInput(operation, parameters);
  return parameters;
}

json::Object toResult(std::string_view signing_name, std::string_view operation, const json::Object& output) {
  return result(signing_name, operation, "", output).as_object();
}

TaskError sdkError(std::string_view signing_name, const aws::ApiError& error, std::string_view request_id) {
  const auto service = shownName(signing_name);
  auto name = isUnmodelled(signing_name, error.code) ? fmt::format("{}Exception", service) : error.code;
  if (!name.ends_with("Exception")) name += "Exception";
  return {fmt::format("{}.{}", service, name),
          fmt::format("{} (Service: {}, Status Code: {}, Request ID: {})", error.message, service, error.status, request_id)};
}

TaskError dynamoError(const aws::ApiError& error, std::string_view request_id) {
  // What the service's model does not name, the SDK throws as the service's own exception.
  const bool own = error.code != "ValidationException" && error.code != "SerializationException" && error.status < 500;
  return {own ? "DynamoDB." + error.code : "DynamoDB.AmazonDynamoDBException",
          fmt::format("{} (Service: AmazonDynamoDBv2; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)", error.message,
                      error.status, error.code, request_id)};
}

TaskError nestedError(const aws::ApiError& error, std::string_view request_id) {
  const std::string suffix = error.code.ends_with("Exception") ? "" : "Exception";
  return {fmt::format("StepFunctions.{}{}", error.code, suffix),
          fmt::format("{} (Service: AWSStepFunctions; Status Code: {}; Error Code: {}; Request ID: {}; Proxy: null)", error.message,
                      error.status, error.code, request_id)};
}

json::Object dynamoInput(const json::Object& parameters) {
  auto out = parameters;
  for (const std::string_view name : {"Item", "Key", "ExpressionAttributeValues"})
    if (const auto found = out.find(name); found != out.end() && found->value().is_object())
      found->value() = attributes(found->value().get_object());
  return out;
}

json::Object withMetadata(json::Object output, std::string_view request_id, Instant now, std::size_t bytes) {
  json::Object headers{{"connection", "keep-alive"},
                       {"Content-Length", std::to_string(bytes)},
                       {"Content-Type", "application/x-amz-json-1.0"},
                       {"Date", toHttpDate(now)},
                       {"x-amzn-RequestId", request_id}};
  json::Object all;
  for (const auto& header : headers) all[header.key()] = json::Array{header.value()};
  output["SdkHttpMetadata"] =
      json::Object{{"AllHttpHeaders", std::move(all)}, {"HttpHeaders", std::move(headers)}, {"HttpStatusCode", 200}};
  output["SdkResponseMetadata"] = json::Object{{"RequestId", request_id}};
  return output;
}

}  // namespace sp::tasks
