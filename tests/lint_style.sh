#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# SPDX-FileCopyrightText: 2026 the gradwire authors
# Fails on a source file that is over 500 lines, lacks the two SPDX lines at its top, or is not
# as clang-format (the version that the tree is formatted with) would write it.
# lint_style.sh [TREE]
tree=${1:-${srcdir:-.}}
cd "$tree" || exit 1
bad=0
sources=$(find include base session compress comm collectives server tools examples tests \
    \( -name '*.[ch]' -o -name '*.inc' -o -name '*.cc' \) 2>/dev/null | sort)
scripts=$(find autogen.sh configure.ac Makefile.am scripts tests .ci -type f \
    \( -name '*.sh' -o -name '*.mk' -o -name '*.ac' -o -name '*.am' -o -path 'scripts/*' \) \
    2>/dev/null | sort)

for file in $sources $scripts; do
    head -n 4 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' &&
        head -n 4 "$file" | grep -q 'SPDX-FileCopyrightText:' || {
        echo "$file: no SPDX lines at its top"
        bad=1
    }
    lines=$(wc -l <"$file")
    [ "$lines" -le 500 ] || {
        echo "$file: $lines lines, the limit is 500"
        bad=1
    }
done

# Other versions write some lines in other ways.
version=14
for tool in "clang-format-$version" clang-format ''; do
    [ -n "$tool" ] && "$tool" --version 2>/dev/null | grep -q "version $version\." && break
done
if [ -n "$tool" ] && [ -n "$sources" ]; then
    # shellcheck disable=SC2086 # file names here hold no blanks
    if ! "$tool" --dry-run --Werror $sources 2>&1; then
        echo "clang-format -i would change what is named above"
        bad=1
    fi
fi
[ $bad -eq 0 ] || exit 1
[ -n "$tool" ] || {
    echo "no clang-format $version: the rest was looked at"
    exit 77
}
