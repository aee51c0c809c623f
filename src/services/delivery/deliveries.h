// What was decided to be started, on its way to being started: EventBridge's rules and its Scheduler put their deliveries here.
//
// A delivery is a record. Batches on the core thread start what it says; what it starts is in the commit that removes it, so a kill
// neither loses it nor starts anything twice. What failed for now is tried again, what is refused or too old is given back.
// Core thread only.
#pragma once
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aws/operation.h"
#include "services/context.h"
#include "services/delivery/dead_letters.h"
#include "services/delivery/record_text.h"
#include "services/delivery/shared_events.h"

namespace sp::services::delivery {

/// Why a delivery did not start what it is for.
struct Failure {
  std::string code;
  std::string message;
  /// It may go well the next time.
  bool retry = false;
  /// Not before so much time has passed.
  Duration after{0};
};
using Started = std::expected<void, Failure>;

/// By how much a delivery's times are to be moved.
using Shift = std::function<Duration(const json::Object& delivery)>;
/// Is told of each that was, as it is now.
using Moved = std::function<void(const std::string& key, const json::Object& delivery)>;
/// Moves the ages of deliveries, records of a kind, and with them when they are tried again.
void moveAges(store::Txn& txn, std::string_view kind, const Shift& shift, const Moved& moved = {});
/// All by as much: with a clock that was set.
Shift always(Duration by);
/// Those that begin after `now`, so that they begin then: the clock was put back while the server was down.
Shift outOfTheFuture(Instant now);

/// Whether it is as old as its target's MaximumEventAgeInSeconds (86,400): it fails for that, whatever else it fails for.
bool isTooOld(const json::Object& delivery, Instant now);

/// What an operation's answer means for the delivery: it has started, or a Failure that is tried again or is final.
Started startedBy(const aws::Outcome& outcome);

/// Who puts deliveries here and knows what they start.
class Sender {
 public:
  virtual ~Sender() = default;
  /// Starts what `delivery` is for, in the given transaction. A failure leaves nothing behind.
  virtual Started start(store::Txn& txn, const json::Object& delivery) = 0;
  /// It is given up; `why` tells what ended its tries.
  virtual void gaveUp(store::Txn& txn, const json::Object& delivery, const Failure& failure, std::string_view why) = 0;
  /// What AWS sends to a dead-letter queue as the message.
  virtual std::string messageOf(const json::Object& delivery) const = 0;
  /// AWS's attributes that tell what it was for: RULE_ARN …
  virtual json::Object attributesOf(const json::Object& delivery) const = 0;
  /// The delivery as it is to be made once more: its target as that stands now, or as it was if it is gone.
  virtual json::Object again(store::Txn& txn, json::Object delivery) const = 0;
};

/// AWS's word for a failure among the error codes of its dead-letter queues.
std::string_view deadLetterCode(const Failure& failure);

class Deliveries {
 public:
  /// Takes a timer of the core: before it starts. `context` outlives this.
  explicit Deliveries(Context& context);
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  /// Deliveries whose member "from" is `name` are the sender's; it outlives the core. Once each, before the core starts.
  void add(std::string name, Sender& sender) { senders_[std::move(name)] = &sender; }
  /// Operations that `call` reaches; once, before the core starts.
  void serve(const std::vector<aws::ServiceTable>& tables);
  /// What is done in each batch in which not too much waits to be delivered; false: the batch is to be undone and made again.
  void whenIdle(std::function<bool(store::Txn&)> step) { idle_.push_back(std::move(step)); }

  /// Goes on with what waits: in the first job after every start.
  void recover(store::Txn& txn);

  /// Keeps a delivery. Members: "from" (whose it is; absent: ""), "target" with its RetryPolicy, "since" (microseconds: its age counts
  /// from here), "attempts" (tries that failed), and what its sender needs. Keys begin with a time of 20 digits in microseconds, which
  /// is their order. One that names a shared event holds one of its uses from here to its end.
  void put(store::Txn& txn, std::string_view key, const json::Object& delivery);
  /// After the commit what waits goes a step further.
  void wake(store::Txn& txn);
  /// What deliveries share; a sender that takes one on retains it, and releases it once it is done.
  SharedEvents& events() { return events_; }
  /// A delivery that a sender took on (start() succeeded) has failed after all: it is tried again under `key`, or given up. As it was
  /// retained: its shared event need not be in it.
  void failed(store::Txn& txn, const std::string& key, json::Object delivery, const Failure& failure);
  /// What was given up, by the queue that its target names.
  DeadLetters& letters() { return letters_; }
  /// As Sender::messageOf.
  std::string messageOf(const json::Object& delivery) const;
  /// Delivers a letter once more, as if its event had come now, and removes it; false if it is not there (any more) or cannot be read.
  bool resend(store::Txn& txn, const std::string& queue, std::string_view id);
  /// An operation, as the root calls it: "states:StartExecution". Calls with the same id are one call and its retries.
  aws::Outcome call(store::Txn& txn, std::string_view operation, const json::Object& input, const std::string& id);

 private:
  /// The clock was set: what waits goes on waiting for as long as it would have, and is as old as it was.
  static void shift(store::Txn& txn, const Shift& shift);
  void handOn();
  bool work(store::Txn& txn);
  /// About how many bytes it was to start something with.
  std::size_t deliver(store::Txn& txn, const store::Record& record);
  void retryOrGiveUp(store::Txn& txn, const std::string& key, json::Object delivery, Sender& sender, const Failure& failure);
  void giveUp(store::Txn& txn, json::Object given, Sender& sender, const Failure& failure, std::string_view why);
  Sender* senderOf(const json::Object& delivery) const;

  Context& context_;
  DeadLetters letters_;
  SharedEvents events_;
  std::map<std::string, aws::Operation, std::less<>> operations_;
  std::map<std::string, Sender*, std::less<>> senders_;
  std::vector<std::function<bool(store::Txn&)>> idle_;
  bool scheduled_ = false;
};

}  // namespace sp::services::delivery
