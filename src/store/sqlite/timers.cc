#include "store/sqlite/tables.h"

namespace sp::store {

void SqliteTimers::set(const Timer& timer) {
  Query q(
      c_.prepare("INSERT INTO timers (kind, id, due, payload) VALUES (?1, ?2, ?3, ?4) "
                 "ON CONFLICT (kind, id) DO UPDATE SET due = excluded.due, payload = excluded.payload"));
  q.bind(timer.kind).bind(timer.id).bind(toMicros(timer.due)).blob(timer.payload);
  q.run();
}

void SqliteTimers::drop(std::string_view kind, std::string_view id) {
  Query q(c_.prepare("DELETE FROM timers WHERE kind = ?1 AND id = ?2"));
  q.bind(kind).bind(id);
  q.run();
}

std::optional<Timer> SqliteTimers::find(std::string_view kind, std::string_view id) {
  Query q(c_.prepare("SELECT due, payload FROM timers WHERE kind = ?1 AND id = ?2"));
  q.bind(kind).bind(id);
  if (!q.step()) return std::nullopt;
  return Timer{std::string(kind), std::string(id), fromMicros(q.number(0)), q.text(1)};
}

void SqliteTimers::shift(std::string_view kind, std::string_view payload, Duration by) {
  // In the order in which they lie: by their names it takes three times as long.
  Query q(c_.prepare("UPDATE timers NOT INDEXED SET due = due + ?3 WHERE kind = ?1 AND payload = ?2"));
  q.bind(kind).blob(payload).bind(by.count());
  q.run();
}

std::vector<Timer> SqliteTimers::due(Instant now, std::size_t limit) {
  Query q(c_.prepare("SELECT kind, id, due, payload FROM timers WHERE due <= ?1 ORDER BY due, seq LIMIT ?2"));
  q.bind(toMicros(now)).bind(static_cast<std::int64_t>(limit));
  std::vector<Timer> found;
  while (q.step()) found.push_back({q.text(0), q.text(1), fromMicros(q.number(2)), q.text(3)});
  return found;
}

std::optional<Instant> SqliteTimers::earliest() {
  Query q(c_.prepare("SELECT due FROM timers ORDER BY due LIMIT 1"));
  if (!q.step()) return std::nullopt;
  return fromMicros(q.number(0));
}

}  // namespace sp::store
