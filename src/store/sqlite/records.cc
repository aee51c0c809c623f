#include "store/sqlite/tables.h"

namespace sp::store {

std::optional<std::string> SqliteRecords::get(std::string_view kind, std::string_view key) {
  Query q(c_.prepare("SELECT body FROM records WHERE kind = ?1 AND key = ?2"));
  q.bind(kind).blob(key);
  if (!q.step()) return std::nullopt;
  return q.text(0);
}

void SqliteRecords::put(std::string_view kind, std::string_view key, std::string_view body) {
  Query q(c_.prepare("INSERT INTO records VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET body = excluded.body"));
  q.bind(kind).blob(key).blob(body);
  q.run();
}

bool SqliteRecords::erase(std::string_view kind, std::string_view key) {
  if (c_.mayBeIndexed(kind)) {
    Query q(c_.prepare("DELETE FROM record_index WHERE kind = ?1 AND key = ?2"));
    q.bind(kind).blob(key);
    q.run();
  }
  Query q(c_.prepare("DELETE FROM records WHERE kind = ?1 AND key = ?2"));
  q.bind(kind).blob(key);
  return q.run() != 0;
}

std::vector<Record> SqliteRecords::scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) {
  const auto end = prefixEnd(prefix);
  // A key equal to the prefix belongs to the scan; one equal to `after` does not.
  Query q(
      c_.prepare("SELECT key, body FROM records WHERE kind = ?1 AND key >= ?2 AND (?3 IS NULL OR key > ?3) AND (?4 IS NULL OR key < ?4) "
                 "ORDER BY key LIMIT ?5"));
  q.bind(kind).blob(std::max(prefix, after));
  if (after.empty()) q.bindNull();
  else q.blob(after);
  if (end) q.blob(*end);
  else q.bindNull();
  q.bind(static_cast<std::int64_t>(limit));
  std::vector<Record> found;
  while (q.step()) found.push_back({q.text(0), q.text(1)});
  return found;
}

std::uint64_t SqliteRecords::count(std::string_view kind, std::uint64_t most) {
  Query q(c_.prepare("SELECT COUNT(*) FROM (SELECT 1 FROM records WHERE kind = ?1 LIMIT ?2)"));
  q.bind(kind).bind(static_cast<std::int64_t>(most));
  return q.step() ? static_cast<std::uint64_t>(q.number(0)) : 0;
}

std::vector<Record> SqliteRecords::scanBack(std::string_view kind, std::string_view prefix, std::string_view before, std::size_t limit) {
  auto end = prefixEnd(prefix);
  if (!before.empty() && (!end || before < *end)) end = before;
  // Two statements: an end that may be NULL is no bound of the index, and a list that goes on far down would walk all above it.
  Query q(c_.prepare(end ? "SELECT key, body FROM records WHERE kind = ?1 AND key >= ?2 AND key < ?4 ORDER BY key DESC LIMIT ?3"
                         : "SELECT key, body FROM records WHERE kind = ?1 AND key >= ?2 ORDER BY key DESC LIMIT ?3"));
  q.bind(kind).blob(prefix).bind(static_cast<std::int64_t>(limit));
  if (end) q.blob(*end);
  std::vector<Record> found;
  while (q.step()) found.push_back({q.text(0), q.text(1)});
  return found;
}

void SqliteRecords::index(std::string_view kind, std::string_view key, std::string_view index, std::string_view value) {
  {
    Query q(c_.prepare("DELETE FROM record_index WHERE kind = ?1 AND key = ?2 AND name = ?3"));
    q.bind(kind).blob(key).bind(index);
    q.run();
  }
  if (value.empty()) return;
  c_.becomesIndexed(kind);
  Query q(c_.prepare("INSERT INTO record_index (kind, key, name, value) VALUES (?1, ?2, ?3, ?4)"));
  q.bind(kind).blob(key).bind(index).blob(value);
  q.run();
}

std::vector<Record> SqliteRecords::findBy(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                          std::size_t limit) {
  Query q(
      c_.prepare("SELECT r.key, r.body FROM record_index i JOIN records r ON r.kind = i.kind AND r.key = i.key "
                 "WHERE i.kind = ?1 AND i.name = ?2 AND i.value = ?3 AND i.key > ?4 ORDER BY i.key LIMIT ?5"));
  q.bind(kind).bind(index).blob(value).blob(after).bind(static_cast<std::int64_t>(limit));
  std::vector<Record> found;
  while (q.step()) found.push_back({q.text(0), q.text(1)});
  return found;
}

std::vector<Record> SqliteRecords::findByBack(std::string_view kind, std::string_view index, std::string_view value,
                                              std::string_view before, std::size_t limit) {
  Query q(c_.prepare(before.empty() ? "SELECT r.key, r.body FROM record_index i JOIN records r ON r.kind = i.kind AND r.key = i.key "
                                      "WHERE i.kind = ?1 AND i.name = ?2 AND i.value = ?3 ORDER BY i.key DESC LIMIT ?4"
                                    : "SELECT r.key, r.body FROM record_index i JOIN records r ON r.kind = i.kind AND r.key = i.key "
                                      "WHERE i.kind = ?1 AND i.name = ?2 AND i.value = ?3 AND i.key < ?5 ORDER BY i.key DESC LIMIT ?4"));
  q.bind(kind).bind(index).blob(value).bind(static_cast<std::int64_t>(limit));
  if (!before.empty()) q.blob(before);
  std::vector<Record> found;
  while (q.step()) found.push_back({q.text(0), q.text(1)});
  return found;
}

}  // namespace sp::store
