// CreateEnrolmentToken, ListEnrolmentTokens, DeleteEnrolmentToken, RevokeAgent, ListAgents: docs/api/stillpoint.md.
#include <fmt/format.h>

#include "base/time_format.h"
#include "services/ssm/agent_info.h"
#include "services/ssm/nodes/activation_input.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

constexpr std::int64_t kDefaultSeconds = 15 * 60;
constexpr std::int64_t kLeastSeconds = 1;
constexpr std::size_t kNameMost = 256;
constexpr std::size_t kPage = 1000;

json::Object tokenShape(const ssm::EnrolmentToken& token, Instant now) {
  json::Object tags;
  for (const auto& [key, value] : token.tags) tags.emplace(key, value);
  json::Object out{{"TokenId", token.id},
                   {"Kind", token.activation ? "activation" : "token"},
                   {"Name", token.name},
                   {"Tags", std::move(tags)},
                   {"Uses", token.limit},
                   {"Used", token.used},
                   {"CreatedTime", toIso8601Millis(token.created)},
                   {"ExpirationTime", toIso8601Millis(token.expires)},
                   {"Usable", token.expires > now && token.used < token.limit},
                   {"By", token.by}};
  if (!token.instance.empty()) out["InstanceId"] = token.instance;
  return out;
}

std::expected<std::int64_t, aws::ApiError> numberIn(const json::Object& input, std::string_view member, std::int64_t least,
                                                    std::int64_t most, std::int64_t otherwise) {
  const auto* given = json::find(input, member);
  if (given == nullptr || given->is_null()) return otherwise;
  if (!given->is_int64() || given->get_int64() < least || given->get_int64() > most)
    return std::unexpected(aws::ApiError::validation(
        fmt::format("{} is {}; it must be a whole number from {} to {}", member, json::toText(*given), least, most)));
  return given->get_int64();
}

json::Object agentShape(const aws::Call& call, const Context& context, const Instance& instance) {
  auto& txn = *call.txn;
  json::Object out{{"InstanceId", instance.id}};
  const auto info = ssm::findAgentInfo(txn, instance.id);
  const auto registration = ssm::findRegistration(txn, instance.id);
  const bool connected = context.agents.connected(instance.id);
  out["Status"] = registration && registration->isRevoked() ? "Revoked" : connected ? "Online" : info ? "ConnectionLost" : "NeverConnected";
  if (info) {
    out["AgentVersion"] = info->version;
    out["ProtocolVersion"] = info->protocol;
    out["ComputerName"] = info->hostname;
    out["Platform"] = fmt::format("{} {}", info->platform_name, info->platform_version);
    out["IPAddress"] = info->address;
    out["BootId"] = info->boot_id;
    out["ClockOffsetSeconds"] =
        static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(info->clock_offset).count()) / 1000;
    out["LastSeenTime"] = toIso8601Millis(ssm::lastHeard(context, instance.id, *info, call.now));
  }
  if (registration && !registration->enrolment.empty()) {
    out["EnrolledTime"] = toIso8601Millis(registration->enrolled);
    out["TokenId"] = registration->token;
    out["CertificateExpirationTime"] = toIso8601Millis(registration->certificate_expires);
    out["HardwareBound"] = !registration->machine.empty();
  }
  if (registration && registration->isRevoked()) {
    out["RevokedBy"] = registration->revoked_by;
    out["RevokedTime"] = toIso8601Millis(registration->revoked);
  }
  return out;
}

}  // namespace

aws::Operation createEnrolmentToken(ssm::Nodes& nodes) {
  return {"CreateEnrolmentToken",
          [&nodes](const aws::Call& call) -> aws::Outcome {
            ssm::EnrolmentToken token;
            token.name = json::textOr(call.input, "Name");
            if (token.name.size() > kNameMost)
              return std::unexpected(
                  aws::ApiError::validation(fmt::format("Name has {} bytes; at most {} are allowed", token.name.size(), kNameMost)));
            SP_TRY(token.tags, ssm::readTagList(call.input, "ValidationException"));
            token.instance = json::textOr(call.input, "InstanceId");
            SP_TRY(token.limit, numberIn(call.input, "Uses", 1, ssm::kTokenUsesMost, 1));
            if (!token.instance.empty() && token.limit > 1)
              return std::unexpected(aws::ApiError::validation("Uses must be 1 with InstanceId: two machines cannot be one"));
            if (!token.instance.empty() && (!token.name.empty() || !token.tags.empty()))
              return std::unexpected(aws::ApiError::validation("Name and Tags are for new machines: that of InstanceId has its own"));
            const auto most = std::chrono::duration_cast<std::chrono::seconds>(ssm::kTokenLifeMost).count();
            SP_TRY(const auto seconds, numberIn(call.input, "ExpiresInSeconds", kLeastSeconds, most, kDefaultSeconds));
            token.expires = call.now + std::chrono::seconds(seconds);
            token.by = call.principal.arn;
            SP_TRY(const auto made, nodes.create(*call.txn, std::move(token)));
            auto out = tokenShape(made.token, call.now);
            out["Token"] = made.text;
            out["AgentsEndpoint"] = nodes.authority().server();
            out["AuthorityKeySha256"] = nodes.authority().pin();
            return out;
          },
          {},
          false};
}

aws::Operation listEnrolmentTokens() {
  return {"ListEnrolmentTokens",
          [](const aws::Call& call) -> aws::Outcome {
            json::Array tokens;
            std::string after;
            for (bool more = true; more;) {
              const auto page = ssm::tokensAfter(*call.txn, after, kPage);
              for (const auto& token : page) tokens.push_back(tokenShape(token, call.now));
              more = page.size() == kPage;
              if (more) after = page.back().id;
            }
            return json::Object{{"Tokens", std::move(tokens)}};
          },
          {},
          false};
}

aws::Operation deleteEnrolmentToken() {
  return {"DeleteEnrolmentToken",
          [](const aws::Call& call) -> aws::Outcome {
            const auto id = json::textOr(call.input, "TokenId");
            if (id.empty()) return std::unexpected(aws::ApiError::validation("TokenId is missing"));
            if (!ssm::eraseToken(*call.txn, id)) return aws::refuse("ResourceNotFoundException", "there is no enrolment token " + id);
            return json::Object{};
          },
          {},
          false};
}

aws::Operation revokeAgent(ssm::Nodes& nodes) {
  return {"RevokeAgent",
          [&nodes](const aws::Call& call) -> aws::Outcome {
            const auto instance = json::textOr(call.input, "InstanceId");
            if (instance.empty()) return std::unexpected(aws::ApiError::validation("InstanceId is missing"));
            if (!nodes.revoke(*call.txn, instance, call.principal.arn))
              return aws::refuse("ResourceNotFoundException", "there is no machine " + instance);
            return json::Object{};
          },
          {},
          false};
}

aws::Operation listAgents(const Context& context, const ec2::Instances& instances) {
  return {"ListAgents",
          [&context, &instances](const aws::Call& call) -> aws::Outcome {
            const auto wanted = json::textOr(call.input, "InstanceId");
            json::Array agents;
            if (!wanted.empty()) {
              const auto instance = instances.find(*call.txn, wanted);
              if (!instance || instance->isGone()) return aws::refuse("ResourceNotFoundException", "there is no machine " + wanted);
              agents.push_back(agentShape(call, context, *instance));
            } else {
              for (const auto& instance : instances.all(*call.txn))
                if (!instance.isGone()) agents.push_back(agentShape(call, context, instance));
            }
            return json::Object{{"Agents", std::move(agents)}};
          },
          {},
          false};
}

}  // namespace sp::services::stillpoint
