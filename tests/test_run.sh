#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# gradwire run: the collectives over tcp: give the same bits as on threads; output by rank, one exit
# status; and whoever is killed, the launcher too, no process and no folder is left. Run in the
# build folder.
set -u
. "${srcdir:-.}/tests/tool_lib.sh"
mkdir "$scratch/tmp" || exit 1
export TMPDIR=$scratch/tmp
token=run-$$

# runs STATUS ARGUMENT...: gradwire run leaves nothing behind.
runs() {
    local status=$1
    shift
    expect "$status" run "$@"
    [ -z "$(ls "$TMPDIR")" ] || wrong "gradwire run $* left $(ls "$TMPDIR")"
}
says() {
    grep -qE -- "$2" "$scratch/$1" || wrong "no '$2' in: $(cat "$scratch/$1")"
}
# Nothing of the test's jobs is there, within seconds.
none_left() {
    local tries=50
    while [ $((tries--)) -gt 0 ]; do
        pgrep -f "$token" >/dev/null || return 0
        sleep 0.1
    done
    wrong "$1: processes are left: $(pgrep -af "$token")"
    pkill -KILL -f "$token"
}

# ---- collectives
# same_bits RANKS FLAG...
same_bits() {
    local n=$1
    shift
    tests/test_collectives "$n" >"$scratch/local" || wrong "test_collectives $n failed"
    runs 0 -n "$n" --no-prefix "$@" tests/tcp_collectives
    cmp -s "$scratch/local" "$scratch/out" || {
        wrong "n=$n: threads (<) and tcp: (>) give other bits; repeat:" \
            "gradwire run -n $n $* tests/tcp_collectives"
        diff "$scratch/local" "$scratch/out" | head
        cat "$scratch/err"
    }
}
same_bits 2
same_bits 4 --tcp
GRADWIRE_PROGRESS=thread same_bits 2
runs 0 -n 2 --link 1gbit,20us "$program" bench -b 4K -e 4K -n 2 -w 1 --codec raw --json -
says out '"transport":"shaped:rate=1000mbit,latency=20us/tcp:'
runs 0 -n 2 --no-prefix "$program" bench -b 4K -e 64K -f 16 -n 2 -w 1 -c --codec 'raw ef+qsgd' --json -
[ "$(grep -c '"transport":"tcp:.*"ranks":2' "$scratch/out")" -eq 4 ] ||
    wrong "bench over tcp: $(cat "$scratch/out" "$scratch/err")"

# ---- output
# shellcheck disable=SC2016 # the ranks' shells expand these
script='for i in 1 2 3 4 5 6 7 8 9; do printf "some words "; printf "of one line\n"; done
    echo trouble >&2; printf "no end"'
runs 0 -n 3 -- sh -c "$script"
[ "$(grep -cE '^\[[012]\] some words of one line$' "$scratch/out")" -eq 27 ] ||
    wrong "lines: $(cat "$scratch/out")"
[ "$(grep -cE '^\[[012]\] no end$' "$scratch/out")" -eq 3 ] || wrong "ends: $(cat "$scratch/out")"
[ "$(sort "$scratch/err" | tr '\n' ' ')" = '[0] trouble [1] trouble [2] trouble ' ] ||
    wrong "standard error: $(cat "$scratch/err")"
runs 0 -n 1 --no-prefix printf 'a\nb'
[ "$(od -An -c "$scratch/out" | tr -d ' ')" = 'a\nb' ] || wrong "bytes: $(od -c "$scratch/out")"
# A line of 3 MB is cut, and nothing of it is lost.
runs 0 -n 2 sh -c 'head -c 3000000 /dev/zero | tr "\0" x'
[ "$(tr -cd x <"$scratch/out" | wc -c)" -eq 6000000 ] || wrong "a long line lost something"
grep -vqE '^\[[01]\] x+$' "$scratch/out" && wrong "a long line is mixed with another"
echo typed | "$program" run -n 2 cat >"$scratch/out"
[ "$(cat "$scratch/out")" = '[0] typed' ] || wrong "standard input: $(cat "$scratch/out")"
"$program" run -n 2 sh -c 'yes 2>/dev/null' | head -1 >/dev/null
[ "${PIPESTATUS[0]}" -eq 141 ] || wrong "the reader has gone: ${PIPESTATUS[0]}"

# ---- exit statuses
# shellcheck disable=SC2016
runs 3 -n 4 sh -c 'case $GRADWIRE_LAUNCH in *rank=2,*) exit 3 ;; esac; exec sleep 60'
says err '^gradwire run: rank 2 was the first to fail: exit status 3; 0, 1, 3: killed by signal 15'
# shellcheck disable=SC2016
runs 134 -n 2 sh -c 'case $GRADWIRE_LAUNCH in *rank=1,*) kill -6 $$ ;; esac; exec sleep 60'
says err 'rank 1 was the first to fail: killed by signal 6'
runs 137 -n 2 sh -c 'kill -9 $$'
runs 127 -n 1 "$scratch/nothing"
says err 'cannot run .*nothing: No such file'
runs 126 -n 1 "$scratch"
runs 3 -n 2 --timeout 0.2 sleep 60
says err 'not over after 0.2 s'
runs 1 -n 0 true
runs 1 -n 2
runs 1 --link 1gbit true
runs 1 --link 1gbti,1us true
says err '1gbti'
GRADWIRE_LAUNCH=nothing timeout 20 tests/tcp_collectives 2>"$scratch/err" && wrong "a wrong launch"
says err 'GRADWIRE_LAUNCH=nothing'
# What a rank leaves behind in its group ends with it.
runs 0 -n 2 sh -c "sleep 61 $token 2>/dev/null & tail -f /dev/null --pid=\$\$ $token 2>/dev/null &"
none_left "ranks with children"

# ---- deaths
command -v pgrep >/dev/null 2>&1 || {
    echo "test_run: no pgrep (procps): deaths were not tried"
    exit $bad
}
# start ARGUMENT...: a job in the background that is past its first barrier; $job is its launcher.
start() {
    : >"$scratch/out"
    "$program" run -n 3 tests/tcp_collectives barriers "$token" >"$scratch/out" 2>"$scratch/err" \
        </dev/null &
    job=$! # a libtool wrapper execs, so this is the launcher itself
    local tries=200
    until [ "$(grep -c ready "$scratch/out")" -eq 3 ] || [ $((tries--)) -eq 0 ]; do
        sleep 0.05
    done
}
finish() {
    wait "$job"
    status=$?
}
ranks() {
    pgrep -f "tcp_collectives barriers $token" | while read -r process; do
        [ "$process" = "$job" ] || echo "$process"
    done
}

start
kill -9 "$(ranks | tail -1)"
finish
[ $status -eq 137 ] || wrong "a rank was killed: status $status, expected 137: $(cat "$scratch/err")"
says err 'was the first to fail: killed by signal 9'
# They may be ended before they speak; but who speaks knows.
if grep ': GW_' "$scratch/err" | grep -qv 'rank [012] is lost'; then
    wrong "not the lost rank is named: $(cat "$scratch/err")"
fi
none_left "kill -9 of a rank"

start
kill -9 "$job"
finish 2>/dev/null
none_left "kill -9 of the launcher"
rm -rf "$scratch"/tmp/*

start
kill -INT "$job"
finish
[ $status -eq 130 ] || wrong "Ctrl-C: status $status, expected 130"
none_left "Ctrl-C"

start
kill -TERM "$job"
finish
[ $status -eq 143 ] || wrong "SIGTERM: status $status, expected 143"
none_left "SIGTERM"
[ -z "$(ls "$TMPDIR")" ] || wrong "left: $(ls "$TMPDIR")"
exit $bad
