#!/bin/sh
# Succeeds once the demo machine's database holds its data and its writer commits; prints size and rows.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH
ask() { psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres -c "$1" postgres; }

tries=0
until [ -e /var/lib/postgresql/first-boot-done ] && pg_isready -q -h /run/postgresql; do
  tries=$((tries + 1))
  [ "$tries" -lt 1500 ] || { echo "the database did not come up within 150 s" >&2; exit 1; }
  sleep 0.1
done
size=$(ask "SELECT pg_database_size('postgres')")
[ "$size" -ge $((256 * 1024 * 1024)) ] || { echo "the database holds $size bytes, less than 256 MiB" >&2; exit 1; }
before=$(ask 'SELECT count(*) FROM demo.chain_a')
tries=0
while now=$(ask 'SELECT count(*) FROM demo.chain_a') && [ "$now" -le "$before" ]; do
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || { echo "the writer does not commit" >&2; exit 1; }
  sleep 0.1
done
echo "$size bytes, $now rows"
