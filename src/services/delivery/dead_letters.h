// What could not be delivered, kept where a target's DeadLetterConfig names an SQS queue: durable lists by that queue's name. They are no
// SQS: Stillpoint's own operations list, show, send again and delete what is in them.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
//
// A letter is kept in the commit in which its delivery is given up, and sent again in the commit that removes it. Lists are bounded: the
// oldest letters go when there are too many, and each after 14 days, as long as SQS keeps anything, whatever the clock is set to meanwhile.
// Core thread only.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"
#include "model/arn.h"
#include "services/context.h"

namespace sp::services::delivery {

inline constexpr Duration kLetterLife = std::chrono::hours(24 * 14);

/// How much a list holds.
struct LetterBounds {
  std::int64_t letters = 10'000;
  /// Of their records.
  std::int64_t bytes = 256LL << 20;
};

struct DeadLetter {
  /// UUIDs of version 7: in the order in which they were given up.
  std::string id;
  Instant since;
  /// Texts by AWS's names: RULE_ARN or SCHEDULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, EXHAUSTED_RETRY_CONDITION, RETRY_ATTEMPTS.
  json::Object attributes;
  /// As Deliveries keeps it.
  json::Object delivery;
};

struct DeadLetterList {
  std::string queue;
  std::int64_t letters = 0;
  std::int64_t bytes = 0;
  /// Letters that had to go for newer ones since the list was last empty.
  std::int64_t dropped = 0;
  /// By how much the clock was set since then: what a letter's record says of its time is from before.
  Duration moved{0};
};

/// The queue's name in the ARN of an SQS queue of this account and region, or why it is none that can be named here.
std::expected<std::string, std::string> deadLetterQueue(const Realm& realm, std::string_view arn);
/// The queue's name in a target's DeadLetterConfig; empty: it has none.
std::string deadLetterQueueOf(const json::Object& target);
/// [A-Za-z0-9_-]{1,80}, as SQS names queues.
bool isQueueName(std::string_view text);

class DeadLetters {
 public:
  /// Takes a timer of the core and hears of its clock: before it starts. `context` outlives this.
  explicit DeadLetters(Context& context, LetterBounds bounds = {});
  DeadLetters(const DeadLetters&) = delete;
  DeadLetters& operator=(const DeadLetters&) = delete;

  void keep(store::Txn& txn, const std::string& queue, json::Object attributes, const json::Object& delivery);
  /// Names greater than `after`, at most `limit`. Lists without letters are not told.
  static std::vector<DeadLetterList> lists(store::Txn& txn, std::string_view after, std::size_t limit);
  /// Oldest first, ids greater than `after`, at most `limit`.
  static std::vector<DeadLetter> letters(store::Txn& txn, const std::string& queue, std::string_view after, std::size_t limit);
  static std::optional<DeadLetter> find(store::Txn& txn, const std::string& queue, std::string_view id);
  /// False if it is not there (any more).
  bool remove(store::Txn& txn, const std::string& queue, std::string_view id);

 private:
  void expire(store::Txn& txn, const std::string& queue);
  /// Letters stay as old as they are: their lists are told, not each of their records.
  static void clockSet(store::Txn& txn, Duration by);

  Context& context_;
  LetterBounds bounds_;
};

}  // namespace sp::services::delivery
