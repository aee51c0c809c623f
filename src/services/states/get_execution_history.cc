// https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"
#include "engine/history.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

// What includeExecutionData = false leaves out.
void stripData(json::Object& event) {
  for (auto& member : event) {
    if (!member.value().is_object()) continue;
    for (const auto* data : {"input", "inputDetails", "output", "outputDetails", "parameters"}) member.value().get_object().erase(data);
  }
}

/// Finds the documents that events only name; each holder is read once a page.
class Documents {
 public:
  Documents(store::Txn& txn, const std::string& arn) : txn_(txn), arn_(arn) {}
  void resolve(json::Object& event) {
    const auto holder = engine::namedEvent(event);
    if (holder == 0) return;
    auto& found = holders_[holder];
    if (found.empty()) {
      const auto texts = txn_.executions().history(arn_, holder, false, 1);
      auto parsed = texts.empty() ? Result<json::Value>(json::Value()) : json::parse(texts.front());
      if (!parsed || !parsed->is_object()) return;
      found = std::move(parsed->get_object());
    }
    engine::resolveDocument(event, found);
  }

 private:
  store::Txn& txn_;
  const std::string& arn_;
  std::map<std::int64_t, json::Object> holders_;
};

}  // namespace

aws::Outcome getExecutionHistory(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.text("executionArn", kArnLength);
  const bool backward = input.flag("reverseOrder", false);
  const bool with_data = input.flag("includeExecutionData", true);
  const auto size = input.pageSize();
  const auto token = input.textIf("nextToken", kTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  const auto bound = fmt::format("GetExecutionHistory {} {}", arn, backward);
  SP_TRY(const auto position, positionOf(token, bound));
  const auto first = position.empty() ? (backward ? std::numeric_limits<std::int64_t>::max() : 1) : parseInt(position).value_or(1);
  const auto texts = call.txn->executions().history(arn, first, backward, size + 1);
  Documents documents(*call.txn, arn);
  json::Array events;
  std::int64_t next = 0;
  for (const auto& text : texts) {
    auto event = json::parse(text);
    if (!event || !event->is_object()) continue;
    if (events.size() == size) {
      next = json::intOr(event->get_object(), "id", 0);
      break;
    }
    if (with_data) documents.resolve(event->get_object());
    else stripData(event->get_object());
    events.push_back(std::move(*event));
  }
  json::Object out{{"events", std::move(events)}};
  if (next != 0) out["nextToken"] = aws::makePageToken(bound, std::to_string(next));
  return out;
}

}  // namespace sp::services::states
