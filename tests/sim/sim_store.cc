#include "sim_store.h"

#include "base/assert.h"

namespace sp::sim {
namespace {

class Records final : public store::RecordTable {
 public:
  explicit Records(Data*& data) : data_(data) {}
  std::optional<std::string> get(std::string_view kind, std::string_view key) override {
    const auto found = data_->records.find({std::string(kind), std::string(key)});
    return found == data_->records.end() ? std::nullopt : std::optional(found->second);
  }
  void put(std::string_view kind, std::string_view key, std::string_view body) override {
    data_->records[{std::string(kind), std::string(key)}] = body;
  }
  bool erase(std::string_view kind, std::string_view key) override {
    return data_->records.erase({std::string(kind), std::string(key)}) > 0;
  }
  std::vector<store::Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) override {
    std::vector<store::Record> found;
    for (const auto& [name, body] : data_->records)
      if (name.first == kind && name.second.starts_with(prefix) && name.second > after && found.size() < limit)
        found.push_back({name.second, body});
    return found;
  }
  // The engine uses none of these.
  std::vector<store::Record> scanBack(std::string_view, std::string_view, std::string_view, std::size_t) override { SP_ASSERT(false); }
  std::uint64_t count(std::string_view, std::uint64_t) override { SP_ASSERT(false); }
  void index(std::string_view, std::string_view, std::string_view, std::string_view) override { SP_ASSERT(false); }
  std::vector<store::Record> findBy(std::string_view, std::string_view, std::string_view, std::string_view, std::size_t) override {
    SP_ASSERT(false);
  }

 private:
  Data*& data_;
};

class Timers final : public store::TimerTable {
 public:
  explicit Timers(Data*& data) : data_(data) {}
  void set(const store::Timer& timer) override { data_->timers[{timer.kind, timer.id}] = {timer, ++data_->timer_sequence}; }
  void drop(std::string_view kind, std::string_view id) override { data_->timers.erase({std::string(kind), std::string(id)}); }
  std::vector<store::Timer> due(Instant now, std::size_t limit) override {
    std::vector<std::pair<store::Timer, std::uint64_t>> found;
    for (const auto& [name, timer] : data_->timers)
      if (timer.first.due <= now) found.push_back(timer);
    std::ranges::sort(found, {}, [](const auto& one) { return std::pair(one.first.due, one.second); });
    std::vector<store::Timer> out;
    for (auto& one : found)
      if (out.size() < limit) out.push_back(std::move(one.first));
    return out;
  }
  std::optional<Instant> earliest() override {
    std::optional<Instant> first;
    for (const auto& [name, timer] : data_->timers)
      if (!first || timer.first.due < *first) first = timer.first.due;
    return first;
  }

 private:
  Data*& data_;
};

class Executions final : public store::ExecutionTable {
 public:
  explicit Executions(Data*& data) : data_(data) {}
  bool insert(const store::ExecutionRow& row, const std::vector<std::string>& history) override {
    if (!data_->executions.emplace(row.arn, row).second) return false;
    appendHistory(row.arn, 1, history);
    return true;
  }
  std::optional<store::ExecutionRow> get(std::string_view arn) override {
    const auto found = data_->executions.find(std::string(arn));
    return found == data_->executions.end() ? std::nullopt : std::optional(found->second);
  }
  std::string state(std::string_view arn) override {
    const auto found = data_->executions.find(std::string(arn));
    return found == data_->executions.end() ? std::string() : found->second.state;
  }
  void update(const store::ExecutionRow& row) override {
    auto& place = data_->executions.at(row.arn);
    // An execution that has ended stays as it ended.
    SP_ASSERT(place.status == "RUNNING");
    place = row;
  }
  void updateState(std::string_view arn, std::string_view state) override {
    auto& place = data_->executions.at(std::string(arn));
    SP_ASSERT(place.status == "RUNNING");
    place.state = state;
  }
  std::vector<store::ExecutionRow> list(std::string_view, std::string_view, std::optional<Position>, std::size_t) override {
    SP_ASSERT(false);
  }
  std::vector<std::string> running() override {
    std::vector<std::string> arns;
    for (const auto& [arn, row] : data_->executions)
      if (row.status == "RUNNING") arns.push_back(arn);
    return arns;
  }
  std::vector<Position> oldestRunning(std::optional<Position>, std::size_t) override { SP_ASSERT(false); }
  std::uint64_t countRunning() override { SP_ASSERT(false); }
  void appendHistory(std::string_view arn, std::int64_t first_id, const std::vector<std::string>& events) override {
    auto& all = data_->history[std::string(arn)];
    SP_ASSERT(first_id == static_cast<std::int64_t>(all.size()) + 1);
    all.insert(all.end(), events.begin(), events.end());
  }
  std::vector<std::string> history(std::string_view arn, std::int64_t from, bool backward, std::size_t limit) override {
    SP_ASSERT(!backward);
    const auto& all = data_->history[std::string(arn)];
    std::vector<std::string> page;
    for (auto id = std::max<std::int64_t>(from, 1); id <= static_cast<std::int64_t>(all.size()) && page.size() < limit; ++id)
      page.push_back(all[static_cast<std::size_t>(id - 1)]);
    return page;
  }
  Sweep expire(Instant, std::int64_t, std::size_t) override { SP_ASSERT(false); }
  Numbers numbers() override { SP_ASSERT(false); }
  Extent extent() override { SP_ASSERT(false); }

 private:
  Data*& data_;
};

class SimTxn final : public store::Txn {
 public:
  SimTxn(Data& data, Instant now) : data_(&data), records_(data_), timers_(data_), executions_(data_), now_(now) {}
  store::RecordTable& records() override { return records_; }
  store::TimerTable& timers() override { return timers_; }
  store::ItemTable& items() override { SP_ASSERT(false); }
  store::ObjectTable& objects() override { SP_ASSERT(false); }
  store::ExecutionTable& executions() override { return executions_; }
  void afterCommit(std::function<void()> action) override { actions.push_back(std::move(action)); }
  bool nested(const std::function<bool()>& part) override {
    auto saved = *data_;
    const auto actions_before = actions.size();
    if (part()) return true;
    *data_ = std::move(saved);
    actions.resize(actions_before);
    return false;
  }
  Instant now() const override { return now_; }

  std::vector<std::function<void()>> actions;

 private:
  Data* data_;
  Records records_;
  Timers timers_;
  Executions executions_;
  Instant now_;
};

}  // namespace

Result<std::vector<bool>> SimStore::run(const std::vector<store::Job>& jobs, Instant now) {
  if (crashed) return fail("store.io", "the process is dead");
  auto copy = data_;
  SimTxn txn(copy, now);
  std::vector<bool> outcomes;
  for (const auto& job : jobs) outcomes.push_back(txn.nested([&] { return job(txn); }));
  const auto what = fault();
  if (what == Fault::lost) return fail("store.full", "simulated");
  if (what == Fault::crash_before) {
    crashed = true;
    return fail("store.io", "simulated crash");
  }
  data_ = std::move(copy);
  if (what == Fault::crash_after) {
    crashed = true;
    return fail("store.io", "simulated crash");
  }
  for (const auto& action : txn.actions) action();
  return outcomes;
}

}  // namespace sp::sim
