#include "tasks/nested_executions.h"

#include "json/json.h"

namespace sp::tasks {
namespace {

constexpr std::string_view kKind = "nested_execution";

std::int64_t millis(Instant at) { return toMicros(at) / 1000; }

}  // namespace

json::Object nestedInput(const json::Object& parameters) {
  auto input = toInput("states", parameters);
  if (const auto* given = json::find(parameters, "Input"); given != nullptr && given->is_null()) input.erase("input");
  return input;
}

json::Object nestedStarted(const json::Object& output) {
  const auto* started = json::find(output, "startDate");
  const auto seconds = started != nullptr && started->is_number() ? started->to_number<double>() : 0.0;
  return {{"ExecutionArn", json::textOr(output, "executionArn")}, {"StartDate", static_cast<std::int64_t>(seconds * 1000)}};
}

json::Object nestedEnded(const store::ExecutionRow& row, bool parsed) {
  const auto description = json::parse(row.description);
  const auto members = description && description->is_object() ? description->get_object() : json::Object();
  const auto document = [&](std::string_view name) {
    const auto text = json::textOr(members, name);
    auto value = parsed ? json::parse(text) : Result<json::Value>(json::Value(text));
    return value ? std::move(*value) : json::Value(text);
  };
  json::Object out;
  for (const auto& [from, to] : {std::pair("cause", "Cause"), std::pair("error", "Error")})
    if (const auto* value = json::find(members, from)) out[to] = *value;
  out["ExecutionArn"] = row.arn;
  out["Input"] = document("input");
  out["InputDetails"] = json::Object{{"Included", true}};
  out["Name"] = row.name;
  if (json::find(members, "output") != nullptr) {
    out["Output"] = document("output");
    out["OutputDetails"] = json::Object{{"Included", true}};
  }
  out["StartDate"] = millis(row.started);
  out["StateMachineArn"] = row.machine_arn;
  out["Status"] = row.status;
  if (row.stopped) out["StopDate"] = millis(*row.stopped);
  return out;
}

void NestedExecutions::await(store::Txn& txn, std::string_view token, std::string_view child, bool parsed) {
  txn.records().put(kKind, child, json::toText(json::Object{{"token", token}, {"parsed", parsed}}));
  txn.records().index(kKind, child, "token", token);
}

std::optional<NestedExecutions::Parent> NestedExecutions::take(store::Txn& txn, std::string_view child) {
  const auto record = txn.records().get(kKind, child);
  if (!record) return std::nullopt;
  txn.records().erase(kKind, child);
  const auto parsed = json::parse(*record);
  if (!parsed || !parsed->is_object()) return std::nullopt;
  return Parent{json::textOr(parsed->get_object(), "token"), json::boolOr(parsed->get_object(), "parsed", false)};
}

std::optional<std::string> NestedExecutions::withdraw(store::Txn& txn, std::string_view token) {
  const auto found = txn.records().findBy(kKind, "token", token, "", 1);
  if (found.empty()) return std::nullopt;
  txn.records().erase(kKind, found.front().key);
  return found.front().key;
}

}  // namespace sp::tasks
