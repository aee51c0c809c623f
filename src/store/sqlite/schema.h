// The schema, as steps: step N brings version N to N+1 (PRAGMA user_version). A step never changes once released.
#pragma once
#include <array>

namespace sp::store {

inline constexpr std::array kSchemaSteps = {
    R"sql(
CREATE TABLE records (kind TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE record_index (kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, key BLOB NOT NULL,
  PRIMARY KEY (kind, name, value, key)) WITHOUT ROWID;
CREATE INDEX record_index_by_key ON record_index (kind, key, name);
CREATE TABLE timers (seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, due INTEGER NOT NULL, payload BLOB NOT NULL);
CREATE UNIQUE INDEX timers_by_id ON timers (kind, id);
CREATE INDEX timers_by_due ON timers (due, seq);
CREATE TABLE items (tbl TEXT NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tbl, pk, sk)) WITHOUT ROWID;
CREATE TABLE objects (bucket TEXT NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE executions (id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
  started INTEGER NOT NULL, stopped INTEGER, description BLOB NOT NULL);
CREATE INDEX executions_by_machine ON executions (machine, started, arn);
CREATE INDEX executions_running ON executions (started) WHERE status = 'RUNNING';
CREATE TABLE execution_state (execution INTEGER PRIMARY KEY, state BLOB NOT NULL);
-- One row for all events that one commit appended: rowid appends are what SQLite does fastest.
CREATE TABLE history (seq INTEGER PRIMARY KEY, execution INTEGER NOT NULL, first_id INTEGER NOT NULL, count INTEGER NOT NULL, events BLOB NOT NULL);
CREATE INDEX history_by_execution ON history (execution, first_id);
)sql",
};

}  // namespace sp::store
