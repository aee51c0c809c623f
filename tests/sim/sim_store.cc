#include "sim_store.h"

#include <algorithm>

#include "base/assert.h"

namespace sp::sim {
namespace {

/// What takes back the writes of a batch, the last one first; and what breaks one of them.
class Journal {
 public:
  explicit Journal(std::optional<std::uint64_t> breaks_at) : breaks_at_(breaks_at) {}
  /// Before each write.
  void write(std::function<void()> undo) {
    if (writes_ == breaks_at_) {
      broke = true;
      throw store::Fault("simulated", true);
    }
    ++writes_;
    undo_.push_back(std::move(undo));
  }
  std::size_t mark() const { return undo_.size(); }
  void rollback(std::size_t mark) {
    while (undo_.size() > mark) {
      undo_.back()();
      undo_.pop_back();
    }
  }
  std::uint64_t writes() const { return writes_; }
  bool broke = false;

 private:
  std::optional<std::uint64_t> breaks_at_;
  std::uint64_t writes_ = 0;
  std::vector<std::function<void()>> undo_;
};

/// Undoes whatever is done to one place of a map.
template <class Map>
std::function<void()> restore(Map& map, const typename Map::key_type& key) {
  const auto found = map.find(key);
  if (found == map.end()) return [&map, key] { map.erase(key); };
  return [&map, key, before = found->second] { map[key] = before; };
}

Data::Name named(std::string_view kind, std::string_view key) { return {std::string(kind), std::string(key)}; }

class Records final : public store::RecordTable {
 public:
  Records(Data& data, Journal& journal) : all_(data.records), journal_(journal) {}
  std::optional<std::string> get(std::string_view kind, std::string_view key) override {
    const auto found = all_.find(named(kind, key));
    return found == all_.end() ? std::nullopt : std::optional(found->second.body);
  }
  void put(std::string_view kind, std::string_view key, std::string_view body) override {
    const auto name = named(kind, key);
    journal_.write(restore(all_, name));
    all_[name].body = body;
  }
  bool erase(std::string_view kind, std::string_view key) override {
    const auto name = named(kind, key);
    if (!all_.contains(name)) return false;
    journal_.write(restore(all_, name));
    return all_.erase(name) > 0;
  }
  std::vector<store::Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) override {
    std::vector<store::Record> found;
    for (auto at = all_.lower_bound(named(kind, std::max(prefix, after))); at != all_.end() && at->first.first == kind; ++at) {
      if (!at->first.second.starts_with(prefix) || found.size() == limit) break;
      if (at->first.second > after) found.push_back({at->first.second, at->second.body});
    }
    return found;
  }
  void index(std::string_view kind, std::string_view key, std::string_view index, std::string_view value) override {
    const auto name = named(kind, key);
    SP_ASSERT(all_.contains(name));
    journal_.write(restore(all_, name));
    all_[name].indexed[std::string(index)] = value;
  }
  std::vector<store::Record> findBy(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                    std::size_t limit) override {
    std::vector<store::Record> found;
    for (auto at = all_.lower_bound(named(kind, after)); at != all_.end() && at->first.first == kind && found.size() < limit; ++at) {
      const auto place = at->second.indexed.find(index);
      if (at->first.second > after && place != at->second.indexed.end() && place->second == value)
        found.push_back({at->first.second, at->second.body});
    }
    return found;
  }
  // Executions and activities use none of these.
  std::vector<store::Record> scanBack(std::string_view, std::string_view, std::string_view, std::size_t) override { SP_ASSERT(false); }
  std::uint64_t count(std::string_view, std::uint64_t) override { SP_ASSERT(false); }
  std::vector<store::Record> findByBack(std::string_view, std::string_view, std::string_view, std::string_view, std::size_t) override {
    SP_ASSERT(false);
  }

 private:
  std::map<Data::Name, Data::Record>& all_;
  Journal& journal_;
};

class Timers final : public store::TimerTable {
 public:
  Timers(Data& data, Journal& journal) : data_(data), journal_(journal) {}
  void set(const store::Timer& timer) override {
    const auto name = named(timer.kind, timer.id);
    journal_.write(restore(data_.timers, name));
    data_.timers[name] = {timer, ++data_.timer_sequence};
  }
  void drop(std::string_view kind, std::string_view id) override {
    const auto name = named(kind, id);
    if (!data_.timers.contains(name)) return;
    journal_.write(restore(data_.timers, name));
    data_.timers.erase(name);
  }
  std::optional<store::Timer> find(std::string_view kind, std::string_view id) override {
    const auto found = data_.timers.find(named(kind, id));
    return found == data_.timers.end() ? std::nullopt : std::optional(found->second.first);
  }
  void shift(std::string_view kind, std::string_view payload, Duration by) override {
    for (auto& [name, timer] : data_.timers) {
      if (timer.first.kind != kind || timer.first.payload != payload) continue;
      journal_.write(restore(data_.timers, name));
      timer.first.due += by;
    }
  }
  std::vector<store::Timer> due(Instant now, std::size_t limit) override {
    std::vector<std::pair<store::Timer, std::uint64_t>> found;
    for (const auto& [name, timer] : data_.timers)
      if (timer.first.due <= now) found.push_back(timer);
    std::ranges::sort(found, {}, [](const auto& one) { return std::pair(one.first.due, one.second); });
    std::vector<store::Timer> out;
    for (auto& one : found)
      if (out.size() < limit) out.push_back(std::move(one.first));
    return out;
  }
  std::optional<Instant> earliest() override {
    std::optional<Instant> first;
    for (const auto& [name, timer] : data_.timers)
      if (!first || timer.first.due < *first) first = timer.first.due;
    return first;
  }

 private:
  Data& data_;
  Journal& journal_;
};

class Executions final : public store::ExecutionTable {
 public:
  Executions(Data& data, Journal& journal) : data_(data), journal_(journal) {}
  bool insert(const store::ExecutionRow& row, const std::vector<std::string>& history) override {
    if (data_.executions.contains(row.arn)) return false;
    journal_.write(restore(data_.executions, row.arn));
    data_.executions.emplace(row.arn, row);
    appendHistory(row.arn, 1, history);
    return true;
  }
  std::optional<store::ExecutionRow> get(std::string_view arn) override {
    const auto found = data_.executions.find(arn);
    return found == data_.executions.end() ? std::nullopt : std::optional(found->second);
  }
  std::string state(std::string_view arn) override {
    const auto found = data_.executions.find(arn);
    return found == data_.executions.end() ? std::string() : found->second.state;
  }
  void update(const store::ExecutionRow& row) override {
    journal_.write(restore(data_.executions, row.arn));
    data_.executions.at(row.arn) = row;
  }
  void updateState(std::string_view arn, std::string_view state) override {
    auto& place = data_.executions.find(arn)->second;
    SP_ASSERT(place.status == "RUNNING");
    journal_.write([&place, before = place.state] { place.state = before; });
    place.state = state;
  }
  Page list(const Listing&) override { SP_ASSERT(false); }
  std::vector<std::string> running() override {
    std::vector<std::string> arns;
    for (const auto& [arn, row] : data_.executions)
      if (row.status == "RUNNING") arns.push_back(arn);
    return arns;
  }
  std::vector<Position> oldestRunning(std::optional<Position>, std::size_t) override { SP_ASSERT(false); }
  std::uint64_t countRunning() override { return running().size(); }
  void appendHistory(std::string_view arn, std::int64_t first_id, const std::vector<std::string>& events) override {
    auto& all = data_.history[std::string(arn)];
    SP_ASSERT(first_id == static_cast<std::int64_t>(all.size()) + 1);
    journal_.write([&all, size = all.size()] { all.resize(size); });
    all.insert(all.end(), events.begin(), events.end());
  }
  std::vector<std::string> history(std::string_view arn, std::int64_t from, bool backward, std::size_t limit) override {
    SP_ASSERT(from > 0);
    std::vector<std::string> page;
    const auto found = data_.history.find(arn);
    if (found == data_.history.end()) return page;
    if (backward) {
      for (auto at = std::min(found->second.size(), static_cast<std::size_t>(from)); at > 0 && page.size() < limit; --at)
        page.push_back(found->second[at - 1]);
      return page;
    }
    for (auto at = static_cast<std::size_t>(from - 1); at < found->second.size() && page.size() < limit; ++at)
      page.push_back(found->second[at]);
    return page;
  }
  Sweep expire(Instant, Instant, std::int64_t, std::size_t) override { SP_ASSERT(false); }
  Numbers numbers() override { SP_ASSERT(false); }
  Extent extent() override { SP_ASSERT(false); }

 private:
  Data& data_;
  Journal& journal_;
};

class SimTxn final : public store::Txn {
 public:
  SimTxn(Data& data, Journal& journal, Instant now)
      : journal_(journal), records_(data, journal), timers_(data, journal), executions_(data, journal), now_(now) {}
  store::RecordTable& records() override { return records_; }
  store::TimerTable& timers() override { return timers_; }
  store::ItemTable& items() override { SP_ASSERT(false); }
  store::ObjectTable& objects() override { SP_ASSERT(false); }
  store::ExecutionTable& executions() override { return executions_; }
  void afterCommit(std::function<void()> action) override { actions.push_back(std::move(action)); }
  bool nested(const std::function<bool()>& part) override {
    const auto mark = journal_.mark();
    const auto actions_before = actions.size();
    if (part()) return true;
    journal_.rollback(mark);
    actions.resize(actions_before);
    return false;
  }
  Instant now() const override { return now_; }

  std::vector<std::function<void()>> actions;

 private:
  Journal& journal_;
  Records records_;
  Timers timers_;
  Executions executions_;
  Instant now_;
};

}  // namespace

Result<std::vector<bool>> SimStore::run(const std::vector<store::Job>& jobs, Instant now) {
  using Kind = Fault::Kind;
  auto fault = decide_();
  Journal journal(fault.kind == Kind::torn ? std::optional(fault.at) : std::nullopt);
  SimTxn txn(data_, journal, now);
  std::vector<bool> outcomes;
  try {
    for (const auto& job : jobs) outcomes.push_back(txn.nested([&] { return job(txn); }));
  } catch (const store::Fault&) { SP_ASSERT(journal.broke); }
  if (fault.kind == Kind::torn && !journal.broke) fault.kind = Kind::none;
  // What was rolled back job by job wrote nothing.
  const bool wrote = journal.mark() > 0 || journal.broke;
  if (!wrote) fault.kind = Kind::none;
  if (fault.kind == Kind::lost || fault.kind == Kind::torn || fault.kind == Kind::crash_before) journal.rollback(0);
  if (wrote) told_(fault.kind, journal.writes());
  switch (fault.kind) {
    case Kind::lost:
    case Kind::torn: return fail("store.full", "simulated");
    case Kind::unsure: return fail("store.io", "simulated");
    case Kind::crash_before:
    case Kind::crash_after: throw Died();
    case Kind::none:
    case Kind::crash_acted: break;
  }
  for (const auto& action : txn.actions) action();
  if (fault.kind == Kind::crash_acted) throw Died();
  return outcomes;
}

}  // namespace sp::sim
