#!/usr/bin/env bash
# A PostgreSQL server of a test's own, on a unix socket in a folder of its own; no port is opened, no
# cluster of the system is touched.
#
#   url=$(tests/lib/pg.sh start)     prints its URL, or nothing when PostgreSQL is not installed
#   url=$(tests/lib/pg.sh start PID) and it ends when that process does, however it ends
#   tests/lib/pg.sh stop "$url"      stops it and removes everything
#
# tools/with-postgres does the same for the length of one command; this is for tests that stop, kill
# and restart it. fsync stays on.
set -uo pipefail
self=$(realpath "$0")
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
who=()
# PostgreSQL does not run as root.
[ "$(id -u)" != 0 ] || who=(setpriv --reuid=postgres --regid=postgres --clear-groups)

case ${1:-} in
start)
    [ -n "$bin" ] && [ -x "$bin/initdb" ] || exit 0
    # Under /tmp whatever TMPDIR says: a socket's path has 107 bytes.
    dir=$(mktemp -d /tmp/tgpg.XXXXXX) || exit 1
    [ ${#who[@]} -eq 0 ] || chown postgres:postgres "$dir"
    cd "$dir" || exit 1
    "${who[@]}" "$bin/initdb" -D "$dir/data" -U tollgate -A trust -E UTF8 --locale=C -N \
        >"$dir/log" 2>&1 &&
        "${who[@]}" "$bin/pg_ctl" -D "$dir/data" -l "$dir/data/server.log" -w -t 30 -s \
            -o "-k $dir -c listen_addresses= -c max_connections=60 -c max_prepared_transactions=0" \
            start >>"$dir/log.start" 2>&1 ||
        { cat "$dir"/log* "$dir"/data/server.log >&2; rm -rf "$dir"; exit 1; }
    if [ -n "${2:-}" ]; then
        (
            trap '' HUP
            while kill -0 "$2" && [ -d "$dir" ]; do sleep 1; done
            "$self" stop "host=$dir"
        ) >/dev/null 2>&1 </dev/null &
    fi
    echo "postgresql:///postgres?host=$dir&user=tollgate"
    ;;
stop)
    dir=${2#*host=}
    dir=${dir%%&*}
    case $dir in /tmp/tgpg.*) ;; *) echo "usage: tests/lib/pg.sh stop URL" >&2; exit 2 ;; esac
    cd /tmp || exit 1
    "${who[@]}" "$bin/pg_ctl" -D "$dir/data" -m fast -w -s stop >/dev/null 2>&1
    rm -rf "$dir"
    ;;
*)
    echo "usage: tests/lib/pg.sh start [PID] | stop URL" >&2
    exit 2
    ;;
esac
