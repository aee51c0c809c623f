#!/bin/sh
# Pre-script of the demo machines: holds the writer, appends a marker row to both chains and writes everything to disk.
# Prints "MARKER <n> <hash>". Nothing is committed to the chains from its end until post-script.sh has run, also across a
# stop and a start of the machine: the flag is a row of the database. Running it again appends one more marker.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
run() { psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres postgres; }

# A machine that has just booted may still be making its database.
tries=0
until [ -e /var/lib/postgresql/first-boot-done ] && pg_isready -q -h /run/postgresql; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "the database did not come up within 60 s" >&2; exit 1; }
  sleep 0.1
done

# The writer holds this lock shared in the transaction in which it looks at the flag and appends: when we have it, no append
# is under way, and after our commit every later one sees the flag.
run <<'SQL'
BEGIN;
SELECT pg_advisory_xact_lock(4747) \g /dev/null
UPDATE demo.control SET blocked = true;
SELECT demo.append('marker', 'backup') \g /dev/null
COMMIT;
CHECKPOINT;
SELECT 'MARKER ' || n || ' ' || encode(hash, 'hex') FROM demo.chain_a ORDER BY n DESC LIMIT 1;
SQL
