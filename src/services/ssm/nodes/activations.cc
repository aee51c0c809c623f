// CreateActivation, DescribeActivations, DeleteActivation, DeregisterManagedInstance: enrolment in Systems Manager's words.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateActivation.html and its neighbours.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/strings.h"
#include "services/iam/roles.h"
#include "services/iam/trust.h"
#include "services/ssm/nodes/activation_input.h"
#include "services/ssm/operations.h"
#include "services/ssm/views.h"

namespace sp::services::ssm {
namespace {

constexpr std::size_t kTextMost = 256;
constexpr std::size_t kRoleMost = 64;
constexpr std::size_t kTagsMost = 50;
constexpr std::size_t kTagKeyMost = 128;
constexpr auto kDefaultLife = std::chrono::hours(24);
constexpr std::size_t kPage = 50;
constexpr std::size_t kUuidSize = 36;

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char each) { return (static_cast<unsigned char>(each) & 0xC0U) != 0x80U; }));
}

/// The time a client sent, seconds since the epoch as any JSON number.
std::optional<Instant> timeOf(const json::Value& value) {
  const double seconds = value.is_double() ? value.get_double() : value.is_int64() ? static_cast<double>(value.get_int64()) : -1;
  constexpr double kMost = 1e11;
  if (!(seconds >= 0 && seconds < kMost)) return std::nullopt;
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
}

std::expected<std::string, aws::ApiError> readLimited(const json::Object& input, std::string_view member, std::size_t most) {
  auto text = json::textOr(input, member);
  if (characters(text) > most)
    return std::unexpected(aws::ApiError::validation(
        fmt::format("Value at '{}' failed to satisfy constraint: Member must have length less than or equal to {}", member, most)));
  return text;
}

std::expected<std::string, aws::ApiError> readRole(store::Txn& txn, const json::Object& input) {
  SP_TRY(auto role, readLimited(input, "IamRole", kRoleMost));
  if (role.empty()) return std::unexpected(aws::ApiError::validation("IamRole is missing"));
  const auto found = iam::findRole(txn, role.substr(role.rfind('/') + 1));
  if (!found || !iam::trustsService(found->trust, "ssm.amazonaws.com"))
    return std::unexpected(aws::ApiError::validation(
        fmt::format("Not existing role: {}. It must be there, and its trust policy must allow ssm.amazonaws.com to assume it.", role)));
  return role;
}

std::expected<Instant, aws::ApiError> readExpiry(const json::Object& input, Instant now) {
  const auto* given = json::find(input, "ExpirationDate");
  if (given == nullptr || given->is_null()) return now + kDefaultLife;
  const auto time = timeOf(*given);
  if (!time) return aws::refuse("InvalidParameters", "ExpirationDate is no time.");
  if (*time <= now) return aws::refuse("InvalidParameters", "ExpirationDate is in the past.");
  if (*time > now + kTokenLifeMost) return aws::refuse("InvalidParameters", "ExpirationDate is more than 30 days away.");
  return *time;
}

json::Object activationView(const EnrolmentToken& token, Instant now) {
  json::Array tags;
  for (const auto& [key, value] : token.tags) tags.push_back(json::Object{{"Key", key}, {"Value", value}});
  return {{"ActivationId", token.id},
          {"Description", token.description},
          {"DefaultInstanceName", token.name},
          {"IamRole", token.role},
          {"RegistrationLimit", token.limit},
          {"RegistrationsCount", token.used},
          {"ExpirationDate", toEpochSeconds(token.expires)},
          {"Expired", token.expires <= now || token.used >= token.limit},
          {"CreatedDate", toEpochSeconds(token.created)},
          {"Tags", std::move(tags)}};
}

struct Filter {
  std::string key;
  std::vector<std::string> values;
};

std::expected<std::vector<Filter>, aws::ApiError> readActivationFilters(const json::Object& input) {
  std::vector<Filter> filters;
  const auto* given = json::find(input, "Filters");
  if (given == nullptr || !given->is_array()) return filters;
  for (const auto& each : given->get_array()) {
    if (!each.is_object()) return aws::refuse("InvalidFilter", "A filter must be an object with FilterKey and FilterValues.");
    Filter filter{json::textOr(each.get_object(), "FilterKey"), json::Reader(each.get_object()).textsIf("FilterValues")};
    if (filter.key != "ActivationIds" && filter.key != "DefaultInstanceName" && filter.key != "IamRole")
      return aws::refuse("InvalidFilter", fmt::format("'{}' is no key of a filter of DescribeActivations.", filter.key));
    if (filter.values.empty()) return aws::refuse("InvalidFilter", fmt::format("The filter {} has no values.", filter.key));
    filters.push_back(std::move(filter));
  }
  return filters;
}

bool passes(const std::vector<Filter>& filters, const EnrolmentToken& token) {
  return std::ranges::all_of(filters, [&](const Filter& filter) {
    const auto& own = filter.key == "ActivationIds" ? token.id : filter.key == "IamRole" ? token.role : token.name;
    return std::ranges::find(filter.values, own) != filter.values.end();
  });
}

bool isUuid(std::string_view text) {
  if (text.size() != kUuidSize) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::string_view("0123456789abcdef").find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

/// AWS's clients take nothing shorter than a managed instance's id here: "mi-" and the same 17 digits name the machine as well.
std::string machineId(const json::Object& input) {
  auto id = json::textOr(input, "InstanceId");
  return id.starts_with("mi-") ? id.substr(1) : id;
}

}  // namespace

std::expected<std::map<std::string, std::string>, aws::ApiError> readTagList(const json::Object& input, std::string_view code) {
  std::map<std::string, std::string> tags;
  const auto refused = [&](std::string message) { return aws::refuse(std::string(code), std::move(message)); };
  const auto* given = json::find(input, "Tags");
  if (given == nullptr || given->is_null()) return tags;
  if (!given->is_array()) return refused("Tags is no list.");
  if (given->get_array().size() > kTagsMost)
    return refused(fmt::format("{} tags were given; a machine has at most {}.", given->get_array().size(), kTagsMost));
  for (const auto& each : given->get_array()) {
    const auto key = each.is_object() ? json::textOr(each.get_object(), "Key") : "";
    const auto value = each.is_object() ? json::textOr(each.get_object(), "Value") : "";
    if (key.empty()) return refused("A tag has no Key.");
    if (characters(key) > kTagKeyMost)
      return refused(fmt::format("The tag key '{}…' has more than {} characters.", key.substr(0, 32), kTagKeyMost));
    if (characters(value) > kTextMost)
      return refused(fmt::format("The value of the tag '{}' has more than {} characters.", key, kTextMost));
    if (toLower(key).starts_with("aws:")) return refused(fmt::format("The tag key '{}' begins with aws:, which is reserved.", key));
    if (!tags.emplace(key, value).second) return refused(fmt::format("The tag key '{}' stands twice.", key));
  }
  return tags;
}

aws::Operation createActivation(Nodes& nodes) {
  return {"CreateActivation",
          [&nodes](const aws::Call& call) -> aws::Outcome {
            EnrolmentToken token;
            token.activation = true;
            SP_TRY(token.role, readRole(*call.txn, call.input));
            SP_TRY(token.description, readLimited(call.input, "Description", kTextMost));
            SP_TRY(token.name, readLimited(call.input, "DefaultInstanceName", kTextMost));
            token.limit = json::intOr(call.input, "RegistrationLimit", 1);
            if (token.limit < 1 || token.limit > kTokenUsesMost)
              return std::unexpected(aws::ApiError::validation(
                  fmt::format("Value '{}' at 'registrationLimit' failed to satisfy constraint: Member must have value between 1 and {}",
                              token.limit, kTokenUsesMost)));
            SP_TRY(token.expires, readExpiry(call.input, call.now));
            SP_TRY(token.tags, readTagList(call.input, "InvalidParameters"));
            token.by = call.principal.arn;
            SP_TRY(const auto made, nodes.create(*call.txn, std::move(token)));
            return json::Object{{"ActivationId", made.token.id}, {"ActivationCode", made.code}};
          },
          {},
          false};
}

aws::Operation describeActivations() {
  return {"DescribeActivations",
          [](const aws::Call& call) -> aws::Outcome {
            SP_TRY(const auto filters, readActivationFilters(call.input));
            SP_TRY(const auto page, readPage(call.input, "DescribeActivations", 1, kPage));
            json::Object output;
            json::Array list;
            std::string after = page.position;
            for (bool more = true; more;) {
              const auto tokens = tokensAfter(*call.txn, after, kPage);
              more = tokens.size() == kPage;
              for (const auto& token : tokens) {
                after = token.id;
                if (!token.activation || !passes(filters, token)) continue;
                if (list.size() == page.limit) {
                  output["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(list.back().get_object(), "ActivationId"));
                  more = false;
                  break;
                }
                list.push_back(activationView(token, call.now));
              }
            }
            output["ActivationList"] = std::move(list);
            return output;
          },
          {},
          false};
}

aws::Operation deleteActivation() {
  return {"DeleteActivation",
          [](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "ActivationId");
            if (!isUuid(id)) return aws::refuse("InvalidActivationId", fmt::format("'{}' is no activation's id: it must be a UUID.", id));
            const auto token = findToken(*call.txn, id);
            if (!token || !token->activation) return aws::refuse("InvalidActivation", fmt::format("There is no activation {}.", id));
            eraseToken(*call.txn, id);
            return json::Object{};
          },
          {},
          false};
}

aws::Operation deregisterManagedInstance(Nodes& nodes) {
  return {"DeregisterManagedInstance",
          [&nodes](const aws::Call& call) -> aws::Outcome {
            const auto done = nodes.deregister(*call.txn, machineId(call.input), call.principal.arn);
            if (!done) return std::unexpected(done.error());
            return json::Object{};
          },
          {},
          false};
}

aws::Operation updateManagedInstanceRole() {
  return {"UpdateManagedInstanceRole",
          [](const aws::Call& call) -> aws::Outcome {
            const auto id = machineId(call.input);
            auto registration = findRegistration(*call.txn, id);
            if (!registration || !registration->by_activation || registration->isRevoked())
              return aws::refuse("InvalidInstanceId",
                                 fmt::format("'{}' is no managed instance: no machine with that id was activated.", id));
            SP_TRY(registration->role, readRole(*call.txn, call.input));
            saveRegistration(*call.txn, *registration);
            return json::Object{};
          },
          {},
          false};
}

}  // namespace sp::services::ssm
