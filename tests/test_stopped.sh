#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# One rank is stopped in the midst: the others fail at the deadline with its number, mpirun ends,
# and no process of the job is left.
set -u
srcdir=${srcdir:-.}
command -v mpirun >/dev/null 2>&1 || {
    echo "SKIP: mpirun is not installed"
    exit 77
}
command -v pgrep >/dev/null 2>&1 || {
    echo "SKIP: pgrep (procps) is not installed"
    exit 77
}
token=stopped-$$
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
ranks=4

timeout -k 10 60 "$srcdir/scripts/mpirun" $ranks tests/mpi_transport stopped $token >"$out" 2>&1
status=$?
cat "$out"
case $status in 124 | 137)
    echo "FAIL: the job did not end"
    exit 1
    ;;
esac
[ $status -eq 3 ] || {
    echo "FAIL: mpirun's status is $status, expected that of the first rank that gave up: 3"
    exit 1
}
# mpirun ends the job at the first rank that fails, so some may be ended before they speak.
grep -q 'GW_ETIMEOUT: gw_barrier: no answer from rank 1 within 2 s' "$out" || {
    echo "FAIL: nobody named rank 1"
    exit 1
}
# Rank 1 itself goes on for a moment before mpirun ends it; what it says does not count, and a rank
# that was late itself may still hear it (GW_OK).
if grep '^rank [023]:' "$out" | grep -v ': GW_OK' | grep -qv 'no answer from rank 1 within'; then
    echo "FAIL: somebody named another rank"
    exit 1
fi
left=$(pgrep -f "$token" | grep -vx "$$") || left=
[ -z "$left" ] || {
    echo "FAIL: processes are left:"
    ps -o pid,stat,args -p "$(echo "$left" | tr '\n' ',' | sed 's/,$//')"
    exit 1
}
