// ListDeadLetterQueues, ListDeadLetters, DescribeDeadLetter, RedriveDeadLetters, DeleteDeadLetters: docs/api/stillpoint.md.
#include <fmt/format.h>

#include "base/strings.h"
#include "base/time_format.h"
#include "services/stillpoint/operations.h"

namespace sp::services::stillpoint {
namespace {

using delivery::DeadLetter;
using delivery::DeadLetters;

constexpr std::int64_t kMostOfAPage = 1000;
// Of one commit: nobody waits long behind it.
constexpr std::size_t kAtOnce = 100;

template <class T>
using Read = std::expected<T, aws::ApiError>;

std::unexpected<aws::ApiError> refused(std::string message) { return std::unexpected(aws::ApiError::validation(std::move(message))); }

struct Asked {
  std::string queue;
  std::vector<std::string> ids;
  std::int64_t most = 100;
  std::string bound_to;
  /// Position of the token; empty: from the beginning.
  std::string after;
};

// The members of a request, of which only some operations take each.
Read<Asked> read(const aws::Call& call, std::string_view operation, bool of_queue, bool paged) {
  Asked asked;
  json::Reader reader(call.input);
  if (of_queue) asked.queue = reader.text("QueueName");
  if (paged) asked.most = reader.integerIf("MaxResults").value_or(asked.most);
  else asked.ids = reader.textsIf("LetterIds");
  const auto token = reader.textIf("NextToken");
  if (auto finished = reader.finish(true); !finished) return refused(finished.error().message);
  if (of_queue && !delivery::isQueueName(asked.queue))
    return refused(fmt::format("QueueName is '{}'; it must have 1 to 80 letters, digits, - and _", cutText(asked.queue, 256)));
  if (asked.most < 1 || asked.most > kMostOfAPage)
    return refused(fmt::format("MaxResults is {}; it must be between 1 and {}", asked.most, kMostOfAPage));
  if (asked.ids.size() > kAtOnce) return refused(fmt::format("LetterIds are {}; at most {} are taken at once", asked.ids.size(), kAtOnce));
  asked.bound_to = fmt::format("{}/{}", operation, asked.queue);
  if (!token) return asked;
  if (!asked.ids.empty()) return refused("NextToken is for all letters of a queue: give either it or LetterIds");
  const auto position = aws::readPageToken(asked.bound_to, *token);
  if (!position) return refused("NextToken is not one that this operation gave for this queue");
  asked.after = *position;
  return asked;
}

json::Object shapeOf(const Realm& realm, const std::string& queue, const DeadLetter& letter) {
  return {{"QueueName", queue},
          {"QueueArn", realm.arn("sqs", queue)},
          {"LetterId", letter.id},
          {"Since", toIso8601Millis(letter.since)},
          {"Until", toIso8601Millis(letter.since + delivery::kLetterLife)},
          {"Attributes", letter.attributes}};
}

aws::Outcome lists(const aws::Call& call) {
  SP_TRY(const auto asked, read(call, "ListDeadLetterQueues", false, true));
  const auto most = static_cast<std::size_t>(asked.most);
  auto found = DeadLetters::lists(*call.txn, asked.after, most + 1);
  json::Object out;
  if (found.size() > most) {
    found.pop_back();
    out["NextToken"] = aws::makePageToken(asked.bound_to, found.back().queue);
  }
  json::Array queues;
  for (const auto& list : found) {
    json::Object shape{{"QueueName", list.queue},
                       {"QueueArn", call.realm.arn("sqs", list.queue)},
                       {"Letters", list.letters},
                       {"Bytes", list.bytes},
                       {"Dropped", list.dropped}};
    if (const auto oldest = DeadLetters::letters(*call.txn, list.queue, "", 1); !oldest.empty())
      shape["Oldest"] = toIso8601Millis(oldest[0].since);
    queues.push_back(std::move(shape));
  }
  out["Queues"] = std::move(queues);
  return out;
}

aws::Outcome list(const aws::Call& call) {
  SP_TRY(const auto asked, read(call, "ListDeadLetters", true, true));
  const auto most = static_cast<std::size_t>(asked.most);
  auto found = DeadLetters::letters(*call.txn, asked.queue, asked.after, most + 1);
  json::Object out;
  if (found.size() > most) {
    found.pop_back();
    out["NextToken"] = aws::makePageToken(asked.bound_to, found.back().id);
  }
  json::Array letters;
  for (const auto& letter : found) letters.push_back(shapeOf(call.realm, asked.queue, letter));
  out["Letters"] = std::move(letters);
  return out;
}

aws::Outcome describe(const delivery::Deliveries& deliveries, const aws::Call& call) {
  json::Reader reader(call.input);
  const auto queue = reader.text("QueueName");
  const auto id = reader.text("LetterId");
  if (auto finished = reader.finish(true); !finished) return refused(finished.error().message);
  const auto letter = delivery::isQueueName(queue) ? DeadLetters::find(*call.txn, queue, id) : std::nullopt;
  if (!letter)
    return aws::refuse("ResourceNotFoundException",
                       fmt::format("There is no dead letter {} in {}.", cutText(id, 256), cutText(queue, 256)));
  auto out = shapeOf(call.realm, queue, *letter);
  out["Message"] = deliveries.messageOf(letter->delivery);
  return out;
}

/// What is done with a letter; false: it is not there.
using Act = std::function<bool(store::Txn& txn, const std::string& queue, std::string_view id)>;

// Of the letters that are named, or of all that were there when the first page was asked for: one that comes back is not met again.
aws::Outcome each(const aws::Call& call, std::string_view operation, const Act& act) {
  SP_TRY(auto asked, read(call, operation, true, false));
  auto& txn = *call.txn;
  json::Object out;
  json::Array missing;
  std::int64_t count = 0;
  const bool all = !call.input.contains("LetterIds");
  if (all) {
    auto until = toMicros(txn.now());
    std::string after;
    if (!asked.after.empty()) {
      const auto slash = asked.after.find('/');
      until = parseInt(std::string_view(asked.after).substr(0, slash)).value_or(0);
      after = asked.after.substr(slash + 1);
    }
    const auto letters = DeadLetters::letters(txn, asked.queue, after, kAtOnce);
    for (const auto& letter : letters) {
      if (toMicros(letter.since) > until) continue;
      asked.ids.push_back(letter.id);
    }
    if (letters.size() == kAtOnce) out["NextToken"] = aws::makePageToken(asked.bound_to, fmt::format("{}/{}", until, letters.back().id));
  }
  for (const auto& id : asked.ids) {
    if (act(txn, asked.queue, id)) ++count;
    else missing.emplace_back(id);
  }
  out["Count"] = count;
  out["Missing"] = std::move(missing);
  return out;
}

}  // namespace

std::vector<aws::Operation> deadLetterOperations(delivery::Deliveries& deliveries) {
  const auto row = [](std::string name, aws::OperationHandler handler) {
    return aws::Operation{std::move(name), std::move(handler), {}, false};
  };
  const auto remove = [&deliveries](store::Txn& txn, const std::string& queue, std::string_view id) {
    return deliveries.letters().remove(txn, queue, id);
  };
  const auto resend = [&deliveries](store::Txn& txn, const std::string& queue, std::string_view id) {
    return deliveries.resend(txn, queue, id);
  };
  return {row("DeleteDeadLetters", [remove](const aws::Call& call) { return each(call, "DeleteDeadLetters", remove); }),
          row("DescribeDeadLetter", [&deliveries](const aws::Call& call) { return describe(deliveries, call); }),
          row("ListDeadLetterQueues", lists), row("ListDeadLetters", list),
          row("RedriveDeadLetters", [resend](const aws::Call& call) { return each(call, "RedriveDeadLetters", resend); })};
}

}  // namespace sp::services::stillpoint
