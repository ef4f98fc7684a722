#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# gradwire serve, key and top as their users meet them: addresses, logs, metrics, tables, signals,
# a kill and what the folder holds then, keys. Run in the build folder. Nothing here is timed; what
# waits has a limit as a guard.
. "${srcdir:-.}/tests/tool_lib.sh"
worker=$PWD/tests/ps_worker
server=
held=()
# shellcheck disable=SC2317 # the trap calls it
leave() {
    [ -z "$server" ] || kill -9 "$server" 2>/dev/null
    rm -rf "$scratch"
}
trap leave EXIT
cd "$scratch" || exit 1

# refuses WORDS ARGUMENT...: a clear error, status 1
refuses() {
    local words=$1
    shift
    expect 1 "$@"
    grep -qF -- "$words" err || wrong "gradwire $*: expected '$words', got: $(cat err)"
    [ -s out ] && wrong "gradwire $*: an error, and on standard output: $(cat out)"
}
# starts ARGUMENT...: a server in the background; its addresses are in the file addresses.
starts() {
    local i
    rm -f addresses
    "$program" serve --address-file addresses "$@" >told 2>>log 8>&- &
    server=$!
    for ((i = 0; i < 300; i++)); do
        [ -e addresses ] && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    wrong "gradwire serve $* does not start: $(cat told log)"
    exit 1
}
# ends STATUS SIGNAL: end the server
ends() {
    local got
    kill "-$2" "$server"
    wait "$server" 2>/dev/null
    got=$?
    server=
    [ "$got" -eq "$1" ] || wrong "serve ended by $2 gives status $got, expected $1: $(cat log)"
}
# works K OPTION...: worker K of two; what it prints goes to worker.K
works() {
    local k=$1
    shift
    timeout 60 "$worker" --worker "$k" --workers 2 --ledger --timeout 30 "$@" >"worker.$k" 2>&1
}
# both OPTION...: workers 0 and 1
both() {
    local first
    works 0 "$@" &
    first=$!
    works 1 "$@" || wrong "worker 1: $(cat worker.1)"
    wait "$first" || wrong "worker 0: $(cat worker.0)"
}
# holds OPTION...: the same, who stay until lets_go
holds() {
    local k i
    mkfifo gate
    for k in 0 1; do
        works $k --hold "$@" <gate &
        held[k]=$!
    done
    exec 8>gate
    for ((i = 0; i < 300; i++)); do
        [ "$(cat worker.0 worker.1 2>/dev/null | grep -c '^worker=')" -eq 2 ] && return
        sleep 0.1
    done
    wrong "the workers: $(cat worker.0 worker.1)"
}
lets_go() {
    exec 8>&-
    rm gate
    wait "${held[0]}" || wrong "worker 0: $(cat worker.0)"
    wait "${held[1]}" || wrong "worker 1: $(cat worker.1)"
}
counted() {
    timeout 60 "$worker" --workers 2 --worker 9 --ledger --observer --timeout 30 "$@" >counts 2>&1 ||
        wrong "the observer: $(cat counts)"
}
number_of() { # NAME in the JSON on standard input, before the list of workers
    sed 's/"list".*//' | grep -oE "\"$1\":[0-9]+" | cut -d: -f2
}

# ---- wrong use
refuses 'unexpected argument' serve here
refuses '--workers 0: not a valid value' serve --workers 0
refuses '--seed -1: not a valid value' serve --seed -1
refuses '--dead 0: not a valid value' serve --dead 0
refuses 'needs --folder' serve --durability log
refuses 'without --durability' serve --folder x
refuses "no durability 'lock' (did you mean 'log'?); valid: none, snapshot, log" serve --durability lock --folder x
refuses 'valid' serve --listen unix:s --mode quick
refuses 'sgd' serve --listen unix:s --optimizer best
refuses 'qsgd' serve --listen unix:s --pull tiny
refuses 'mean' serve --listen unix:s --aggregator most
refuses 'tcp:127.0.0.1' serve --listen tcp:127.0.0.1
refuses 'only on local addresses' serve --listen unix:s --http 0.0.0.0:0
refuses 'gradwire key --job' serve --listen tcp:0.0.0.0:0
refuses '--log /nowhere/log' serve --listen unix:s --log /nowhere/log
refuses '--address-file /nowhere/a' serve --listen unix:s --address-file /nowhere/a
refuses 'nowhere.keys' serve --listen unix:s --keys nowhere.keys
[ -e s ] && wrong "a server that did not start left its socket"
refuses 'whom to ask' top
refuses 'not a valid value' top --every never unix:s
refuses 'unix:' top --once --timeout 2 "unix:$scratch/nobody"
refuses 'unexpected argument' top unix:a unix:b
refuses '--workers N' key
refuses '--workers 0' key --workers 0
refuses "job's name" key --job 'a b' --workers 1 -o odd.keys
[ -e odd.keys ] && wrong "a wrong job's keys were made"

# ---- keys
expect 0 key --job demo --workers 2 --first 3 --split
cat out err >told
[ "$(stat -c %a demo.keys demo.keys.3 demo.keys.4 | sort -u)" = 600 ] || wrong "key files: $(ls -l)"
[ "$(grep -c '^worker [34] [0-9a-f]\{64\}$' demo.keys)" -eq 2 ] || wrong "demo.keys has other lines"
for k in 3 4; do
    [ "$(grep '^worker' demo.keys.$k)" = "$(grep "^worker $k " demo.keys)" ] ||
        wrong "demo.keys.$k does not have the key of worker $k"
    grep -q '^job demo$' "demo.keys.$k" || wrong "demo.keys.$k does not name the job"
done
grep -oE '[0-9a-f]{64}' demo.keys | while read -r key; do
    grep -q "${key:0:8}" told && echo printed
done | grep -q printed && wrong "key prints a key"
cp -p demo.keys kept
refuses 'exists' key --job demo --workers 2 --first 3
cmp -s demo.keys kept || wrong "a key file was written over"
touch other.keys.1
refuses 'other.keys.1 exists' key --workers 3 -o other.keys --split
[ "$(echo other.keys*)" = other.keys.1 ] || wrong "a split that failed left $(echo other.keys*)"

# ---- a server, its workers, its figures
starts --listen "unix:$scratch/socket,tcp:127.0.0.1:0" --http 127.0.0.1:0 \
    --durability log:every=1000 --folder state
[ "$(sed -n 's/^listening on //p' told)" = "$(cat addresses)" ] || wrong "told $(cat told addresses)"
[ "$(head -n 1 addresses)" = "unix:$scratch/socket" ] || wrong "addresses: $(cat addresses)"
grep -qE '^tcp:127.0.0.1:[1-9][0-9]*$' addresses || wrong "addresses: $(cat addresses)"
local=$(head -n 1 addresses) tcp=$(tail -n 1 addresses)
refuses 'state' serve --listen "unix:$scratch/second" --durability log --folder state
holds --servers "$local" --steps 7
for address in $local $tcp; do
    expect 0 top --json "$address"
    [ "$(wc -l <out)" -eq 1 ] || wrong "top --json prints $(wc -l <out) lines"
    [ "$(number_of round <out)" -eq 7 ] || wrong "7 rounds, top --json: $(cat out)"
    expect 0 top --once "$address"
    grep -q '^job gradwire  round 7  rounds/s -  members 2 ' out || wrong "top --once: $(cat out)"
    grep -qE '^ +worker +state +clock +behind ' <(sed 's/^/ /' out) || wrong "titles: $(cat out)"
    [ "$(awk '$1 ~ /^\*?[01]$/ && $2 == "live" && $3 >= 7 && $12 == 0' out | wc -l)" -eq 2 ] ||
        wrong "two workers, at clock 7 at least: $(cat out)"
    [ "$(awk 'NR > 2 { print length($0) }' out | sort -u | wc -l)" -eq 1 ] || wrong "ragged: $(cat out)"
    grep -q $'\033' out && wrong "top --once prints escapes"
done
expect 0 top --once --every 0.2 "$local,$tcp"
[ "$(grep -c '^job gradwire  round 7  rounds/s 0.00 ' out)" -eq 2 ] || wrong "two blocks: $(cat out)"
refuses 'gradwire' top --once --job other "$local"
expect 1 top --once --timeout 2 "unix:$scratch/nobody,$local"
grep -q '^job gradwire  round 7 ' out || wrong "one of two servers: $(cat out)"
grep -q nobody err || wrong "the other of two servers: $(cat err)"

# scrape PATH: what the HTTP port answers
scrape() {
    local port
    port=$(sed -n 's|^metrics on http://127.0.0.1:\([0-9]*\)/metrics$|\1|p' told)
    exec 9<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET %s HTTP/1.0\r\n\r\n' "$1" >&9
    timeout 20 cat <&9
    exec 9>&-
}
scrape /metrics | tr -d '\r' >metrics
grep -q '^HTTP/1.0 200 OK$' metrics || wrong "metrics: $(head -n 3 metrics)"
grep -q '^gradwire_round{job="gradwire"} 7$' metrics || wrong "metrics: $(cat metrics)"
grep -q '^gradwire_worker_clock{job="gradwire",worker="1"} [789]$' metrics || wrong "metrics: $(cat metrics)"
scrape / | grep -q '^HTTP/1.0 404' || wrong "another path is not 404"

# ---- killed, and back
ends 137 KILL
starts --listen "unix:$scratch/socket" --durability log:every=1000 --folder state
expect 0 top --json "$local"
[ "$(number_of round <out)" -eq 7 ] || wrong "after kill -9 the round is not 7: $(cat out)"
grep -q 'event=recovered round=7 members=2' log || wrong "not recovered: $(cat log)"
lets_go
both --servers "$local" --steps 3 --first 7
counted --servers "$local"
grep -q 'counts=10,10 ledger=exact' counts || wrong "10 pushes each, the observer: $(cat counts)"

# ---- SIGTERM: drained, snapshot written
before=$(grep -c event=snapshot log)
ends 0 TERM
[ "$(grep -c event=snapshot log)" -gt "$before" ] || wrong "no last snapshot: $(cat log)"
[ -e socket ] && wrong "the socket is still there"
tail -n 1 log | grep -q 'level=info event=stopped status=GW_OK$' || wrong "last line: $(tail -n 1 log)"
pattern='^time=[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z level=(info|warn|error) event=[a-z]+( |$)'
grep -vE "$pattern" log | grep -v '^test_serve' >odd && wrong "odd log lines: $(cat odd)"
starts --listen "unix:$scratch/socket" --durability snapshot --folder state --log own.log --quiet
expect 0 top --json "$local"
[ "$(number_of round <out)" -ge 10 ] || wrong "after SIGTERM the round is not back: $(cat out)"
ends 0 INT
grep -q 'level=info' own.log && wrong "--quiet logs: $(cat own.log)"

# ---- keys in use: TCP, each worker with its own part
expect 0 key --job demo --workers 2 -o pair.keys --split
starts --listen tcp:127.0.0.1:0 --job demo --keys pair.keys
tcp=$(cat addresses)
works 0 --servers "$tcp" --job demo --keys pair.keys.0 --steps 4 &
first=$!
works 1 --servers "$tcp" --job demo --keys pair.keys.1 --steps 4 || wrong "worker 1: $(cat worker.1)"
wait "$first" || wrong "worker 0: $(cat worker.0)"
expect 0 top --json --job demo --keys pair.keys.1 --worker 1 "$tcp"
[ "$(number_of round <out)" -eq 4 ] || wrong "with keys: $(cat out)"
expect 1 top --json --job demo --timeout 5 "$tcp"
expect 1 top --json --job demo --keys pair.keys.1 --worker 0 --timeout 5 "$tcp"
ends 0 TERM

# ---- on a terminal: redrawn, q leaves, the settings are as before
if command -v script >/dev/null; then
    starts --listen "unix:$scratch/socket"
    holds --servers "$local" --steps 2
    (sleep 2 && printf q) | timeout 60 script -qefc \
        "stty rows 6 cols 60; stty -g >a; '$program' top --every 0.2 '$local'; stty -g >b" \
        screen >/dev/null || wrong "top on a terminal: status $?"
    cmp -s a b || wrong "top leaves the terminal in another state"
    [ "$(grep -ac $'\033\\[H' screen)" -ge 1 ] || wrong "top does not draw: $(cat -v screen)"
    grep -aq 'job gradwire  round 2 ' screen || wrong "top draws: $(cat -v screen)"
    lets_go
    ends 0 TERM
else
    echo "test_serve: no script(1): top was not run on a terminal"
fi
[ $bad -eq 0 ]
