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
  Query q(c_.prepare("DELETE FROM items WHERE tbl = ?1 AND pk = ?2 AND sk = ?3"));
  q.bind(table).blob(partition).blob(sort);
  return q.run() != 0;
}

// One statement for each shape of the bounds: an "OR ?n IS NULL" would keep SQLite from seeking to the bound.
std::vector<Item> SqliteItems::query(std::string_view table, const Range& range) {
  constexpr const char* kForward[2][2] = {
      {"SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 ORDER BY sk LIMIT ?4",
       "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 AND sk < ?4 ORDER BY sk LIMIT ?5"},
      {"SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk > ?3 ORDER BY sk LIMIT ?4",
       "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk > ?3 AND sk < ?4 ORDER BY sk LIMIT ?5"}};
  constexpr const char* kBackward[2] = {
      "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 ORDER BY sk DESC LIMIT ?4",
      "SELECT pk, sk, body FROM items WHERE tbl = ?1 AND pk = ?2 AND sk >= ?3 AND sk < ?4 ORDER BY sk DESC LIMIT ?5"};
  std::string_view from = range.sort_from;
  std::optional<std::string_view> before;
  if (!range.sort_before.empty()) before = range.sort_before;
  const bool strictly = range.after && !range.backward && *range.after >= range.sort_from;
  if (strictly) from = *range.after;
  if (range.after && range.backward && (!before || *range.after < *before)) before = *range.after;
  Query q(c_.prepare(range.backward ? kBackward[before ? 1 : 0] : kForward[strictly ? 1 : 0][before ? 1 : 0]));
  q.bind(table).blob(range.partition).blob(from);
  if (before) q.blob(*before);
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

ItemTable::Extent SqliteItems::extent(std::string_view table) {
  Query q(c_.prepare("SELECT count(*), coalesce(sum(length(pk) + length(sk) + length(body)), 0) FROM items WHERE tbl = ?1"));
  q.bind(table);
  if (!q.step()) return {};
  return {static_cast<std::uint64_t>(q.number(0)), static_cast<std::uint64_t>(q.number(1))};
}

}  // namespace sp::store
