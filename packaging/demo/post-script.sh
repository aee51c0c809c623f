#!/bin/sh
# Post-script of the demo machines: lets the writer go on. As good twice as once.
set -eu
PATH=/usr/lib/postgresql/15/bin:$PATH

# After a start of the machine the database may not be up yet.
tries=0
until [ -e /var/lib/postgresql/first-boot-done ] && pg_isready -q -h /run/postgresql; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] || { echo "the database did not come up within 60 s" >&2; exit 1; }
  sleep 0.1
done

psql -XAtq -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres -c 'UPDATE demo.control SET blocked = false' postgres
echo "the writer goes on"
