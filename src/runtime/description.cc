#include "runtime/description.h"

#include "base/assert.h"
#include "engine/history.h"

namespace sp::runtime {
namespace {

/// The first event, ExecutionStarted, holds the input.
constexpr std::int64_t kInputEvent = 1;

}  // namespace

// Put together as text: documents are quoted already, for the history.
std::string describeStart(const engine::Identity& identity, const engine::Payload& input) {
  auto held = input;
  held.event = kInputEvent;
  std::string text = "{\"input\":";
  text.append(engine::documentText(held)).append(",\"roleArn\":").append(json::quote(identity.role_arn));
  text.append(",\"definition\":").append(json::quote(identity.definition));
  return text.append(identity.unlimited ? ",\"builtin\":true}" : "}");
}

void describeEnd(store::ExecutionRow& row, const engine::Finish& end, Instant now) {
  row.status = end.status;
  row.stopped = now;
  row.state.clear();
  auto& text = row.description;
  SP_ASSERT(text.size() > 2 && text.back() == '}');
  text.pop_back();
  if (end.output) text.append(",\"output\":").append(engine::documentText(end.output));
  if (!end.error.empty()) text.append(",\"error\":").append(json::quote(end.error));
  if (!end.cause.empty()) text.append(",\"cause\":").append(json::quote(end.cause));
  text += '}';
}

json::Object descriptionOf(const store::ExecutionRow& row) {
  auto parsed = json::parse(row.description);
  return parsed && parsed->is_object() ? std::move(parsed->get_object()) : json::Object();
}

std::optional<std::string> heldDocument(store::Txn& txn, std::string_view arn, std::int64_t event) {
  const auto held = txn.executions().history(arn, event, false, 1);
  const auto holder = held.empty() ? Result<json::Value>(json::Value()) : json::parse(held.front());
  if (!holder || !holder->is_object() || json::intOr(holder->get_object(), "id", 0) != event) return std::nullopt;
  return engine::documentOf(holder->get_object());
}

std::optional<std::string> documentOf(store::Txn& txn, const store::ExecutionRow& row, const json::Object& description,
                                      std::string_view name) {
  const auto* document = json::find(description, name);
  if (document == nullptr) return std::nullopt;
  if (document->is_string()) return json::toStd(document->get_string());
  const auto event = document->is_object() ? json::intOr(document->get_object(), "event", 0) : 0;
  return event == 0 ? std::nullopt : heldDocument(txn, row.arn, event);
}

}  // namespace sp::runtime
