#include "store/sqlite/tables.h"

#include <charconv>
#include <limits>

#include "base/assert.h"

namespace sp::store {
namespace {

// Events of one commit share rows, as LENGTH:TEXT LENGTH:TEXT …; a row is full from this many bytes on, so that a page of a
// history reads little more than it shows.
constexpr std::size_t kBlockBytes = 32U << 10U;

void packInto(std::string& block, std::string_view event) {
  char digits[24];
  block.append(digits, std::to_chars(digits, digits + sizeof digits, event.size()).ptr);
  block += ':';
  block += event;
}

/// Takes the next event off the front of a block.
std::string_view unpackNext(std::string_view& block) {
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(block.data(), block.data() + block.size(), size);
  SP_ASSERT(error == std::errc() && *end == ':');
  block.remove_prefix(static_cast<std::size_t>(end - block.data()) + 1);
  SP_ASSERT(size <= block.size());
  const auto event = block.substr(0, size);
  block.remove_prefix(size);
  return event;
}

ExecutionRow readRow(const Query& q) {
  ExecutionRow row;
  row.arn = q.text(0);
  row.machine_arn = q.text(1);
  row.name = q.text(2);
  row.status = q.text(3);
  row.started = fromMicros(q.number(4));
  if (!q.isNull(5)) row.stopped = fromMicros(q.number(5));
  row.description = q.text(6);
  return row;
}

}  // namespace

std::optional<std::int64_t> SqliteExecutions::rowOf(std::string_view arn) {
  Query q(c_.prepare("SELECT id FROM executions WHERE arn = ?1"));
  q.bind(arn);
  if (!q.step()) return std::nullopt;
  return q.number(0);
}

bool SqliteExecutions::insert(const ExecutionRow& row, const std::vector<std::string>& history) {
  std::int64_t id = 0;
  {
    Query q(
        c_.prepare("INSERT INTO executions (arn, machine, name, status, started, stopped, description) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                   "ON CONFLICT DO NOTHING"));
    q.bind(row.arn).bind(row.machine_arn).bind(row.name).bind(row.status).bind(toMicros(row.started));
    if (row.stopped) q.bind(toMicros(*row.stopped));
    else q.bindNull();
    q.blob(row.description);
    if (q.run() == 0) return false;
    id = c_.lastRow();
  }
  if (!row.state.empty()) {
    Query q(c_.prepare("INSERT INTO execution_state VALUES (?1, ?2)"));
    q.bind(id).blob(row.state);
    q.run();
  }
  append(id, 1, history);
  return true;
}

std::optional<ExecutionRow> SqliteExecutions::get(std::string_view arn) {
  Query q(
      c_.prepare("SELECT arn, machine, name, status, started, stopped, description, s.state FROM executions e "
                 "LEFT JOIN execution_state s ON s.execution = e.id WHERE arn = ?1"));
  q.bind(arn);
  if (!q.step()) return std::nullopt;
  auto row = readRow(q);
  row.state = q.text(7);
  return row;
}

std::string SqliteExecutions::state(std::string_view arn) {
  Query q(c_.prepare("SELECT state FROM execution_state WHERE execution = (SELECT id FROM executions WHERE arn = ?1)"));
  q.bind(arn);
  return q.step() ? q.text(0) : std::string();
}

void SqliteExecutions::update(const ExecutionRow& row) {
  const auto id = rowOf(row.arn);
  SP_ASSERT(id.has_value());
  {
    Query q(c_.prepare("UPDATE executions SET status = ?2, stopped = ?3, description = ?4 WHERE id = ?1"));
    q.bind(*id).bind(row.status);
    if (row.stopped) q.bind(toMicros(*row.stopped));
    else q.bindNull();
    q.blob(row.description);
    q.run();
  }
  if (row.state.empty()) {
    Query q(c_.prepare("DELETE FROM execution_state WHERE execution = ?1"));
    q.bind(*id);
    q.run();
    return;
  }
  Query q(c_.prepare("INSERT INTO execution_state VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state"));
  q.bind(*id).blob(row.state);
  q.run();
}

void SqliteExecutions::updateState(std::string_view arn, std::string_view state) {
  Query q(c_.prepare("UPDATE execution_state SET state = ?2 WHERE execution = (SELECT id FROM executions WHERE arn = ?1)"));
  q.bind(arn).blob(state);
  q.run();
}

// Those that run are few beside those that have ended: they have an index of their own, of all machines.
SqliteExecutions::Page SqliteExecutions::list(const Listing& asked) {
  const bool running = asked.status == "RUNNING";
  Query q(running ? c_.prepare("SELECT arn, machine, name, status, started, stopped, description FROM executions "
                               "INDEXED BY executions_running WHERE status = 'RUNNING' AND started <= ?1 AND (started, arn) < (?1, ?2) "
                               "ORDER BY started DESC, arn DESC")
                  : c_.prepare("SELECT arn, machine, name, status, started, stopped, description FROM executions "
                               "INDEXED BY executions_by_machine WHERE machine = ?3 AND started <= ?1 AND (started, arn) < (?1, ?2) "
                               "ORDER BY started DESC, arn DESC"));
  q.bind(asked.after ? toMicros(asked.after->started) : std::numeric_limits<std::int64_t>::max());
  q.bind(asked.after ? std::string_view(asked.after->arn) : std::string_view());
  if (!running) q.bind(asked.machine_arn);
  Page page;
  Position last;
  for (std::size_t looked_at = 0; q.step(); ++looked_at) {
    bool fits = running ? q.view(1) == asked.machine_arn : asked.status.empty() || q.view(3) == asked.status;
    std::optional<ExecutionRow> row;
    if (fits) row = readRow(q);
    if (fits && asked.wanted) fits = asked.wanted(*row);
    if (looked_at == asked.looked_at || (fits && page.rows.size() == asked.limit)) {
      page.rest = std::move(last);
      break;
    }
    last.started = fromMicros(q.number(4));
    last.arn = q.view(0);
    if (fits) page.rows.push_back(std::move(*row));
  }
  return page;
}

std::vector<std::string> SqliteExecutions::running() {
  Query q(c_.prepare("SELECT arn FROM executions WHERE status = 'RUNNING' ORDER BY started"));
  std::vector<std::string> arns;
  while (q.step()) arns.push_back(q.text(0));
  return arns;
}

std::vector<SqliteExecutions::Position> SqliteExecutions::oldestRunning(std::optional<Position> after, std::size_t limit) {
  // Bound texts are read when the query steps: they must live until then.
  const std::string_view behind = after ? std::string_view(after->arn) : std::string_view();
  Query q(
      c_.prepare("SELECT started, arn FROM executions WHERE status = 'RUNNING' AND started >= ?1 AND (started, arn) > (?1, ?2) "
                 "ORDER BY started, arn LIMIT ?3"));
  q.bind(after ? toMicros(after->started) : std::numeric_limits<std::int64_t>::min()).bind(behind);
  q.bind(static_cast<std::int64_t>(limit));
  std::vector<Position> found;
  while (q.step()) found.push_back({fromMicros(q.number(0)), q.text(1)});
  return found;
}

SqliteExecutions::Numbers SqliteExecutions::numbers() {
  // Two look-ups: min() and max() in one statement walk the table.
  Query q(c_.prepare("SELECT coalesce((SELECT min(id) FROM executions), 0), coalesce((SELECT max(id) FROM executions), 0)"));
  return q.step() ? Numbers{q.number(0), q.number(1)} : Numbers{};
}

std::uint64_t SqliteExecutions::countRunning() {
  Query q(c_.prepare("SELECT COUNT(*) FROM executions WHERE status = 'RUNNING'"));
  return q.step() ? static_cast<std::uint64_t>(q.number(0)) : 0;
}

void SqliteExecutions::appendHistory(std::string_view arn, std::int64_t first_id, const std::vector<std::string>& events) {
  if (events.empty()) return;
  const auto id = rowOf(arn);
  SP_ASSERT(id.has_value());
  append(*id, first_id, events);
}

void SqliteExecutions::append(std::int64_t id, std::int64_t first_id, const std::vector<std::string>& events) {
  std::string block;
  std::size_t at = 0;
  while (at < events.size()) {
    const auto from = at;
    block.clear();
    std::size_t size = 0;
    for (auto i = at; i < events.size() && size < kBlockBytes; ++i) size += events[i].size() + 8;
    block.reserve(size);
    while (at < events.size() && block.size() < kBlockBytes) packInto(block, events[at++]);
    Query q(c_.prepare("INSERT INTO history (execution, first_id, count, events) VALUES (?1, ?2, ?3, ?4)"));
    q.bind(id).bind(first_id + static_cast<std::int64_t>(from)).bind(static_cast<std::int64_t>(at - from)).blob(block);
    q.run();
  }
}

std::vector<std::string> SqliteExecutions::history(std::string_view arn, std::int64_t from, bool backward, std::size_t limit) {
  std::vector<std::string> found;
  const auto id = rowOf(arn);
  if (!id) return found;
  if (!backward) {
    // From the block that holds `from`: the last that begins at or before it.
    Query q(
        c_.prepare("SELECT first_id, events FROM history WHERE execution = ?1 AND first_id >= coalesce((SELECT max(first_id) FROM history "
                   "WHERE execution = ?1 AND first_id <= ?2), ?2) ORDER BY first_id"));
    q.bind(*id).bind(from);
    while (found.size() < limit && q.step()) {
      auto event_id = q.number(0);
      for (auto block = q.view(1); !block.empty() && found.size() < limit;) {
        const auto event = unpackNext(block);
        if (event_id++ >= from) found.emplace_back(event);
      }
    }
    return found;
  }
  Query q(c_.prepare("SELECT first_id, events FROM history WHERE execution = ?1 AND first_id <= ?2 ORDER BY first_id DESC"));
  q.bind(*id).bind(from);
  while (found.size() < limit && q.step()) {
    std::vector<std::string_view> events;
    auto event_id = q.number(0);
    for (auto block = q.view(1); !block.empty() && event_id <= from; ++event_id) events.push_back(unpackNext(block));
    for (auto event = events.rbegin(); event != events.rend() && found.size() < limit; ++event) found.emplace_back(*event);
  }
  return found;
}

// Rows are numbered in the order in which executions began, so the walk ends behind those that began early enough to have ended before
// `before`: what it passes over on its way are those that still run. A clock that was ahead for a time, and was put right, leaves some out
// of order: one page has to be without any that began early enough, and those that are to begin yet tell nothing.
SqliteExecutions::Sweep SqliteExecutions::expire(Instant before, Instant now, std::int64_t position, std::size_t limit) {
  struct Old {
    std::int64_t id;
    std::string arn;
    bool ended;
  };
  std::vector<Old> rows;
  Sweep sweep;
  sweep.position = position;
  {
    Query q(c_.prepare("SELECT id, arn, stopped, started FROM executions WHERE id > ?1 ORDER BY id LIMIT ?2"));
    q.bind(position).bind(static_cast<std::int64_t>(limit));
    bool early = false;
    while (q.step()) {
      const auto started = fromMicros(q.number(3));
      early = early || started < before || started > now;
      rows.push_back({q.number(0), q.text(1), !q.isNull(2) && fromMicros(q.number(2)) < before});
    }
    sweep.more = early && rows.size() == limit;
  }
  for (auto& row : rows) {
    if (row.ended) {
      if (!dropHistory(row.id, limit)) {
        sweep.more = true;
        return sweep;
      }
      Query q(c_.prepare("DELETE FROM executions WHERE id = ?1"));
      q.bind(row.id);
      q.run();
      sweep.gone.push_back(std::move(row.arn));
    }
    sweep.position = row.id;
  }
  return sweep;
}

// False: the limit is used up and some is left.
bool SqliteExecutions::dropHistory(std::int64_t id, std::size_t& limit) {
  if (limit == 0) return false;
  Query q(c_.prepare("DELETE FROM history WHERE seq IN (SELECT seq FROM history WHERE execution = ?1 ORDER BY first_id LIMIT ?2)"));
  q.bind(id).bind(static_cast<std::int64_t>(limit));
  limit -= static_cast<std::size_t>(q.run());
  return limit > 0;
}

SqliteExecutions::Extent SqliteExecutions::extent() {
  const auto pragma = [this](const char* text) {
    Query q(c_.prepare(text));
    return q.step() ? static_cast<std::uint64_t>(q.number(0)) : std::uint64_t(0);
  };
  const auto page = pragma("PRAGMA page_size");
  return {pragma("PRAGMA page_count") * page, pragma("PRAGMA freelist_count") * page};
}

}  // namespace sp::store
