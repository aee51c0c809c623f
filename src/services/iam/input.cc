#include "services/iam/input.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/strings.h"

namespace sp::services::iam {
namespace {

constexpr std::size_t kTags = 50;
constexpr std::size_t kTrustLength = 2048;

// "RoleName" as it stands in messages: "roleName".
std::string memberName(std::string_view member) {
  std::string name(member);
  name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
  return name;
}

std::unexpected<aws::ApiError> invalid(std::string_view member, std::string_view value, std::string_view rule) {
  return aws::refuse("ValidationError", fmt::format("1 validation error detected: Value {} at '{}' failed to satisfy constraint: {}", value,
                                                    memberName(member), rule));
}

std::unexpected<aws::ApiError> missing(std::string_view member) { return invalid(member, "null", "Member must not be null"); }

std::string quoted(std::string_view value) { return fmt::format("'{}'", cutText(value, 256)); }

std::unexpected<aws::ApiError> malformedPolicy(std::string message) { return aws::refuse("MalformedPolicyDocument", std::move(message)); }

Checked<void> checkStatement(const json::Value& value, bool trust) {
  if (!value.is_object()) return malformedPolicy("Syntax errors in policy.");
  const auto& statement = value.get_object();
  const auto effect = json::textOr(statement, "Effect");
  if (effect != "Allow" && effect != "Deny")
    return malformedPolicy(effect.empty() ? "Missing required field Effect" : fmt::format("Invalid effect: {}", effect));
  if (!statement.contains("Action") && !statement.contains("NotAction")) return malformedPolicy("Missing required field Action");
  const bool principal = statement.contains("Principal") || statement.contains("NotPrincipal");
  const bool resource = statement.contains("Resource") || statement.contains("NotResource");
  if (trust && !principal) return malformedPolicy("Missing required field Principal");
  if (trust && resource) return malformedPolicy("Has prohibited field Resource");
  if (!trust && principal) return malformedPolicy("Policy document should not specify a principal.");
  if (!trust && !resource) return malformedPolicy("Missing required field Resource");
  return {};
}

}  // namespace

std::size_t policyLength(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return c != ' ' && c != '\t' && c != '\n' && c != '\r'; }));
}

Checked<std::string> readText(const json::Object& input, std::string_view member) {
  auto value = json::textOr(input, member);
  if (!input.contains(member)) return missing(member);
  return value;
}

Checked<std::string> readName(const json::Object& input, std::string_view member, std::size_t max) {
  SP_TRY(auto value, readText(input, member));
  if (value.empty()) return invalid(member, "''", "Member must have length greater than or equal to 1");
  if (value.size() > max) return invalid(member, quoted(value), fmt::format("Member must have length less than or equal to {}", max));
  const auto allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("_+=,.@-").find(c) != std::string_view::npos;
  };
  if (!std::ranges::all_of(value, allowed))
    return aws::refuse(
        "ValidationError",
        fmt::format("The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
                    memberName(member)));
  return value;
}

Checked<std::string> readRoleName(const json::Object& input) { return readName(input, "RoleName", 64); }

Checked<std::string> readDescription(const json::Object& input) {
  auto value = json::textOr(input, "Description");
  if (value.size() > 1000) return invalid("Description", quoted(value), "Member must have length less than or equal to 1000");
  return value;
}

Checked<std::int64_t> readMaxSession(const json::Object& input, std::int64_t otherwise) {
  const auto text = json::textOr(input, "MaxSessionDuration");
  if (text.empty()) return otherwise;
  const auto seconds = parseInt(text);
  if (!seconds) return invalid("MaxSessionDuration", quoted(text), "Member must be a whole number");
  if (*seconds > 43200) return invalid("MaxSessionDuration", quoted(text), "Member must have value less than or equal to 43200");
  if (*seconds < 3600) return invalid("MaxSessionDuration", quoted(text), "Member must have value greater than or equal to 3600");
  return *seconds;
}

Checked<std::map<std::string, std::string>> readTags(const json::Object& input) {
  std::map<std::string, std::string> tags;
  const auto* list = json::find(input, "Tags");
  if (list == nullptr || !list->is_array()) return tags;
  for (const auto& entry : list->get_array()) {
    if (!entry.is_object()) return invalid("Tags", "'?'", "Member must be a list of keys and values");
    const auto key = json::textOr(entry.get_object(), "Key");
    auto value = json::textOr(entry.get_object(), "Value");
    if (key.empty() || key.size() > 128) return invalid("Tags", quoted(key), "Member must have length from 1 to 128");
    if (value.size() > 256) return invalid("Tags", quoted(value), "Member must have length less than or equal to 256");
    if (!tags.emplace(key, std::move(value)).second)
      return aws::refuse("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
  }
  if (tags.size() > kTags)
    return invalid("Tags", fmt::format("of {} tags", tags.size()), "Member must have length less than or equal to 50");
  return tags;
}

std::vector<std::string> readTexts(const json::Object& input, std::string_view member) {
  std::vector<std::string> texts;
  if (const auto* list = json::find(input, member); list != nullptr && list->is_array())
    for (const auto& entry : list->get_array())
      if (entry.is_string()) texts.push_back(json::toStd(entry.get_string()));
  return texts;
}

Checked<std::string> readPolicy(const json::Object& input, std::string_view member, bool trust) {
  SP_TRY(auto text, readText(input, member));
  const auto parsed = json::parse(text, 64);
  if (!parsed || !parsed->is_object()) return malformedPolicy("This policy contains invalid Json");
  const auto& policy = parsed->get_object();
  const auto version = json::textOr(policy, "Version", "2008-10-17");
  if (version != "2012-10-17" && version != "2008-10-17")
    return malformedPolicy(fmt::format("The policy must contain a valid version string: 2012-10-17 or 2008-10-17, not {}", version));
  const auto* statements = json::find(policy, "Statement");
  if (statements == nullptr) return malformedPolicy("Syntax errors in policy.");
  if (statements->is_array()) {
    if (statements->get_array().empty()) return malformedPolicy("Policy statement must contain actions.");
    for (const auto& statement : statements->get_array()) SP_CHECK_OK(checkStatement(statement, trust));
  } else {
    SP_CHECK_OK(checkStatement(*statements, trust));
  }
  const auto limit = trust ? kTrustLength : kInlinePolicyLength;
  if (policyLength(text) > limit)
    return aws::refuse("LimitExceeded",
                       trust ? fmt::format("Cannot exceed quota for ACLSizePerRole: {}", limit)
                             : fmt::format("Maximum policy size of {} bytes exceeded for this role", limit),
                       409);
  return text;
}

Checked<std::string> readPolicyArn(const json::Object& input) {
  SP_TRY(auto text, readText(input, "PolicyArn"));
  if (text.size() < 20) return invalid("PolicyArn", quoted(text), "Member must have length greater than or equal to 20");
  const auto arn = Arn::parse(text);
  if (!arn || arn->service != "iam" || !arn->resource.starts_with("policy/"))
    return aws::refuse("InvalidInput", fmt::format("ARN {} is not valid.", text));
  return text;
}

Checked<Page> readPage(const json::Object& input, std::string bound_to) {
  Page page;
  page.bound_to = std::move(bound_to);
  if (const auto text = json::textOr(input, "MaxItems"); !text.empty()) {
    const auto items = parseInt(text);
    if (!items || *items < 1) return invalid("MaxItems", quoted(text), "Member must have value greater than or equal to 1");
    if (*items > 1000) return invalid("MaxItems", quoted(text), "Member must have value less than or equal to 1000");
    page.limit = static_cast<std::size_t>(*items);
  }
  if (const auto marker = json::textOr(input, "Marker"); !marker.empty()) {
    const auto position = aws::readPageToken(page.bound_to, marker);
    if (!position) return aws::refuse("ValidationError", "The Marker is not one that this operation gave for these arguments.");
    page.after = *position;
  }
  return page;
}

void writePage(json::Object& output, const Page& page, bool more, std::string_view last) {
  output["IsTruncated"] = more;
  if (more) output["Marker"] = aws::makePageToken(page.bound_to, last);
}

std::vector<std::string> pageOf(const std::vector<std::string>& sorted, const Page& page, bool& more) {
  auto from = page.after.empty() ? sorted.begin() : std::ranges::upper_bound(sorted, page.after);
  const auto count = std::min<std::size_t>(page.limit, static_cast<std::size_t>(sorted.end() - from));
  more = count < static_cast<std::size_t>(sorted.end() - from);
  return {from, from + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace sp::services::iam
