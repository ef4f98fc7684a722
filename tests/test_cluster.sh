#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# scripts/cluster: ranks on hosts of their own reach each other over real sockets, a program's exit
# status comes through, and nothing is left behind. Run in the build folder.
set -u
srcdir=${srcdir:-.}
skip() {
    echo "SKIP: $*"
    exit 77
}
wrong() {
    echo "FAIL: $*"
    exit 1
}
[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
for tool in ip tc mpirun nsenter unshare; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
name=gwtest$$
ip netns add $name 2>/dev/null || skip "network namespaces are not permitted here"
ip netns del $name
[ -z "${SANITIZE:-}" ] || skip "a sanitizer would find what Open MPI leaves behind"
[ -x ./gradwire ] || skip "the gradwire program is not built"

# Those of scripts/cluster: other tests have namespaces too.
namespaces() {
    ip netns list | grep '^gw'
}
before=$(namespaces)
rows=$(mktemp) || exit 1
trap 'rm -f "$rows"' EXIT
timeout -k 5 60 "$srcdir/scripts/cluster" 2 1gbit -- ./gradwire bench -b 64K -e 64K -n 2 -w 1 -c \
    --gate off --codec qsgd:bits=8 --json "$rows" || wrong "scripts/cluster ended with $?"
grep -q '"transport":"mpi:".*"ranks":2' "$rows" || wrong "expected a row of 2 ranks, got: $(cat "$rows")"
grep -q '"wrong":0' "$rows" || wrong "wrong results: $(cat "$rows")"
timeout -k 5 60 "$srcdir/scripts/cluster" 2 none -- sh -c 'exit 7' >/dev/null 2>&1
status=$?
[ $status -eq 7 ] || wrong "exit status $status, expected that of the program: 7"
[ "$(namespaces)" = "$before" ] || wrong "namespaces are left: $(namespaces)"
