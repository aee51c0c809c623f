// The demo database's tables and functions, and the statements that check them.
#pragma once

namespace sp::agent {

/// Schema `demo`: two equal chains (n, at, kind, payload, prev, hash = sha256(prev, n, kind, at, payload)); append() adds one
/// row to both; the procedure write_forever() does so in a transaction each until it is told to hold. control.blocked is
/// read under a shared advisory lock in the transaction that appends, and set under the exclusive one: once the setter has
/// committed, no append commits any more. The flag is data: it survives a stop and a start.
inline constexpr const char* kDemoSchema = R"sql(
CREATE SCHEMA demo;
CREATE TABLE demo.control (single boolean PRIMARY KEY DEFAULT true CHECK (single), blocked boolean NOT NULL DEFAULT false);
INSERT INTO demo.control DEFAULT VALUES;
CREATE TABLE demo.chain_a (n bigint PRIMARY KEY, at text NOT NULL, kind text NOT NULL, payload text NOT NULL, prev bytea NOT NULL, hash bytea NOT NULL);
CREATE TABLE demo.chain_b (LIKE demo.chain_a INCLUDING ALL);
CREATE FUNCTION demo.link(prev bytea, n bigint, kind text, at text, payload text) RETURNS bytea LANGUAGE sql IMMUTABLE AS
  $$ SELECT sha256(prev || convert_to(n::text || '|' || kind || '|' || at || '|' || payload, 'UTF8')) $$;
CREATE FUNCTION demo.append(row_kind text, row_payload text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  last demo.chain_a%ROWTYPE;
  fresh demo.chain_a%ROWTYPE;
BEGIN
  SELECT * INTO last FROM demo.chain_a ORDER BY n DESC LIMIT 1;
  fresh.n := coalesce(last.n, 0) + 1;
  fresh.at := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
  fresh.kind := row_kind;
  fresh.payload := row_payload;
  fresh.prev := coalesce(last.hash, ''::bytea);
  fresh.hash := demo.link(fresh.prev, fresh.n, fresh.kind, fresh.at, fresh.payload);
  INSERT INTO demo.chain_a SELECT fresh.*;
  INSERT INTO demo.chain_b SELECT fresh.*;
END $$;
CREATE PROCEDURE demo.write_forever() LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    PERFORM pg_advisory_xact_lock_shared(4747);
    IF NOT (SELECT blocked FROM demo.control) THEN
      PERFORM demo.append('write', md5(random()::text));
    END IF;
    COMMIT;
    PERFORM pg_sleep(0.02);
    COMMIT;
  END LOOP;
END $$;
)sql";

/// Before the ballast's COPY, in one transaction with it: with wal_level=minimal nothing of it goes to the WAL.
inline constexpr const char* kBallastTable =
    "CREATE TABLE demo.ballast (id bigint NOT NULL, bytes bytea NOT NULL); ALTER TABLE demo.ballast ALTER COLUMN bytes SET STORAGE PLAIN";

/// A row: rows of chain_a, rows of chain_b, broken links in a, in b, rows that differ, n, kind and hash (hex) of the last row.
inline constexpr const char* kDemoCheck = R"sql(
SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off;
WITH a AS (SELECT *, lag(hash) OVER (ORDER BY n) AS before, row_number() OVER (ORDER BY n) AS place FROM demo.chain_a),
     b AS (SELECT *, lag(hash) OVER (ORDER BY n) AS before, row_number() OVER (ORDER BY n) AS place FROM demo.chain_b),
     differing AS ((TABLE demo.chain_a EXCEPT TABLE demo.chain_b) UNION ALL (TABLE demo.chain_b EXCEPT TABLE demo.chain_a)),
     last AS (SELECT n, kind, encode(hash, 'hex') AS hash FROM demo.chain_a ORDER BY n DESC LIMIT 1)
SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b),
       (SELECT count(*) FROM a WHERE n <> place OR prev <> coalesce(before, ''::bytea) OR hash <> demo.link(prev, n, kind, at, payload)),
       (SELECT count(*) FROM b WHERE n <> place OR prev <> coalesce(before, ''::bytea) OR hash <> demo.link(prev, n, kind, at, payload)),
       (SELECT count(*) FROM differing),
       coalesce((SELECT n FROM last), 0), coalesce((SELECT kind FROM last), 'none'), coalesce((SELECT hash FROM last), '');
)sql";

}  // namespace sp::agent
