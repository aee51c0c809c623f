#include "tasks/nested_executions.h"

#include "engine/step.h"
#include "json/big_integer.h"
#include "runtime/description.h"

namespace sp::tasks {
namespace {

// "CHILD_ARN#TOKEN" → {token, parsed, visit}; those of earlier versions, one a child, lie under "CHILD_ARN".
constexpr std::string_view kKind = "nested_execution";
// "PARENT_ARN#EVENT", the event that entered the parent's state → ARN of the child.
constexpr std::string_view kChildKind = "nested_child";
constexpr std::size_t kPage = 100;

std::string visit(const runtime::TaskRequest& request) { return engine::globalName(request.execution_arn, request.entered); }

std::string waitsOf(std::string_view child) { return std::string(child) + "#"; }

std::int64_t millis(Instant at) { return toMicros(at) / 1000; }

}  // namespace

json::Object nestedInput(const json::Object& parameters) {
  auto input = toInput("states", "StartExecution", parameters);
  if (const auto* given = json::find(parameters, "Input"); given != nullptr && given->is_null()) input.erase("input");
  return input;
}

json::Object nestedStarted(const json::Object& output) {
  const auto* started = json::find(output, "startDate");
  const auto seconds = started != nullptr && started->is_number() ? started->to_number<double>() : 0.0;
  return {{"ExecutionArn", json::textOr(output, "executionArn")}, {"StartDate", static_cast<std::int64_t>(seconds * 1000)}};
}

json::Object nestedEnded(store::Txn& txn, const store::ExecutionRow& row, bool parsed) {
  const auto members = runtime::descriptionOf(row);
  const auto document = [&](std::string_view name) {
    const auto text = runtime::documentOf(txn, row, members, name).value_or("");
    auto value = parsed ? json::parseExact(text) : Result<json::Value>(json::Value(text));
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

void NestedExecutions::await(store::Txn& txn, const runtime::TaskRequest& request, std::string_view child, bool parsed) {
  const auto key = waitsOf(child) + request.token;
  txn.records().put(kKind, key, json::toText(json::Object{{"token", request.token}, {"parsed", parsed}, {"visit", visit(request)}}));
  txn.records().index(kKind, key, "token", request.token);
  txn.records().put(kChildKind, visit(request), child);
}

std::optional<std::string> NestedExecutions::lastChild(store::Txn& txn, const runtime::TaskRequest& request) {
  return txn.records().get(kChildKind, visit(request));
}

void NestedExecutions::gone(store::Txn& txn, std::string_view execution) {
  while (true) {
    const auto page = txn.records().scan(kChildKind, std::string(execution) + "#", "", kPage);
    for (const auto& record : page) txn.records().erase(kChildKind, record.key);
    if (page.size() < kPage) return;
  }
}

std::vector<NestedExecutions::Parent> NestedExecutions::take(store::Txn& txn, const store::ExecutionRow& child) {
  std::vector<Parent> parents;
  const auto add = [&](const std::string& key, const std::string& body) {
    txn.records().erase(kKind, key);
    const auto parsed = json::parse(body);
    if (!parsed || !parsed->is_object()) return;
    const auto& wait = parsed->get_object();
    if (child.status == "SUCCEEDED") txn.records().erase(kChildKind, json::textOr(wait, "visit"));
    parents.push_back({json::textOr(wait, "token"), json::boolOr(wait, "parsed", false)});
  };
  if (const auto body = txn.records().get(kKind, child.arn)) add(child.arn, *body);
  while (true) {
    const auto page = txn.records().scan(kKind, waitsOf(child.arn), "", kPage);
    for (const auto& record : page) add(record.key, record.body);
    if (page.size() < kPage) return parents;
  }
}

std::optional<std::string> NestedExecutions::withdraw(store::Txn& txn, std::string_view token) {
  const auto found = txn.records().findBy(kKind, "token", token, "", 1);
  if (found.empty()) return std::nullopt;
  const auto& key = found.front().key;
  auto child = key.substr(0, key.find('#'));
  txn.records().erase(kKind, key);
  if (txn.records().get(kKind, child) || !txn.records().scan(kKind, waitsOf(child), "", 1).empty()) return std::nullopt;
  return child;
}

}  // namespace sp::tasks
