#include "store/sqlite/tables.h"

namespace sp::store {

std::optional<std::string> SqliteItems::get(std::string_view table, std::string_view partition, std::string_view sort) {
  Query q(c_.prepare("SELECT body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk = ?3"));
  q.bind(table).blob(partition).blob(sort);
  if (!q.step()) return std::nullopt;
  return q.text(0);
}

void SqliteItems::put(std::string_view table, const Item& item) {
  Query q(c_.prepare("INSERT INTO items VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET body = excluded.body"));
  q.bind(table).blob(item.partition).blob(item.sort).blob(item.body);
  q.run();
}

bool SqliteItems::erase(std::string_view table, std::string_view partition, std::string_view sort) {
  Query q(c_.prepare("DELETE FROM items WHERE tbl = ?1 AND pk = ?2 AND sk = ?3 RETURNING 1"));
  q.bind(table).blob(partition).blob(sort);
  const bool existed = q.step();
  while (existed && q.step()) {
  }
  return existed;
}

std::vector<Item> SqliteItems::query(std::string_view table, const Range& range) {
  constexpr const char* kForward =
      "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 AND (?4 IS NULL OR sk < ?4) AND (?5 IS NULL OR sk > ?5) "
      "ORDER BY sk LIMIT ?6";
  constexpr const char* kBackward =
      "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 AND (?4 IS NULL OR sk < ?4) AND (?5 IS NULL OR sk < ?5) "
      "ORDER BY sk DESC LIMIT ?6";
  Query q(c_.prepare(range.backward ? kBackward : kForward));
  q.bind(table).blob(range.partition).blob(range.sort_from);
  if (range.sort_before.empty()) q.bindNull();
  else q.blob(range.sort_before);
  if (range.after) q.blob(*range.after);
  else q.bindNull();
  q.bind(static_cast<std::int64_t>(range.limit));
  std::vector<Item> found;
  while (q.step()) found.push_back({q.text(0), q.text(1), q.text(2)});
  return found;
}

std::vector<Item> SqliteItems::scan(std::string_view table, std::optional<std::pair<std::string, std::string>> after, std::size_t limit) {
  std::vector<Item> found;
  if (!after) {
    Query q(c_.prepare("SELECT pk, sk, body FROM items WHERE tbl = ?1 ORDER BY pk, sk LIMIT ?2"));
    q.bind(table).bind(static_cast<std::int64_t>(limit));
    while (q.step()) found.push_back({q.text(0), q.text(1), q.text(2)});
    return found;
  }
  Query q(c_.prepare("SELECT pk, sk, body FROM items WHERE tbl = ?1 AND (pk, sk) > (?2, ?3) ORDER BY pk, sk LIMIT ?4"));
  q.bind(table).blob(after->first).blob(after->second).bind(static_cast<std::int64_t>(limit));
  while (q.step()) found.push_back({q.text(0), q.text(1), q.text(2)});
  return found;
}

std::uint64_t SqliteItems::count(std::string_view table) {
  Query q(c_.prepare("SELECT count(*) FROM items WHERE tbl = ?1"));
  q.bind(table);
  return q.step() ? static_cast<std::uint64_t>(q.number(0)) : 0;
}

void SqliteItems::eraseTable(std::string_view table) {
  Query q(c_.prepare("DELETE FROM items WHERE tbl = ?1"));
  q.bind(table);
  q.run();
}

}  // namespace sp::store
