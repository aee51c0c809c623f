#include "tasks/parameters.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "asl/template.h"
#include "engine/step.h"
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

std::string unsupported(std::string_view member) { return fmt::format("The field \"{}\" is not supported by Step Functions", member); }

std::string missing(std::string_view member) { return fmt::format("The field '{}' is required but was missing", member); }

/// Members that an optimised integration asks for and that `has` does not find.
template <class Has>
std::vector<std::string_view> missingMembers(const Resource& resource, const Has& has) {
  std::vector<std::string_view> out;
  const auto action = resource.service + ":" + resource.action;
  for (const auto& one : kRequired)
    if (!resource.sdk && one.action == action && !has(one.member)) out.push_back(one.member);
  return out;
}

std::string_view serviceOf(const Resource& resource) {
  return resource.sdk ? signingName(resource.service) : std::string_view(resource.service);
}

bool isInvoke(const Resource& resource) { return !resource.sdk && resource.service == "lambda" && resource.action == "invoke"; }

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
  Walk walk(written, true);
  walk.object(inputOf(service, operation), parameters);
  return std::move(walk.unknown);
}

std::vector<std::string> unknownOfStored(std::string_view service, std::string_view operation, const json::Object& parameters) {
  Walk walk(false, service == "events" && operation == "PutEvents");
  walk.object(inputOf(service, operation), parameters);
  return std::move(walk.unknown);
}

std::vector<std::string> refusedParameters(std::string_view arn, const Resource& resource, const json::Object* parameters) {
  std::vector<std::string> refused;
  // The steps of a run look at their own.
  if (!resource.sdk && resource.service == "stillpoint") return refused;
  const auto lacking = missingMembers(resource, [&](std::string_view member) {
    return parameters != nullptr &&
           (json::find(*parameters, member) != nullptr || json::find(*parameters, fmt::format("{}{}", member, kComputed)) != nullptr);
  });
  if (parameters == nullptr) {
    if (!lacking.empty()) refused.push_back(fmt::format("Parameters field is required for resource ARN: {}", arn));
    return refused;
  }
  // What a function is invoked with AWS tells when the task runs.
  if (!isInvoke(resource))
    for (const auto& member : unknownMembers(serviceOf(resource), resource.operation(), *parameters, true))
      refused.push_back(unsupported(member));
  for (const auto member : lacking) refused.push_back(missing(member));
  return refused;
}

std::vector<std::string> unusableParameters(const Resource& resource, const json::Object& parameters, const asl::Template* written) {
  const auto service = serviceOf(resource);
  const auto operation = resource.operation();
  auto unknown = unknownMembers(service, operation, parameters);
  const auto fixed = unknown.empty() || written == nullptr ? json::Value() : written->fixed();
  if (fixed.is_object() && service != "s3") {
    const auto always = unknownOfStored(service, operation, parameters);
    const auto older = unknownMembers(service, operation, fixed.get_object());
    std::erase_if(unknown, [&](const std::string& name) {
      return std::ranges::find(always, name) == always.end() && std::ranges::find(older, name) != older.end();
    });
  }
  std::vector<std::string> out;
  for (const auto& member : unknown) out.push_back(unsupported(member));
  for (const auto member : missingMembers(resource, [&](std::string_view name) {
         const auto* value = json::find(parameters, name);
         return value != nullptr && !value->is_null();
       }))
    out.push_back(missing(member));
  return out;
}

std::string unusableCause(std::string_view state, std::int64_t entered, const json::Value& parameters, std::string_view why) {
  return engine::causeAt(state, entered,
                         fmt::format("The Parameters '{}' could not be used to start the Task: [{}]", json::toText(parameters), why));
}

}  // namespace sp::tasks
