// The tables over one connection.
#pragma once
#include "store/sqlite/statement.h"
#include "store/store.h"

namespace sp::store {

class SqliteRecords final : public RecordTable {
 public:
  explicit SqliteRecords(Connection& connection) : c_(connection) {}
  std::optional<std::string> get(std::string_view kind, std::string_view key) override;
  void put(std::string_view kind, std::string_view key, std::string_view body) override;
  bool erase(std::string_view kind, std::string_view key) override;
  std::vector<Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) override;
  std::vector<Record> scanBack(std::string_view kind, std::string_view prefix, std::string_view before, std::size_t limit) override;
  std::uint64_t count(std::string_view kind, std::uint64_t most) override;
  void index(std::string_view kind, std::string_view key, std::string_view index, std::string_view value) override;
  std::vector<Record> findBy(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                             std::size_t limit) override;
  std::vector<Record> findByBack(std::string_view kind, std::string_view index, std::string_view value, std::string_view before,
                                 std::size_t limit) override;

 private:
  Connection& c_;
};

class SqliteTimers final : public TimerTable {
 public:
  explicit SqliteTimers(Connection& connection) : c_(connection) {}
  void set(const Timer& timer) override;
  void drop(std::string_view kind, std::string_view id) override;
  std::optional<Timer> find(std::string_view kind, std::string_view id) override;
  void shift(std::string_view kind, std::string_view payload, Duration by) override;
  std::vector<Timer> due(Instant now, std::size_t limit) override;
  std::optional<Instant> earliest() override;

 private:
  Connection& c_;
};

class SqliteItems final : public ItemTable {
 public:
  explicit SqliteItems(Connection& connection) : c_(connection) {}
  std::optional<std::string> get(std::string_view table, std::string_view partition, std::string_view sort) override;
  void put(std::string_view table, const Item& item) override;
  bool erase(std::string_view table, std::string_view partition, std::string_view sort) override;
  std::vector<Item> query(std::string_view table, const Range& range) override;
  std::vector<Item> scan(std::string_view table, std::optional<std::pair<std::string, std::string>> after, std::size_t limit) override;
  std::uint64_t count(std::string_view table) override;
  Extent extent(std::string_view table) override;

 private:
  Connection& c_;
};

class SqliteObjects final : public ObjectTable {
 public:
  explicit SqliteObjects(Connection& connection) : c_(connection) {}
  std::optional<std::string> get(std::string_view bucket, std::string_view key) override;
  void put(std::string_view bucket, std::string_view key, std::string_view body) override;
  bool erase(std::string_view bucket, std::string_view key) override;
  std::vector<Record> scan(std::string_view bucket, std::string_view prefix, std::string_view from, std::size_t limit) override;
  bool empty(std::string_view bucket) override;

 private:
  Connection& c_;
};

class SqliteExecutions final : public ExecutionTable {
 public:
  explicit SqliteExecutions(Connection& connection) : c_(connection) {}
  bool insert(const ExecutionRow& row, const std::vector<std::string>& history) override;
  std::optional<ExecutionRow> get(std::string_view arn) override;
  std::string state(std::string_view arn) override;
  void update(const ExecutionRow& row) override;
  void updateState(std::string_view arn, std::string_view state) override;
  Page list(const Listing& asked) override;
  std::vector<std::string> running() override;
  std::vector<Position> oldestRunning(std::optional<Position> after, std::size_t limit) override;
  Numbers numbers() override;
  std::uint64_t countRunning() override;
  void appendHistory(std::string_view arn, std::int64_t first_id, const std::vector<std::string>& events) override;
  std::vector<std::string> history(std::string_view arn, std::int64_t from, bool backward, std::size_t limit) override;
  Sweep expire(Instant before, Instant now, std::int64_t position, std::size_t limit) override;
  Extent extent() override;

 private:
  bool dropHistory(std::int64_t id, std::size_t& limit);
  std::optional<std::int64_t> rowOf(std::string_view arn);
  void append(std::int64_t id, std::int64_t first_id, const std::vector<std::string>& events);
  Connection& c_;
};

}  // namespace sp::store
