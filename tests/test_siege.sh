#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# scripts/siege on a small scale: between network namespaces where they are permitted, with links
# that are cut, else between processes. Run in the build folder. Times are printed, not judged.
srcdir=${srcdir:-.}
wrong() {
    echo "FAIL: $*"
    exit 1
}
siege() {
    SIEGE_ID=$$ BUILD=. timeout -k 5 240 "$srcdir/scripts/siege" --probes "${SIEGE_PROBES:-1000}" \
        --staying "${SIEGE_STAYING:-200}" --seconds 2 "$@"
}
[ -z "${SANITIZE:-}" ] || {
    echo "SKIP: a sanitizer keeps what was freed, and memory is looked at here"
    exit 77
}
for tool in awk paste; do
    command -v $tool >/dev/null || {
        echo "SKIP: $tool is not installed"
        exit 77
    }
done
siege
status=$?
[ $status -ne 77 ] || {
    siege --loopback
    status=$?
}
[ $status -eq 0 ] || wrong "scripts/siege ended with $status"
ip netns list 2>/dev/null | grep "^gs$$-" && wrong "namespaces are left: $(ip netns list)"
BUILD=. "$srcdir/scripts/siege" --probes many 2>/dev/null && wrong "--probes many was taken"
exit 0
