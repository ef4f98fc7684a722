#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# scripts/soak with a few kills: real processes, killed and frozen; the ledger is exact after each
# cycle, and nothing is left. Run in the build folder. How long it took to notice is printed, not
# judged.
srcdir=${srcdir:-.}
wrong() {
    echo "FAIL: $*"
    exit 1
}
for tool in pgrep ps date; do
    command -v $tool >/dev/null || {
        echo "SKIP: $tool is not installed"
        exit 77
    }
done
told=$(BUILD=. timeout -k 5 240 "$srcdir/scripts/soak" --kills "${SOAK_KILLS:-20}" --seed "${SOAK_SEED:-1}")
status=$?
echo "$told"
[ $status -eq 0 ] || wrong "scripts/soak ended with $status; SOAK_SEED=${SOAK_SEED:-1} repeats its choices"
[[ $told =~ [0-9]+\ passed,\ 0\ failed$ ]] || wrong "expected a last line '... passed, 0 failed'"
BUILD=. "$srcdir/scripts/soak" --kills many 2>/dev/null && wrong "--kills many was taken"
BUILD=. "$srcdir/scripts/soak" --help | grep -q 'exactly' || wrong "--help says too little"
