// Activities as records, and the tasks that wait for a worker.
// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "json/json.h"
#include "services/context.h"
#include "store/store.h"

namespace sp::services::states {

struct Activity {
  std::string name;
  std::string arn;
  Instant created;
  json::Object tags;

  json::Object encode() const;
  static Activity decode(const json::Object& record);
};

/// Core thread only; everything within the caller's transaction.
class Activities {
 public:
  explicit Activities(Context& context) : context_(context) {}

  std::string arnOf(std::string_view name) const;
  std::optional<Activity> find(store::Txn& txn, std::string_view arn) const;
  void put(store::Txn& txn, const Activity& activity) const;
  /// What waits for a worker of it waits on: it may be made again.
  void erase(store::Txn& txn, std::string_view arn) const;
  /// How many there are, counted up to `most`.
  std::uint64_t count(store::Txn& txn, std::uint64_t most) const;
  /// By name, after `after`.
  std::vector<Activity> list(store::Txn& txn, std::string_view after, std::size_t limit) const;

  /// A task that the next free worker is to take. `token` is a runtime::TaskRequest's, `input` JSON text.
  void schedule(store::Txn& txn, std::string_view arn, std::string_view token, std::string_view input);
  struct Task {
    std::string token;
    std::string input;
  };
  /// The task that has waited longest; it is the caller's from now on.
  std::optional<Task> take(store::Txn& txn, std::string_view arn) const;
  /// Nobody is to take it any more; harmless if somebody has.
  void withdraw(store::Txn& txn, std::string_view token) const;
  /// What rings when a task is scheduled (runtime/waiters.h).
  static std::string topic(std::string_view arn);

 private:
  Context& context_;
};

}  // namespace sp::services::states
