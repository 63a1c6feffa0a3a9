#!/usr/bin/env bash
# A house for a test, ready in milliseconds.
#
#   tests/lib/house.sh fixture DIR          makes a house with users and keys, once; prints NAME=VALUE lines
#   tests/lib/house.sh copy FIXTURE DIR [LINE...]
#                                           a copy of it, with more lines for its configuration
#   tests/lib/house.sh upstream DIR NAME URL [KIND [PATTERN [PRIORITY]]]
#                                           a provider at URL with key sk-up-NAME, and a route to it
#
# The fixture has no provider, since nobody knows yet where the test's upstream listens. Its models:
# m/* costs $0.000001 a token in and $0.000002 out, 20 % on top; free/* has a route in every test and
# no price; everything else is unknown. Its users have no rate limit unless a test sets one.
#
#   key          rich@example.com, $100          key_poor   poor@example.com, $0.01
#   key_broke    broke@example.com, no credit    key_other  other@example.com, $1
#   and of rich@example.com: key_revoked, key_expired, key_usage (scope usage), key_models (m/only-*),
#   key_ip (10.0.0.0/8), key_cap (may spend $0.0001)
set -euo pipefail
tollgate=${TOLLGATE:-${BUILD:-build}/tollgate}

die() {
    echo "house.sh: $*" >&2
    exit 1
}

member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

fixture() {
    local dir=$1 out
    mkdir -p "$dir/data"
    chmod 700 "$dir/data"
    printf '%s\n' '[server]' 'threads = 1' '[store]' 'ballast = 0' '[limits]' 'user_rpm = 0' \
        'global_rpm = 0' >"$dir/config"
    cli() { "$tollgate" "$@" --data "$dir/data" --config "$dir/config" --json 2>/dev/null; }
    : >"$dir/out"
    # Beside a server, since then each of them takes milliseconds.
    "$tollgate" serve --data "$dir/data" --config "$dir/config" --listen 127.0.0.1:0 \
        >"$dir/out" 2>"$dir/err" &
    local server=$!
    trap 'kill "$server" 2>/dev/null' EXIT
    for ((i = 0; i < 200; i++)); do
        grep -q 'listens on' "$dir/out" && break
        kill -0 "$server" 2>/dev/null || die "the server ended: $(cat "$dir/err")"
        sleep 0.02
    done
    echo "key_expired=$(
        cli admin user create --email rich@example.com --credit 100 >"$dir/user"
        cli admin key create --user rich@example.com --name expired --expires 1s | member api_key
    )"
    echo "key=$(member api_key <"$dir/user")"
    echo "key_id=$(member key_id <"$dir/user")"
    echo "team_id=$(member team_id <"$dir/user")"
    echo "user_id=$(member user_id <"$dir/user")"
    out=$(cli admin key create --user rich@example.com --name revoked)
    cli admin key revoke --key "$(member key_id <<<"$out")" >/dev/null
    echo "key_revoked=$(member api_key <<<"$out")"
    echo "key_usage=$(cli admin key create --user rich@example.com --name usage --scope usage | member api_key)"
    echo "key_models=$(cli admin key create --user rich@example.com --name models --models 'm/only-*' | member api_key)"
    echo "key_ip=$(cli admin key create --user rich@example.com --name ip --ips 10.0.0.0/8 | member api_key)"
    echo "key_cap=$(cli admin key create --user rich@example.com --name cap --cap 0.0001 | member api_key)"
    echo "key_poor=$(cli admin user create --email poor@example.com --credit 0.01 | member api_key)"
    echo "key_broke=$(cli admin user create --email broke@example.com | member api_key)"
    echo "key_other=$(cli admin user create --email other@example.com --credit 1 | member api_key)"
    cli admin price set --model 'm/*' --input 0.000001 --output 0.000002 >/dev/null
    cli admin pricing-rule add --model '*' --markup 20 >/dev/null
    # Its second is over when the list says so.
    for ((i = 0; i < 200; i++)); do
        cli admin key list --user rich@example.com | grep -q '"name":"expired"[^}]*"status":"expired"' && break
        sleep 0.02
    done
    kill -TERM "$server"
    wait "$server" || die "the server ended badly: $(cat "$dir/err")"
    trap - EXIT
    rm -f "$dir/user" "$dir/out" "$dir/err" "$dir/data/lock"
}

copy() {
    local from=$1 dir=$2
    shift 2
    mkdir -p "$dir"
    cp -r "$from/data" "$dir/data"
    cp "$from/config" "$dir/config"
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$dir/config"
    echo "$dir" >"$dir/name"
}

upstream() {
    local dir=$1 name=$2 url=$3 kind=${4:-openai} pattern=${5:-} priority=${6:-0} p
    cli() {
        "$tollgate" "$@" --data "$dir/data" --config "$dir/config" >/dev/null || die "tollgate $*"
    }
    cli admin provider add "$name" --kind "$kind" --base-url "$url" --api-key "sk-up-$name" --tag "tag-$name"
    for p in ${pattern:-m/* free/*}; do
        cli admin route add --model "$p" --provider "$name" --priority "$priority"
    done
}

set -f # patterns are no files
case ${1:-} in
fixture | copy | upstream)
    what=$1
    shift
    "$what" "$@"
    ;;
*)
    sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
