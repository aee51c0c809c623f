// Persistence ports. A narrow interface a table; `sqlite/` implements them for one node.
//
// All reading and writing happens inside a Txn on the core thread (runtime/core.h): many jobs share one durable commit,
// each inside its own savepoint, so a failed job leaves nothing behind and a successful one is told only after the
// commit. Nothing here is thread-safe; nothing here may be kept beyond the job that got it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sp::store {

struct Record {
  std::string key;
  std::string body;
};

/// Plain records of the domain: (kind, key) → body (a JSON text), ordered by key's bytes. For everything that is not hot
/// enough to deserve a table: instances, commands, jobs, vaults, roles, deliveries, debts …
class RecordTable {
 public:
  virtual ~RecordTable() = default;
  virtual std::optional<std::string> get(std::string_view kind, std::string_view key) = 0;
  virtual void put(std::string_view kind, std::string_view key, std::string_view body) = 0;
  /// True if there was one. Its index entries go too.
  virtual bool erase(std::string_view kind, std::string_view key) = 0;
  /// Records whose key starts with `prefix` and is greater than `after` (empty: from the start), at most `limit`.
  virtual std::vector<Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) = 0;
  /// The same from the greatest key down; `before` empty: from the end.
  virtual std::vector<Record> scanBack(std::string_view kind, std::string_view prefix, std::string_view before, std::size_t limit) = 0;
  /// How many records of that kind there are, counted up to `most`.
  virtual std::uint64_t count(std::string_view kind, std::uint64_t most) = 0;

  /// Secondary index: a record can be found by (kind, index, value). Replaces the record's earlier value in that index;
  /// an empty value takes it out.
  virtual void index(std::string_view kind, std::string_view key, std::string_view index, std::string_view value) = 0;
  /// Records with that value (keys greater than `after`), ordered by key.
  virtual std::vector<Record> findBy(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                     std::size_t limit) = 0;
  /// The same from the greatest key down; `before` empty: from the end.
  virtual std::vector<Record> findByBack(std::string_view kind, std::string_view index, std::string_view value, std::string_view before,
                                         std::size_t limit) = 0;
};

/// A timer: at `due` the handler of `kind` gets (id, payload). Setting the same (kind, id) moves it.
struct Timer {
  std::string kind;
  std::string id;
  Instant due;
  std::string payload;
};

class TimerTable {
 public:
  virtual ~TimerTable() = default;
  virtual void set(const Timer& timer) = 0;
  virtual void drop(std::string_view kind, std::string_view id) = 0;
  virtual std::optional<Timer> find(std::string_view kind, std::string_view id) = 0;
  /// Moves all timers of that kind and payload by `by`, which may be negative.
  virtual void shift(std::string_view kind, std::string_view payload, Duration by) = 0;
  /// Due at or before `now`, earliest first, then in the order they were set.
  virtual std::vector<Timer> due(Instant now, std::size_t limit) = 0;
  virtual std::optional<Instant> earliest() = 0;
};

/// DynamoDB items: (table, partition key bytes, sort key bytes) → item (JSON text in DynamoDB's attribute form). Keys are
/// encoded by the caller so that byte order is DynamoDB's order.
struct Item {
  std::string partition;
  std::string sort;
  std::string body;
};

class ItemTable {
 public:
  virtual ~ItemTable() = default;
  virtual std::optional<std::string> get(std::string_view table, std::string_view partition, std::string_view sort) = 0;
  virtual void put(std::string_view table, const Item& item) = 0;
  virtual bool erase(std::string_view table, std::string_view partition, std::string_view sort) = 0;
  struct Range {
    std::string partition;
    /// Inclusive lower bound and exclusive upper bound of the sort key; empty upper: none.
    std::string sort_from;
    std::string sort_before;
    /// Items strictly after (or before, if `backward`) this sort key; nullopt: from the end of the range.
    std::optional<std::string> after;
    bool backward = false;
    std::size_t limit = 1000;
  };
  virtual std::vector<Item> query(std::string_view table, const Range& range) = 0;
  /// All items ordered by (partition, sort), strictly after the given keys.
  virtual std::vector<Item> scan(std::string_view table, std::optional<std::pair<std::string, std::string>> after, std::size_t limit) = 0;
  virtual std::uint64_t count(std::string_view table) = 0;
  /// How many items, and the bytes of their keys and bodies. Walks the whole table.
  struct Extent {
    std::uint64_t items = 0;
    std::uint64_t bytes = 0;
  };
  virtual Extent extent(std::string_view table) = 0;
};

/// S3 keys: (bucket, key) → what is known of the object (JSON text); bytes lie in the blob store.
class ObjectTable {
 public:
  virtual ~ObjectTable() = default;
  virtual std::optional<std::string> get(std::string_view bucket, std::string_view key) = 0;
  virtual void put(std::string_view bucket, std::string_view key, std::string_view body) = 0;
  virtual bool erase(std::string_view bucket, std::string_view key) = 0;
  /// Keys starting with `prefix`, at or after `from` in UTF-8 byte order, at most `limit`.
  virtual std::vector<Record> scan(std::string_view bucket, std::string_view prefix, std::string_view from, std::size_t limit) = 0;
  virtual bool empty(std::string_view bucket) = 0;
};

/// An execution of a state machine.
struct ExecutionRow {
  std::string arn;
  std::string machine_arn;
  std::string name;
  /// AWS's words: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
  std::string status;
  Instant started;
  std::optional<Instant> stopped;
  /// What describes it to people (input, output, error, cause …) as JSON text; written at start and at the end.
  std::string description;
  /// The engine's encoded state; empty once it has ended.
  std::string state;
};

class ExecutionTable {
 public:
  virtual ~ExecutionTable() = default;
  /// With its first history events. False if the ARN exists; nothing is written then.
  virtual bool insert(const ExecutionRow& row, const std::vector<std::string>& history) = 0;
  virtual std::optional<ExecutionRow> get(std::string_view arn) = 0;
  /// The engine's state alone; empty if it has ended or does not exist.
  virtual std::string state(std::string_view arn) = 0;
  virtual void update(const ExecutionRow& row) = 0;
  /// Only state changes: the frequent case.
  virtual void updateState(std::string_view arn, std::string_view state) = 0;
  struct Position {
    Instant started;
    std::string arn;
  };
  struct Listing {
    std::string_view machine_arn;
    /// Empty: any.
    std::string_view status = {};
    /// Strictly after this one; none: from the newest.
    std::optional<Position> after = {};
    /// How many to find, and how many rows to look at for them.
    std::size_t limit = 0;
    std::size_t looked_at = 0;
    /// Gets rows of that machine and status, without `state`; none: all are wanted.
    std::function<bool(const ExecutionRow&)> wanted = {};
  };
  struct Page {
    std::vector<ExecutionRow> rows;
    /// After which one to go on; none: that was all.
    std::optional<Position> rest;
  };
  /// Newest first by (started, arn), without `state`. A page may be short, or empty, and have a rest: `looked_at` is used up.
  virtual Page list(const Listing& asked) = 0;
  /// ARNs of all that run, oldest first.
  virtual std::vector<std::string> running() = 0;
  /// Where those that run began, oldest first by (started, arn), strictly after the given position, at most `limit`.
  virtual std::vector<Position> oldestRunning(std::optional<Position> after, std::size_t limit) = 0;
  /// The numbers of the first and the last row, which count executions in the order in which they began; 0: there is none.
  struct Numbers {
    std::int64_t first = 0;
    std::int64_t last = 0;
  };
  virtual Numbers numbers() = 0;
  /// How many run. Walks their index.
  virtual std::uint64_t countRunning() = 0;

  /// Appends history events; each text is one event's JSON. `first_id` is the id of the first.
  virtual void appendHistory(std::string_view arn, std::int64_t first_id, const std::vector<std::string>& events) = 0;
  /// Events with id ≥ from (≤ from when `backward`), in that direction, at most `limit`.
  virtual std::vector<std::string> history(std::string_view arn, std::int64_t from, bool backward, std::size_t limit) = 0;

  /// Where a sweep over ended executions stands.
  struct Sweep {
    /// In: behind which row to look; 0: from the first. Out: where to go on.
    std::int64_t position = 0;
    /// ARNs that are gone with all their history.
    std::vector<std::string> gone;
    /// There may be more to remove now.
    bool more = false;
  };
  /// Removes executions that ended before `before`, oldest first, with at most about `limit` rows of theirs: a long one goes in
  /// several calls, first its history, then itself. Those that began after `now` did so under a clock that was ahead.
  virtual Sweep expire(Instant before, Instant now, std::int64_t position, std::size_t limit) = 0;
  /// Bytes of the store's file, and how many of them are free for what comes.
  struct Extent {
    std::uint64_t bytes = 0;
    std::uint64_t free_bytes = 0;
  };
  virtual Extent extent() = 0;
};

/// What the store could not do, thrown by its tables through the job to Store::run, which gives up the whole batch. Who
/// catches exceptions inside a job lets this one pass: the transaction under the job may be gone.
class Fault : public std::runtime_error {
 public:
  Fault(const std::string& what, bool full) : std::runtime_error(what), full_(full) {}
  /// No space on the disk.
  bool full() const { return full_; }

 private:
  bool full_;
};

/// One job's view of the store.
class Txn {
 public:
  virtual ~Txn() = default;
  virtual RecordTable& records() = 0;
  virtual TimerTable& timers() = 0;
  virtual ItemTable& items() = 0;
  virtual ObjectTable& objects() = 0;
  virtual ExecutionTable& executions() = 0;
  /// Runs once the commit that holds this job's writes is durable, on the core thread, in order; never if the job failed.
  virtual void afterCommit(std::function<void()> action) = 0;
  /// Runs `part` so that its writes (and its afterCommit actions) vanish if it returns false, while the job goes on.
  /// Returns what `part` returned.
  virtual bool nested(const std::function<bool()>& part) = 0;
  /// The time of this batch: one value for all that one job does.
  virtual Instant now() const = 0;
};

/// A job gets its Txn; returning false rolls back what it wrote.
using Job = std::function<bool(Txn&)>;

/// The durable store. open() in sqlite/sqlite_store.h.
class Store {
 public:
  virtual ~Store() = default;
  /// Runs the jobs in one transaction, each in its own savepoint, commits durably, then runs the afterCommit actions.
  /// `outcomes[i]` tells whether job i's writes are in. An error (disk full: code "store.full"; "store.io") means that
  /// nothing of the batch is durable.
  virtual Result<std::vector<bool>> run(const std::vector<Job>& jobs, Instant now) = 0;
};

}  // namespace sp::store
