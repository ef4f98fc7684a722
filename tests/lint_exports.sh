#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Fails when the library exports a symbol that is not in tests/exports.txt, or lacks one that is,
# or one that no installed header declares. Run in the build folder.
srcdir=${srcdir:-.}
library=${1:-.libs/libgradwire.so}
list=${2:-$srcdir/tests/exports.txt}
[ -e "$library" ] || {
    echo "no $library: built --disable-shared"
    exit 77
}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

# Sanitizers add names of their own.
nm -D --defined-only "$library" | awk '$2 ~ /^[A-Zuvw]$/ { print $3 }' |
    grep -vE '^__(asan|odr_asan|ubsan|tsan|sanitizer|start|stop)_' | LC_ALL=C sort -u >"$folder/has"
grep -v '^#' "$list" | LC_ALL=C sort -u >"$folder/wants"
bad=0
if ! cmp -s "$folder/has" "$folder/wants"; then
    echo "Exported symbols differ from tests/exports.txt (< only listed, > only exported):"
    diff "$folder/wants" "$folder/has"
    bad=1
fi
cat "$srcdir"/include/gradwire/*.h >"$folder/headers"
while read -r name; do
    grep -qE "\b$name\(" "$folder/headers" || {
        echo "exported, but in no installed header: $name"
        bad=1
    }
done <"$folder/has"
exit $bad
