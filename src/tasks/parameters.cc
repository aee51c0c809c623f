#include "tasks/parameters.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tasks/members.h"
#include "tasks/s3_naming.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kComputed = ".$";

/// What the optimised integrations ask for.
struct Required {
  std::string_view action;
  std::string_view member;
};
constexpr std::array kRequired = {Required{"dynamodb:deleteItem", "TableName"},
                                  Required{"dynamodb:deleteItem", "Key"},
                                  Required{"dynamodb:getItem", "TableName"},
                                  Required{"dynamodb:getItem", "Key"},
                                  Required{"dynamodb:putItem", "TableName"},
                                  Required{"dynamodb:putItem", "Item"},
                                  Required{"dynamodb:updateItem", "TableName"},
                                  Required{"dynamodb:updateItem", "Key"},
                                  Required{"events:putEvents", "Entries"},
                                  Required{"lambda:invoke", "FunctionName"},
                                  Required{"states:startExecution", "StateMachineArn"}};

std::string_view nameOf(std::string_view key, bool written) {
  if (written && key.ends_with(kComputed)) key.remove_suffix(kComputed.size());
  return key;
}

/// Where members are looked for, and what is found.
class Walk {
 public:
  /// `within`: in structures of the input too.
  Walk(bool written, bool within) : written_(written), within_(within) {}

  void object(const std::string& structure, const json::Object& given) {
    for (const auto& member : given) {
      const auto name = nameOf({member.key().data(), member.key().size()}, written_);
      const auto inner = memberOf(structure, name);
      if (!inner) unknown.emplace_back(name);
      else if (within_ && !inner->empty()) value(*inner, member.value());
    }
  }

  std::vector<std::string> unknown;

 private:
  void value(const std::string& structure, const json::Value& given) {
    if (given.is_object()) object(structure, given.get_object());
    if (!given.is_array()) return;
    for (const auto& element : given.get_array()) value(structure, element);
  }

  bool written_;
  bool within_;
};

bool has(const json::Object& parameters, std::string_view member) {
  return json::find(parameters, member) != nullptr || json::find(parameters, fmt::format("{}{}", member, kComputed)) != nullptr;
}

}  // namespace

std::vector<std::string> unknownMembers(std::string_view service, std::string_view operation, const json::Object& parameters,
                                        bool written) {
  if (service == "s3") {
    std::vector<std::string> unknown;
    for (const auto& member : parameters)
      if (const auto name = nameOf({member.key().data(), member.key().size()}, written); !s3Takes(operation, name))
        unknown.emplace_back(name);
    return unknown;
  }
  // What runs is held to no more than when it was made.
  Walk walk(written, written || (service == "events" && operation == "PutEvents"));
  walk.object(inputOf(service, operation), parameters);
  return std::move(walk.unknown);
}

std::string unsupportedField(std::string_view member) { return fmt::format("The field \"{}\" is not supported by Step Functions", member); }

std::vector<std::string> refusedParameters(std::string_view arn, const Resource& resource, const json::Object* parameters) {
  std::vector<std::string> refused;
  // The steps of a run look at their own.
  if (!resource.sdk && resource.service == "stillpoint") return refused;
  const auto action = resource.service + ":" + resource.action;
  std::vector<std::string_view> missing;
  for (const auto& one : kRequired)
    if (!resource.sdk && one.action == action && (parameters == nullptr || !has(*parameters, one.member))) missing.push_back(one.member);
  if (parameters == nullptr) {
    if (!missing.empty()) refused.push_back(fmt::format("Parameters field is required for resource ARN: {}", arn));
    return refused;
  }
  const auto service = resource.sdk ? signingName(resource.service) : std::string_view(resource.service);
  for (const auto& member : unknownMembers(service, resource.operation(), *parameters, true)) refused.push_back(unsupportedField(member));
  for (const auto member : missing) refused.push_back(fmt::format("The field '{}' is required but was missing", member));
  return refused;
}

}  // namespace sp::tasks
