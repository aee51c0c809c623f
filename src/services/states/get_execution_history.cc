// https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html
#include <limits>

#include <fmt/format.h>

#include "base/strings.h"
#include "engine/history.h"
#include "services/states/input.h"
#include "services/states/operations.h"

namespace sp::services::states {
namespace {

constexpr std::size_t kBatch = 50;
/// Of events and the documents that stand in them; the one that goes beyond is still on the page.
constexpr std::size_t kPageBytes = std::size_t{2} << 20;

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
  /// How many bytes of documents it put in.
  std::size_t resolve(json::Object& event) {
    const auto holder = engine::namedEvent(event);
    if (holder == 0) return 0;
    auto& found = holders_[holder];
    if (found.event.empty()) {
      const auto texts = txn_.executions().history(arn_, holder, false, 1);
      auto parsed = texts.empty() ? Result<json::Value>(json::Value()) : json::parse(texts.front());
      if (!parsed || !parsed->is_object()) return 0;
      found = {std::move(parsed->get_object()), texts.front().size()};
    }
    engine::resolveDocument(event, found.event);
    return found.bytes;
  }

 private:
  struct Holder {
    json::Object event;
    std::size_t bytes = 0;
  };
  store::Txn& txn_;
  const std::string& arn_;
  std::map<std::int64_t, Holder> holders_;
};

}  // namespace

aws::Outcome getExecutionHistory(const Service& service, const aws::Call& call) {
  Input input(call.input);
  const auto arn = input.arn("executionArn");
  const bool backward = input.flag("reverseOrder", false);
  const bool with_data = input.flag("includeExecutionData", true);
  const auto size = input.pageSize();
  const auto token = input.filledIf("nextToken", kTokenLength);
  SP_CHECK_OK(input.finish());
  SP_TRY(const auto row, service.execution(*call.txn, arn));
  const auto bound = fmt::format("GetExecutionHistory {} {}", arn, backward);
  SP_TRY(const auto position, positionOf(token, bound));
  const auto first = position.empty() ? (backward ? std::numeric_limits<std::int64_t>::max() : 1) : parseInt(position).value_or(1);
  Documents documents(*call.txn, arn);
  json::Array events;
  std::size_t bytes = 0;
  std::int64_t next = 0;
  std::int64_t from = first;
  // A page ends early where events are large: nobody waits for an answer of hundreds of megabytes, and none is held in memory.
  for (bool more = true; more && next == 0;) {
    const auto texts = call.txn->executions().history(arn, from, backward, kBatch);
    const auto before = from;
    for (const auto& text : texts) {
      auto event = json::parse(text);
      if (!event || !event->is_object()) continue;
      const auto id = json::intOr(event->get_object(), "id", 0);
      if (events.size() == size || bytes >= kPageBytes) {
        next = id;
        break;
      }
      from = backward ? id - 1 : id + 1;
      bytes += text.size();
      if (with_data) bytes += documents.resolve(event->get_object());
      else stripData(event->get_object());
      events.push_back(std::move(*event));
    }
    // Rows that cannot be read lead nowhere.
    more = texts.size() == kBatch && from != before;
  }
  json::Object out{{"events", std::move(events)}};
  if (next != 0) out["nextToken"] = aws::makePageToken(bound, std::to_string(next));
  return out;
}

}  // namespace sp::services::states
