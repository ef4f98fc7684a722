#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Instructions per element of each loop, under callgrind, against those that are kept in
# instructions.txt: they are exact and repeatable, so growth above 3 % is a change, not noise.
#
# tests/test_instructions.sh --update (in the build folder, CC as in the build) writes the file anew.
set -u
srcdir=${srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
kept=$srcdir/tests/instructions.txt
limit=3

skip() {
    echo "SKIP: $*"
    exit 77
}

command -v valgrind >/dev/null 2>&1 || skip "valgrind is not installed"
[ "$(uname -m)" = x86_64 ] || skip "the counts were taken on x86-64"
[ -z "${SANITIZE:-}" ] || skip "a sanitizer's instructions are not the library's"
# Another compiler, or other flags, make other instructions.
made="$(${CC:-cc} -dumpfullversion) $(sed -n "s/^CFLAGS = //p" Makefile 2>/dev/null)"
if [ "${1:-}" != --update ] && [ "$(sed -n 's/^# made by //p' "$kept")" != "$made" ]; then
    skip "counts were taken with compiler and flags '$(sed -n 's/^# made by //p' "$kept")', these are '$made'"
fi

scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
./libtool --mode=execute valgrind --tool=callgrind --collect-atstart=no --toggle-collect=measured \
    --dump-after=measured --callgrind-out-file="$scratch/out" tests/instructions \
    >"$scratch/names" 2>"$scratch/log" || {
    cat "$scratch/log"
    exit 1
}

# out.1, out.2, ...: what was counted since the dump before.
number=0
while IFS=$'\t' read -r loop kernels elements; do
    number=$((number + 1))
    total=$(sed -n 's/^totals: //p' "$scratch/out.$number")
    awk -v l="$loop" -v k="$kernels" -v t="$total" -v n="$elements" \
        'BEGIN { printf "%-20s\t%-8s\t%.3f\n", l, k, t / n }'
done <"$scratch/names" >"$scratch/counts"
[ -s "$scratch/counts" ] || {
    echo "nothing was counted"
    cat "$scratch/log"
    exit 1
}

if [ "${1:-}" = --update ]; then
    {
        echo "# Instructions per element of each loop (tests/kernel_loops.c) and kernel row under callgrind."
        echo "# made by $made"
        cat "$scratch/counts"
    } >"$kept"
    exit 0
fi

grep -v '^#' "$kept" >"$scratch/kept"
awk -F'\t' -v limit=$limit '
    NR == FNR { kept[$1 FS $2] = $3; next }
    !(($1 FS $2) in kept) { printf "%s %s: takes %s instructions per element, none are kept\n", $1, $2, $3; bad = 1; next }
    { seen[$1 FS $2] = 1 }
    $3 > kept[$1 FS $2] * (1 + limit / 100) { printf "%s %s: expected at most %s instructions per element (+%d %%), got %s\n", $1, $2, kept[$1 FS $2], limit, $3; bad = 1 }
    $3 < kept[$1 FS $2] * (1 - limit / 100) { printf "note: %s %s: %s instructions per element, kept are %s: keep the gain\n", $1, $2, $3, kept[$1 FS $2] }
    END {
        for (k in kept)
            if (!(k in seen)) { printf "%s: kept, but not counted any more\n", k; bad = 1 }
        exit bad
    }' "$scratch/kept" "$scratch/counts" || {
    echo "repeat: make -C BUILD check TESTS=tests/test_instructions.sh"
    echo "if the growth is wanted: cd BUILD && $srcdir/tests/test_instructions.sh --update"
    exit 1
}
