#include "store/sqlite/statement.h"

#include <fmt/format.h>
#include <sqlite3.h>

namespace sp::store {
namespace {

[[noreturn]] void raise(sqlite3* db, std::string_view doing) {
  const int code = sqlite3_extended_errcode(db);
  throw Fault(fmt::format("{}: {} (SQLite {})", doing, sqlite3_errmsg(db), code), (code & 0xff) == SQLITE_FULL);
}

// SQLite takes lengths as int up to 1 GB; larger values never come here (payloads are bounded far below).
int length(std::string_view bytes) { return static_cast<int>(bytes.size()); }

}  // namespace

Statement::Statement(sqlite3* db, std::string_view sql) : db_(db) {
  if (sqlite3_prepare_v3(db, sql.data(), length(sql), SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK) raise(db, sql);
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Query::~Query() {
  sqlite3_reset(statement_.handle());
  sqlite3_clear_bindings(statement_.handle());
}

Query& Query::bind(std::string_view text) {
  sqlite3_bind_text(statement_.handle(), next_++, text.data() == nullptr ? "" : text.data(), length(text), SQLITE_STATIC);
  return *this;
}

Query& Query::blob(std::string_view bytes) {
  if (bytes.empty()) sqlite3_bind_zeroblob(statement_.handle(), next_++, 0);
  else sqlite3_bind_blob(statement_.handle(), next_++, bytes.data(), length(bytes), SQLITE_STATIC);
  return *this;
}

Query& Query::bind(std::int64_t number) {
  sqlite3_bind_int64(statement_.handle(), next_++, number);
  return *this;
}

Query& Query::bindNull() {
  sqlite3_bind_null(statement_.handle(), next_++);
  return *this;
}

bool Query::step() {
  const int code = sqlite3_step(statement_.handle());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  raise(statement_.db(), sqlite3_sql(statement_.handle()));
}

std::int64_t Query::run() {
  while (step()) {}
  return sqlite3_changes64(statement_.db());
}

std::string Query::text(int column) const { return std::string(view(column)); }

std::string_view Query::view(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.handle(), column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.handle(), column));
  return bytes == nullptr ? std::string_view() : std::string_view(bytes, size);
}

std::int64_t Query::number(int column) const { return sqlite3_column_int64(statement_.handle(), column); }
bool Query::isNull(int column) const { return sqlite3_column_type(statement_.handle(), column) == SQLITE_NULL; }

Connection::~Connection() {
  statements_.clear();
  sqlite3_close_v2(db_);
}

Statement& Connection::prepare(const char* sql) {
  auto& slot = statements_[sql];
  if (!slot) slot = std::make_unique<Statement>(db_, sql);
  return *slot;
}

bool Connection::mayBeIndexed(std::string_view kind) {
  const auto found = indexed_.find(std::string(kind));
  if (found != indexed_.end()) return found->second;
  Query q(prepare("SELECT 1 FROM record_index WHERE kind = ?1 LIMIT 1"));
  q.bind(kind);
  return indexed_[std::string(kind)] = q.step();
}

std::int64_t Connection::lastRow() const { return sqlite3_last_insert_rowid(db_); }

void Connection::execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) raise(db_, sql);
}

std::optional<std::string> prefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1U);
      return end;
    }
    end.pop_back();
  }
  return std::nullopt;
}

}  // namespace sp::store
