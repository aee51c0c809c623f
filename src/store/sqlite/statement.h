// A thin, typed layer over SQLite's C API. Failures are thrown as Fault and become the batch's error in SqliteStore::run.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sp::store {

/// A prepared statement; reset when a Query over it ends. Blobs and texts are bound without copies: they must live until
/// the query ends.
class Statement {
 public:
  Statement(sqlite3* db, std::string_view sql);
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();
  sqlite3_stmt* handle() const { return statement_; }
  sqlite3* db() const { return db_; }

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
};

/// One use of a statement: binds in order, steps, reads columns.
class Query {
 public:
  explicit Query(Statement& statement) : statement_(statement) {}
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  Query& bind(std::string_view text);
  /// Bytes in SQLite's blob order (memcmp).
  Query& blob(std::string_view bytes);
  Query& bind(std::int64_t number);
  Query& bindNull();
  /// True while there is a row.
  bool step();
  /// For statements without rows. How many rows it inserted, updated or deleted. (A RETURNING clause would tell too, but SQLite
  /// makes and drops a table for it at each run.)
  std::int64_t run();
  std::string text(int column) const;
  /// The column's bytes as they lie in SQLite: until the next step.
  std::string_view view(int column) const;
  std::int64_t number(int column) const;
  bool isNull(int column) const;

 private:
  Statement& statement_;
  int next_ = 1;
};

/// The connection and its prepared statements, each made at first use.
class Connection {
 public:
  explicit Connection(sqlite3* db) : db_(db) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();
  /// `sql` must be a literal: its address is the cache's key.
  Statement& prepare(const char* sql);
  void execute(const char* sql);
  sqlite3* db() const { return db_; }
  /// The number of the row that was last inserted into a table that has such numbers.
  std::int64_t lastRow() const;
  /// Whether records of that kind may stand in an index; no more than one look at the store per kind.
  bool mayBeIndexed(std::string_view kind);
  void becomesIndexed(std::string_view kind) { indexed_[std::string(kind)] = true; }

 private:
  sqlite3* db_;
  std::unordered_map<const char*, std::unique_ptr<Statement>> statements_;
  std::unordered_map<std::string, bool> indexed_;
};

/// The smallest byte string greater than all that start with `prefix`; nullopt if there is none (empty or all 0xff).
std::optional<std::string> prefixEnd(std::string_view prefix);

}  // namespace sp::store
