#include "store/sqlite/tables.h"

namespace sp::store {

std::optional<std::string> SqliteObjects::get(std::string_view bucket, std::string_view key) {
  Query q(c_.prepare("SELECT body FROM objects WHERE bucket = ?1 AND key = ?2"));
  q.bind(bucket).blob(key);
  if (!q.step()) return std::nullopt;
  return q.text(0);
}

void SqliteObjects::put(std::string_view bucket, std::string_view key, std::string_view body) {
  Query q(c_.prepare("INSERT INTO objects VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body"));
  q.bind(bucket).blob(key).blob(body);
  q.run();
}

bool SqliteObjects::erase(std::string_view bucket, std::string_view key) {
  Query q(c_.prepare("DELETE FROM objects WHERE bucket = ?1 AND key = ?2"));
  q.bind(bucket).blob(key);
  return q.run() != 0;
}

std::vector<Record> SqliteObjects::scan(std::string_view bucket, std::string_view prefix, std::string_view from, std::size_t limit) {
  const auto end = prefixEnd(prefix);
  Query q(c_.prepare("SELECT key, body FROM objects WHERE bucket = ?1 AND key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key LIMIT ?4"));
  q.bind(bucket).blob(std::max(prefix, from));
  if (end) q.blob(*end);
  else q.bindNull();
  q.bind(static_cast<std::int64_t>(limit));
  std::vector<Record> found;
  while (q.step()) found.push_back({q.text(0), q.text(1)});
  return found;
}

bool SqliteObjects::empty(std::string_view bucket) {
  Query q(c_.prepare("SELECT 1 FROM objects WHERE bucket = ?1 LIMIT 1"));
  q.bind(bucket);
  return !q.step();
}

}  // namespace sp::store
