// CreateConnection, DescribeConnection, ListConnections, UpdateConnection, DeauthorizeConnection, DeleteConnection.
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateConnection.html
#include <array>

#include <fmt/format.h>

#include "services/events/destinations/hooks.h"
#include "services/events/destinations/records.h"
#include "services/events/operations.h"

namespace sp::services::events {
namespace {

constexpr std::string_view kOAuth = "OAUTH_CLIENT_CREDENTIALS";

Checked<std::string> readType(const json::Object& input, bool required) {
  SP_TRY(auto type, readText(input, "AuthorizationType", 64, required));
  if (!type.empty() && type != "BASIC" && type != "API_KEY" && type != kOAuth)
    return invalid("AuthorizationType", type, "satisfy enum value set: [BASIC, OAUTH_CLIENT_CREDENTIALS, API_KEY]");
  return type;
}

json::Object listed(const json::Object& connection) {
  json::Object out;
  for (const auto* key : {"ConnectionArn", "Name", "ConnectionState", "StateReason", "AuthorizationType"})
    if (const auto* value = json::find(connection, key)) out[key] = *value;
  showTimes(connection, out);
  return out;
}

json::Object answer(const json::Object& connection, std::string_view state = "") {
  json::Object out{{"ConnectionArn", connection.at("ConnectionArn")},
                   {"ConnectionState", state.empty() ? connection.at("ConnectionState") : json::Value(state)}};
  showTimes(connection, out);
  return out;
}

// New parameters: authorised at once, by OAuth once there is a token.
void keep(Hooks& hooks, store::Txn& txn, json::Object& connection, const json::Object& auth) {
  const auto name = json::textOr(connection, "Name");
  const bool oauth = json::textOr(connection, "AuthorizationType") == kOAuth;
  connection["AuthParameters"] = shownAuth(auth);
  connection["ConnectionState"] = oauth ? "AUTHORIZING" : "AUTHORIZED";
  connection["version"] = json::intOr(connection, "version", 0) + 1;
  connection.erase("StateReason");
  if (!oauth) connection["authorized"] = toMicros(txn.now());
  saveConnection(txn, connection);
  txn.records().put(kConnectionSecret, name, json::toText(auth));
  if (oauth) hooks.authorise(txn, connection);
}

aws::Outcome create(Hooks& hooks, Context& context, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  SP_TRY(const auto type, readType(call.input, true));
  if (!call.input.contains("AuthParameters")) return invalid("AuthParameters", "null", "not be null");
  SP_TRY(const auto auth, readAuth(call.input, type, {}));
  if (txn.records().get(kConnection, name))
    return aws::refuse("ResourceAlreadyExistsException", fmt::format("Connection {} already exists.", name));
  if (txn.records().count(kConnection, kConnections) >= kConnections)
    return aws::refuse("LimitExceededException", "The requested resource exceeds the maximum number allowed.");
  const auto id = context.random.uuid();
  json::Object connection{
      {"Name", name},
      {"ConnectionArn", call.realm.arn("events", fmt::format("connection/{}/{}", name, id))},
      {"AuthorizationType", type},
      {"SecretArn", call.realm.arn("secretsmanager", fmt::format("secret:events!connection/{}/{}", name, context.random.uuid()))},
      {"created", toMicros(txn.now())},
      {"modified", toMicros(txn.now())}};
  if (!description.empty()) connection["Description"] = description;
  keep(hooks, txn, connection, auth);
  auto out = answer(connection);
  out.erase("LastAuthorizedTime");
  return out;
}

aws::Outcome describe(const aws::Call& call) {
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto connection, findConnection(*call.txn, name));
  auto out = listed(connection);
  for (const auto* key : {"Description", "SecretArn", "AuthParameters"})
    if (const auto* value = json::find(connection, key)) out[key] = *value;
  return out;
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto prefix, readName(call.input, "NamePrefix", 64, false));
  SP_TRY(const auto state, readText(call.input, "ConnectionState", 64));
  constexpr std::array<std::string_view, 7> kStates = {"CREATING",     "UPDATING",    "DELETING",     "AUTHORIZED",
                                                       "DEAUTHORIZED", "AUTHORIZING", "DEAUTHORIZING"};
  if (!state.empty() && std::ranges::find(kStates, state) == kStates.end())
    return invalid("ConnectionState", state,
                   "satisfy enum value set: [CREATING, UPDATING, DELETING, AUTHORIZED, DEAUTHORIZED, AUTHORIZING, DEAUTHORIZING]");
  SP_TRY(const auto page, readPage(call.input, fmt::format("ListConnections/{}/{}", prefix, state)));
  json::Array connections;
  json::Object out;
  for (const auto& record : call.txn->records().scan(kConnection, prefix, page.after, kConnections)) {
    const auto connection = decode(record.body);
    if (!state.empty() && json::textOr(connection, "ConnectionState") != state) continue;
    if (connections.size() == page.limit) {
      out["NextToken"] = aws::makePageToken(page.bound_to, json::textOr(connections.back().get_object(), "Name"));
      break;
    }
    connections.push_back(listed(connection));
  }
  out["Connections"] = std::move(connections);
  return out;
}

aws::Outcome update(Hooks& hooks, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto description, readText(call.input, "Description", 512));
  SP_TRY(const auto given, readType(call.input, false));
  SP_TRY(auto connection, findConnection(txn, name));
  const auto type = given.empty() ? json::textOr(connection, "AuthorizationType") : given;
  const bool other = type != json::textOr(connection, "AuthorizationType");
  if (call.input.contains("Description")) connection["Description"] = description;
  connection["AuthorizationType"] = type;
  connection["modified"] = toMicros(txn.now());
  if (other || call.input.contains("AuthParameters")) {
    SP_TRY(const auto auth, readAuth(call.input, type, other ? json::Object() : secretsOf(txn, name)));
    keep(hooks, txn, connection, auth);
  } else {
    saveConnection(txn, connection);
  }
  return answer(connection);
}

aws::Outcome deauthorise(Hooks& hooks, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(auto connection, findConnection(txn, name));
  txn.records().erase(kConnectionSecret, name);
  connection.erase("AuthParameters");
  connection["ConnectionState"] = "DEAUTHORIZED";
  connection["modified"] = toMicros(txn.now());
  connection["version"] = json::intOr(connection, "version", 0) + 1;
  saveConnection(txn, connection);
  txn.afterCommit([&hooks, arn = json::textOr(connection, "ConnectionArn")] { hooks.forget(arn); });
  // It is done in this commit; AWS tells that it has begun.
  return answer(connection, "DEAUTHORIZING");
}

aws::Outcome remove(Hooks& hooks, const aws::Call& call) {
  auto& txn = *call.txn;
  SP_TRY(const auto name, readName(call.input, "Name", 64, true));
  SP_TRY(const auto connection, findConnection(txn, name));
  txn.records().erase(kConnection, name);
  txn.records().erase(kConnectionSecret, name);
  txn.afterCommit([&hooks, arn = json::textOr(connection, "ConnectionArn")] { hooks.forget(arn); });
  return answer(connection, "DELETING");
}

}  // namespace

std::vector<aws::Operation> connectionOperations(Hooks& hooks, Context& context) {
  return {row("CreateConnection", [&hooks, &context](const aws::Call& call) { return create(hooks, context, call); }),
          row("DeauthorizeConnection", [&hooks](const aws::Call& call) { return deauthorise(hooks, call); }),
          row("DeleteConnection", [&hooks](const aws::Call& call) { return remove(hooks, call); }),
          row("DescribeConnection", describe),
          row("ListConnections", list),
          row("UpdateConnection", [&hooks](const aws::Call& call) { return update(hooks, call); })};
}

}  // namespace sp::services::events
