// enrol, enrol list, enrol revoke, instance revoke.

#include <fmt/format.h>

#include "cli/api.h"
#include "cli/verbs/verbs.h"
#include "cli/views/terminal.h"

namespace sp::cli {
namespace {

int complain(const Error& error) {
  fmt::print(stderr, "stillpoint: {}: {}\n", error.code, error.text());
  return 1;
}

Result<json::Object> own(Api& api, std::string_view operation, const json::Object& input) {
  return api.call("stillpoint", "Stillpoint_20261101." + std::string(operation), input);
}

}  // namespace

int enrolVerb(const Target& target, const EnrolOptions& options) {
  Api api(target);
  json::Object input{{"ExpiresInSeconds", options.seconds}, {"Uses", options.uses}};
  if (!options.name.empty()) input["Name"] = options.name;
  if (!options.instance.empty()) input["InstanceId"] = options.instance;
  json::Array tags;
  for (const auto& [key, value] : options.tags) tags.push_back(json::Object{{"Key", key}, {"Value", value}});
  if (!tags.empty()) input["Tags"] = std::move(tags);
  const auto made = own(api, "CreateEnrolmentToken", input);
  if (!made) return complain(made.error());
  if (options.json) {
    fmt::print("{}\n", json::toText(*made));
    return 0;
  }
  const auto endpoint = json::textOr(*made, "AgentsEndpoint");
  // The token alone on standard output: it can be sent on by a pipe.
  fmt::print("{}\n", json::textOr(*made, "Token"));
  fmt::print(stderr,
             "Good until {} for {} host{}; shown only now. On the new host, as root:\n"
             "  install -m 600 /dev/null /root/stillpoint-token; cat > /root/stillpoint-token     (paste the token, then Ctrl-D)\n"
             "  stillpoint agent --server {} --token-file /root/stillpoint-token\n",
             json::textOr(*made, "ExpirationTime"), options.uses, options.uses == 1 ? "" : "s", endpoint);
  if (endpoint.starts_with("127.") || endpoint.starts_with("[::1]"))
    fmt::print(stderr,
               "The agents' port is given here by a loopback address: other hosts need --agent-listen (or agent_listen) with one that "
               "they can reach.\n");
  return 0;
}

int enrolListVerb(const Target& target, bool json) {
  Api api(target);
  const auto answer = own(api, "ListEnrolmentTokens", {});
  if (!answer) return complain(answer.error());
  if (json) {
    fmt::print("{}\n", json::toText(*answer));
    return 0;
  }
  const auto* tokens = json::find(*answer, "Tokens");
  if (tokens == nullptr || !tokens->is_array() || tokens->get_array().empty()) {
    fmt::print("no tokens (stillpoint enrol makes one)\n");
    return 0;
  }
  for (const auto& element : tokens->get_array()) {
    const auto& token = element.get_object();
    fmt::print("{}  {}  used {} of {}  until {}{}{}\n", json::textOr(token, "TokenId"),
               json::boolOr(token, "Usable", false) ? "usable" : "spent ", json::intOr(token, "Used", 0), json::intOr(token, "Uses", 0),
               json::textOr(token, "ExpirationTime"), json::textOr(token, "Name").empty() ? "" : "  " + json::textOr(token, "Name"),
               json::textOr(token, "InstanceId").empty() ? "" : "  for " + json::textOr(token, "InstanceId"));
  }
  return 0;
}

int enrolRevokeVerb(const Target& target, const std::string& token) {
  Api api(target);
  const auto done = own(api, "DeleteEnrolmentToken", {{"TokenId", token}});
  if (!done) return complain(done.error());
  fmt::print("{} is taken back\n", token);
  return 0;
}

int instanceRevokeVerb(const Target& target, const InstanceOptions& options) {
  Api api(target);
  const auto done = own(api, "RevokeAgent", {{"InstanceId", options.instance}});
  if (!done) return complain(done.error());
  fmt::print("the agent of {} is shut out; it comes in again by a token of: stillpoint enrol --instance {}\n", options.instance,
             options.instance);
  return 0;
}

}  // namespace sp::cli
