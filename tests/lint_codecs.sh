#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Fails when a row of a table lacks what a row must have: a codec its test, golden file and
# paragraph in doc/codecs.md; an algorithm its test and paragraph in doc/algorithms.md.
# Run in the build folder; tests/rows prints the tables.
srcdir=${srcdir:-.}
rows=${1:-tests/rows}
bad=0
lacks() {
    echo "$1 $2 lacks $3"
    bad=1
}
# Is there a heading for $1 in page $2? "## `qsgd`", "### sign and onebit"
headed() {
    grep -E '^#+ ' "$2" 2>/dev/null | grep -qwF -- "$1"
}
tested() {
    grep -qE "\"([^\"]*[^a-z_\"])?$1([^a-z_\"][^\"]*)?\"" "$srcdir"/tests/*.c
}
list=$("$rows") || exit 1
[ -n "$list" ] || {
    echo "$rows printed nothing"
    exit 1
}
while read -r kind name; do
    case $kind in
    codec)
        headed "$name" "$srcdir/doc/codecs.md" || lacks codec "$name" "a heading in doc/codecs.md"
        tested "$name" || lacks codec "$name" "a test: no string of tests/*.c names it"
        [ -s "$srcdir/tests/golden/$name.bin" ] || lacks codec "$name" "tests/golden/$name.bin"
        ;;
    wrapper)
        headed "$name" "$srcdir/doc/codecs.md" || lacks wrapper "$name" "a heading in doc/codecs.md"
        tested "$name" || lacks wrapper "$name" "a test: no string of tests/*.c names it"
        ;;
    algorithm)
        headed "$name" "$srcdir/doc/algorithms.md" ||
            lacks algorithm "$name" "a heading in doc/algorithms.md"
        tested "$name" || lacks algorithm "$name" "a test: no string of tests/*.c names it"
        ;;
    esac
done <<END
$list
END
exit $bad
